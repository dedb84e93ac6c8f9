# SPDX-License-Identifier: Apache-2.0
"""
Splits a JSON answer, as it streams by, into a small document and its inline payloads.

An inline video makes an answer of megabytes out of one of a few hundred bytes, and the gateway sends it again
at every poll. Here it is passed over at the speed of ``bytes.find``; what remains is small enough to parse in
an event loop.
"""

from __future__ import annotations

import json
import re
from enum import Enum, auto

MAX_STRING = 16 * 1024
"""Bytes of any other string that are kept."""
MAX_HEAD = 256
"""Characters within which a data URI's comma must come."""
MAX_DEPTH = 200
"""Deeper nesting is refused: ``json.loads`` would run into Python's recursion limit."""

_TOKEN = re.compile(rb'[\[\]{},:"]')
_CHARACTER = re.compile(rb'\\u[0-9a-fA-F]{4}|\\[^u]|[^"\\]', re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|([^u]))", re.DOTALL)
_HIGH_SURROGATE = re.compile(rb"\\u[dD][89abAB]")
_CONTROLS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_CLOSERS = {ord("{"): b"}", ord("["): b"]"}
_SCHEME = b"data:"
_BLANK = b"\xef\xbb\xbf \t\r\n"


class AnswerTooLarge(ValueError):
    """The answer without its payloads is larger, or nested deeper, than any sound one."""


class _State(Enum):
    OUTSIDE = auto()
    HEAD = auto()
    """In a string that may turn out to be a payload; what is known of it waits in the carry."""
    STRING = auto()
    PAYLOAD = auto()


