# SPDX-License-Identifier: Apache-2.0
"""An answer is read as it streams by: its words are kept, its inline videos are not."""

from __future__ import annotations

from collections.abc import Mapping

from veo_provider.api.answer_scanner import AnswerScanner, AnswerTooLarge
from veo_provider.api.calls import Answer, Kind

MAX_DOCUMENT = 1024 * 1024
"""Bytes of an answer without its inline videos; the largest known is the list of models."""

MAX_GENERATION = 128 * 1024
"""The same for a poll, which knows a few thousand. A triggerer parses it while all its other triggers wait."""

MAX_SECONDS = 120.0
"""Seconds that a whole answer may take. A byte now and then keeps every other time limit from being reached."""


class AnswerReader:
    """
    Collects one answer from its chunks, in memory that doesn't grow with the videos in it.

    :param status: HTTP status code.
    :param headers: the answer's headers.
    :param kind: what the call was for.
    """

    def __init__(self, status: int, headers: Mapping[str, str], kind: Kind) -> None:
        self._status = status
        self._headers = {name.lower(): value for name, value in headers.items()}
        self._scanner = AnswerScanner(max_document=MAX_GENERATION if kind is Kind.POLL else MAX_DOCUMENT)
        self._too_large = False

    def feed(self, chunk: bytes) -> bool:
        """Take the next chunk; ``False`` says that no more is wanted."""
        try:
            self._scanner.feed(chunk)
        except AnswerTooLarge:
            self._too_large = True
        return not self._too_large

    def answer(self, now: float) -> Answer:
        """Return what was read. ``now``: epoch seconds."""
        # An answer without a length that breaks off looks like any other; half an id would look like an id.
        truncated = self._too_large or not self._scanner.complete
        return Answer(self._status, self._headers, self._scanner.document(), now, truncated)
