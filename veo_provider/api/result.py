# SPDX-License-Identifier: Apache-2.0
"""A result's bytes, from a link or from inside an answer, as one stream that checks what passes through it."""

from __future__ import annotations

import binascii
import hashlib
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from veo_provider.api.echoes import text_without_key
from veo_provider.api.mp4 import BoxWalk
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.text import printable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_PARTS = 1024
"""Chunks that are kept before they are joined: a server may send them one byte at a time."""

_HEAD = 64
_STANDARD = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n\f\v"


class ResultProblem(Exception):
    """
    What went wrong while a result was read.

    :param problem: the same, as data.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def broken_off(message: str) -> ResultProblem:
    """Say that a result did not arrive whole; another try may go better."""
    return ResultProblem(Problem(Reason.NETWORK, message, transient=True))


def bad_result(message: str) -> ResultProblem:
    """Say that a result isn't what it should be."""
    return ResultProblem(Problem(Reason.PROTOCOL, message))


def decode_base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """
    Decode base64 as it arrives: of either alphabet, with line breaks, with or without padding.

    :param chunks: the text, cut anywhere.
    :raises ResultProblem: it isn't base64.
    """
    rest = b""
    for chunk in chunks:
        text = rest + chunk.translate(_STANDARD, _SPACE)
        padding = text.find(b"=")
        whole = (padding if padding >= 0 else len(text)) // 4 * 4
        rest = text[whole:]
        if padding >= 0 and len(rest) > 4:
            raise bad_result("The inline video isn't base64: there is more text after its padding")
        if whole:
            yield _decode(text[:whole])
    if rest:
        digits = rest.rstrip(b"=")
        yield _decode(digits + b"=" * (-len(digits) % 4) if digits else rest)


def _decode(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise bad_result(f"The inline video isn't base64: {error}") from None


MAX_VIDEO_BYTES = 2 * 1024**3
"""The largest video that is read unless somebody says otherwise."""


class VideoStream(io.RawIOBase):
    """
    A video as a readable binary stream; it can't seek, and its memory doesn't grow with the video.

    Reading to the end without an exception means that the video is whole: it has as many bytes as were
    announced, its first box is an MP4's, and its last one ends where it does; :class:`BoxWalk` says what
    nobody could see without an announcement, and what is let pass with one. An error is raised again by every
    later read. Use it with ``with``.

    :param chunks: the bytes; reading them may raise :class:`ResultProblem`.
    :param content_type: media type, as the source calls it.
    :param max_bytes: a larger video is refused.
    :param close: releases the source.
    :param size_hint: how many bytes were announced, if they were.
    :param bounded: whether ``chunks`` raises if the bytes end early, though nobody announced how many they are.
    :param error: makes the exception to raise of a problem.
    :param key: the API key, which what comes in a video's place may echo.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        *,
        content_type: str,
        max_bytes: int,
        close: Callable[[], object],
        size_hint: int | None = None,
        bounded: bool = False,
        error: Callable[[Problem], Exception] = ResultProblem,
        key: str = "",
    ) -> None:
        super().__init__()
        self.content_type = content_type
        self.size_hint = size_hint
        self.size = 0
        """Bytes that have arrived so far."""
        self._max_bytes = max_bytes
        self._bounded = bounded
        self._close = close
        self._error = error
        self._key = key
        self._digest = hashlib.sha256()
        self._boxes = BoxWalk()
        self._chunks = self._checked(chunks)
        self._ready = memoryview(b"")
        self._failure: Exception | None = None
        try:
            self._check_limit(size_hint or 0)
        except ResultProblem as problem:
            self.close()
            raise error(problem.problem) from None

    @property
    def sha256(self) -> str:
        """Hex digest of the bytes that have arrived so far."""
        return self._digest.hexdigest()

    def readable(self) -> bool:
        """Say that this is a stream to read from."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """
        Read bytes; fewer than asked for only at the video's end.

        :param size: how many; all that are left if it is negative or ``None``.
        """
        if self.closed:
            raise ValueError("The video's stream is closed")
        wanted = sys.maxsize if size is None or size < 0 else size
        parts: list[bytes | memoryview] = []
        while wanted and self._fill():
            part, self._ready = self._ready[:wanted], self._ready[wanted:]
            wanted -= len(part)
            parts.append(part)
            if len(parts) == MAX_PARTS:
                parts = [b"".join(parts)]
        return b"".join(parts)

    def readall(self) -> bytes:
        """Read all that is left."""
        return self.read()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read bytes into a buffer; it is filled except at the video's end."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Release the source; what wasn't read is lost."""
        if not self.closed:
            try:
                self._close()
            finally:
                super().close()

    def _fill(self) -> bool:
        """Make sure that there are bytes to hand out; tell whether there are any."""
        if self._failure is not None:
            raise self._failure
        try:
            while not self._ready:
                self._ready = memoryview(next(self._chunks))
        except StopIteration:
            return False
        except ResultProblem as error:
            self._failure = self._error(error.problem)
            raise self._failure from None
        except Exception as error:
            self._failure = error
            raise
        return True

    def _checked(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        head: bytes | None = b""
        for chunk in chunks:
            self.size += len(chunk)
            self._check_limit(self.size)
            self._digest.update(chunk)
            if head is None:
                self._check_boxes(chunk)
                yield chunk
                continue
            head += chunk
            if len(head) >= _HEAD:
                self._check_head(head)
                yield head
                head = None
        self._check_size()
        if head is not None:
            self._check_head(head)
            yield head
        all_came = self._bounded or self.size_hint is not None
        if missing := self._boxes.missing(all_came=all_came):
            raise broken_off(missing)

    def _check_limit(self, size: int) -> None:
        if size > self._max_bytes:
            raise bad_result(f"The video has {size} bytes or more, which is above max_bytes={self._max_bytes}")

    def _check_size(self) -> None:
        if not self.size:
            raise broken_off("The video is empty")
        if self.size_hint is None or self.size == self.size_hint:
            return
        text = f"{self.size} of the video's {self.size_hint} bytes arrived"
        raise broken_off(text) if self.size < self.size_hint else bad_result(text)

    def _check_head(self, head: bytes) -> None:
        # One that was cut within these bytes must not pass for something else.
        if head[:1] != b"\0" or not b"ftyp".startswith(head[4:8]):
            begin = printable(text_without_key(head[:200].decode("utf-8", "replace"), self._key), 100)
            kind = printable(self.content_type, 60)
            raise bad_result(f"The result is no MP4 video: its type is {kind!r} and it begins with {begin!r}")
        self._check_boxes(head)

    def _check_boxes(self, chunk: bytes) -> None:
        if wrong := self._boxes.feed(chunk):
            raise bad_result(wrong)