class AnswerScanner:
    """
    Passes over the data URIs in a JSON answer, whatever the chunks it comes in.

    A string value that begins with ``data:`` is a payload. The document keeps its head up to the comma, and
    its number, counted from 0, in the place of the rest: ``"data:video/mp4;base64,#0"``. A body that isn't
    JSON, or more than one document in a body, passes through.

    :param tap: number of the payload whose text :meth:`feed` returns.
    :param max_document: bytes that the document may have.
    """

    def __init__(self, *, tap: int | None = None, max_document: int = 1_048_576) -> None:
        self._tap = tap
        self._max_document = max_document
        self._document = bytearray()
        self._state = _State.OUTSIDE
        self._carry = b""
        self._open = bytearray()  # the brackets that are open
        self._last = b""  # the last token outside of strings; a string counts as its quote
        self._token_end = 0  # where in the document that token ended
        self._is_key = False
        self._string_start = 0
        self._room = 0
        self._payloads = 0
        self._tapped = False

    @property
    def in_payload(self) -> bool:
        """Whether the next byte belongs to a payload."""
        return self._state is _State.PAYLOAD

    @property
    def tapped(self) -> bool:
        """Whether the tapped payload has been seen to its end."""
        return self._tapped

    @property
    def complete(self) -> bool:
        """Whether every string and bracket that was opened has been closed."""
        return self._state is _State.OUTSIDE and not self._open

    def feed(self, chunk: bytes) -> bytes:
        """
        Take the next chunk.

        :param chunk: any number of bytes of the body.
        :returns: the text of the tapped payload in it, JSON's escapes resolved.
        :raises AnswerTooLarge: the document holds ``max_document`` bytes and there are more to come.
        """
        buffer, self._carry = self._carry + chunk, b""
        tapped: list[bytes] = []
        position = 0
        while position < len(buffer):
            if self._state is _State.OUTSIDE:
                position = self._outside(buffer, position)
            elif self._state is _State.HEAD:
                position = self._head(buffer, position)
            else:
                position = self._string(buffer, position, tapped)
        return b"".join(tapped)

    def document(self) -> bytes:
        """
        Return what was seen without the payloads.

        If the JSON broke off, what is open is closed and a key without a value is dropped, so that it can be
        parsed; the value at its very end may then be shorter than the gateway meant it.
        """
        seen = bytes(self._document)
        if seen.lstrip(_BLANK)[:1] not in (b"{", b"[", b'"'):
            return seen
        if self._state is _State.OUTSIDE:
            seen = self._complete(seen)
        elif self._is_key:
            seen = self._without_key(seen)
        else:
            text = seen[self._string_start :] + (self._carry if self._state is _State.HEAD else b"")
            seen = seen[: self._string_start] + text[: _whole(text)] + b'"'
        return seen + b"".join(_CLOSERS[bracket] for bracket in reversed(self._open))

    def _complete(self, seen: bytes) -> bytes:
        scalar = seen[self._token_end :].strip()
        if scalar:
            try:
                json.loads(scalar)
            except ValueError:
                return seen[: self._token_end] + b"null"
        elif self._is_key and self._last in (b'"', b":"):
            return self._without_key(seen)
        elif self._last == b"," and self._open:
            return seen[: self._token_end - 1]
        return seen

    def _without_key(self, seen: bytes) -> bytes:
        # With a null for its value, a key of which half was seen could take the place of another one.
        return seen[: self._string_start - 1].rstrip().removesuffix(b",")

    def _outside(self, buffer: bytes, position: int) -> int:
        found = _TOKEN.search(buffer, position)
        end = found.end() if found else len(buffer)
        self._keep(buffer[position:end])
        if not found:
            return end
        token = found[0]
        if token in b"{[":
            self._open += token
        elif token in b"}]" and self._open:
            self._open.pop()
        elif token == b'"':
            self._is_key = self._open[-1:] == b"{" and self._last in (b"{", b",")
            self._state = _State.STRING if self._is_key else _State.HEAD
            self._string_start = len(self._document)
            self._room = MAX_STRING
        self._last = token
        self._token_end = len(self._document)
        if len(self._open) > MAX_DEPTH:
            raise AnswerTooLarge(f"an answer nested more than {MAX_DEPTH} levels deep")
        return end

    def _head(self, buffer: bytes, position: int) -> int:
        """Find out whether a string is a payload; if there isn't enough of it yet, wait for the next chunk."""
        head, end, found = b"", position, None
        while len(head) < MAX_HEAD and (found := _CHARACTER.match(buffer, end)):
            end = found.end()
            head += _unescape(found[0])
            if not (head.startswith(_SCHEME) or _SCHEME.startswith(head)):
                break
            if head.endswith(b","):
                self._state = _State.PAYLOAD
                self._keep(b"%s#%d" % (buffer[position:end], self._payloads))
                return end
        if found is None and buffer[end : end + 1] in (b"", b"\\") and len(buffer) - end < 6:
            self._carry = buffer[position:]
            return len(buffer)
        self._state = _State.STRING
        return position

    def _string(self, buffer: bytes, position: int, tapped: list[bytes]) -> int:
        quote = _closing_quote(buffer, position)
        text = buffer[position:quote] if quote >= 0 else buffer[position:]
        if quote < 0:
            whole = _whole(text)
            text, self._carry = text[:whole], text[whole:]
        if self._state is _State.STRING:
            self._keep_some(text)
        elif text:
            text = _unescape(text)
            if self._payloads == self._tap:
                tapped.append(text)
        if quote < 0:
            return len(buffer)
        self._keep(b'"')
        if self._state is _State.PAYLOAD:
            self._tapped = self._tapped or self._payloads == self._tap
            self._payloads += 1
        self._state = _State.OUTSIDE
        self._last = b'"'
        self._token_end = len(self._document)
        return quote + 1

    def _keep_some(self, text: bytes) -> None:
        if len(text) > self._room:
            text = text[: self._room]
            text = text[: _whole(text)]
            self._room = 0
        else:
            self._room -= len(text)
        self._keep(text)

    def _keep(self, text: bytes) -> None:
        room = self._max_document - len(self._document)
        self._document += text[:room]
        if len(text) > room:
            raise AnswerTooLarge(f"an answer of more than {self._max_document} bytes without its payloads")


def _closing_quote(buffer: bytes, position: int) -> int:
    quote = buffer.find(b'"', position)
    while quote >= 0 and _escapes(buffer, quote, position):
        quote = buffer.find(b'"', quote + 1)
    return quote


def _escapes(buffer: bytes, position: int, start: int = 0) -> bool:
    """Tell whether the character at a position is escaped: an odd number of backslashes stands before it."""
    run = position
    while run > start and buffer[run - 1] == ord("\\"):
        run -= 1
    return (position - run) % 2 == 1


def _whole(text: bytes) -> int:
    """Return the length of a string's text without the escape, or UTF-8 character, that is cut at its end."""
    end = len(text)
    slash = text.rfind(b"\\", max(0, end - 6))
    if slash >= 0 and not _escapes(text, slash):
        size = 6 if text[slash + 1 : slash + 2] == b"u" else 2
        # A high surrogate needs the escape after it.
        if slash + size > end or (slash + size == end and _HIGH_SURROGATE.match(text, slash)):
            return slash
    for back in range(1, min(3, end) + 1):
        byte = text[end - back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            return end - back if back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else end
    return end


def _unescape(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    if b"\\\\" not in text:  # Else the slash may follow an escaped backslash.
        text = text.replace(b"\\/", b"/")
    return _ESCAPE.sub(_resolve, text) if b"\\" in text else text


def _resolve(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return chr(int(escape[1], 16)).encode("utf-8", "surrogatepass")
    return _CONTROLS.get(escape[2], escape[2])
