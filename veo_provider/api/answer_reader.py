# SPDX-License-Identifier: Apache-2.0
"""An answer is read as it streams by: its words are kept, its inline videos are not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from veo_provider.api.answer_scanner import MAX_DEPTH, AnswerScanner, AnswerTooLarge
from veo_provider.api.calls import KEPT_HEADERS, Answer, Kind
from veo_provider.api.echoes import answer_without_key

MAX_DOCUMENT = 1024 * 1024
"""Bytes of an answer without its inline videos; the largest known is the list of models."""

MAX_GENERATION = 128 * 1024
"""The same for a poll, which knows a few thousand. A triggerer parses it while all its other triggers wait."""

SMALL = 16 * 1024
"""Bytes up to which an answer is first looked at as a whole."""

MAX_SECONDS = 120.0
"""Seconds that a whole answer may take. A byte now and then keeps every other time limit from being reached."""


class AnswerReader:
    """
    Collects one answer from its chunks, in memory that doesn't grow with the videos in it.

    :param status: HTTP status code.
    :param headers: the answer's headers, whose names may be asked for in any case.
    :param kind: what the call was for.
    :param secret: what is taken out of the answer if it is echoed: errors quote answers.
    :param known: an answer that, if this one is the same, is returned in its place.
    """

    def __init__(
        self, status: int, headers: Mapping[str, str], kind: Kind, secret: str, known: Answer | None = None
    ) -> None:
        self._status = status
        self._headers = headers
        self._kind = kind
        self._secret = secret
        self._known = known
        self._too_large = False
        self._small: bytearray | None = bytearray()

    def feed(self, chunk: bytes) -> bool:
        """Take the next chunk; ``False`` says that no more is wanted."""
        if self._small is None:
            return self._scan(chunk)
        self._small += chunk
        if len(self._small) <= SMALL:
            return True
        seen, self._small = bytes(self._small), None
        return self._scan(seen)

    def answer(self, now: float) -> Answer:
        """Return what was read. ``now``: epoch seconds."""
        if self._small is not None:
            known = self._known
            if known is not None and known.body == self._small and known.status == self._status:
                return known
            seen = bytes(self._small)
            whole = self._answer(seen, now)
            if _is_plain(whole):
                return whole
            self._scan(seen)
        # An answer without a length that breaks off looks like any other; half an id would look like an id.
        truncated = self._too_large or not self._scanner.complete
        return self._answer(self._scanner.document(), now, truncated)

    @cached_property
    def _scanner(self) -> AnswerScanner:
        return AnswerScanner(max_document=MAX_GENERATION if self._kind is Kind.POLL else MAX_DOCUMENT)

    def _answer(self, body: bytes, now: float, truncated: bool = False) -> Answer:
        headers = {name: self._headers[name] for name in KEPT_HEADERS if name in self._headers}
        return answer_without_key(Answer(self._status, headers, body, now, truncated), self._secret)

    def _scan(self, chunk: bytes) -> bool:
        try:
            self._scanner.feed(chunk)
        except AnswerTooLarge:
            self._too_large = True
        return not self._too_large


def _is_plain(answer: Answer) -> bool:
    """Tell whether a small answer is one whole document without a payload: most are, and scanning costs more."""
    # A backslash could hide the scheme of a data URI.
    body = answer.body
    if b"data:" in body or b"\\" in body or body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        return False
    return answer.document is not None
