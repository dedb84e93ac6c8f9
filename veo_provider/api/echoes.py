# SPDX-License-Identifier: Apache-2.0
"""Takes the API key out of what a gateway says: errors quote answers, and answers echo what was sent."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from veo_provider.api.calls import Answer

MIN_SECRET = 8
"""Characters; what is shorter may be a piece of anything else."""


def text_without_key(text: str, key: str) -> str:
    """
    Return a text without the API key: as it is, escaped as JSON may (also in JSON in a string), or percent-encoded.

    :param text: before it is shortened, for half a key can't be told.
    :param key: the key; one that is too short to be told from other words is left.
    """
    if len(key) < MIN_SECRET:
        return text
    # Looking for the other spellings takes long, and few texts can hold one.
    return _spellings(key).sub("***", text) if "\\" in text or "%" in text else text.replace(key, "***")


def answer_without_key(answer: Answer, key: str) -> Answer:
    """Return an answer without the API key."""
    if len(key) < MIN_SECRET:
        return answer
    body, headers = answer.body, answer.headers
    if b"\\" in body or b"%" in body:
        # Every byte is one character, whatever it was meant to be.
        body = _spellings(key).sub("***", body.decode("latin-1")).encode("latin-1")
    elif key.encode() in body:
        body = body.replace(key.encode(), b"***")
    elif not headers:
        return answer
    return replace(answer, body=body, headers={name: text_without_key(v, key) for name, v in headers.items()})


@lru_cache(maxsize=8)
def _spellings(key: str) -> re.Pattern[str]:
    # JSON in a string in JSON has its backslashes doubled; without a bound, a row of them would take for ever.
    return re.compile(
        "".join(rf"(?:\\{{0,8}}{re.escape(c)}|\\{{1,8}}u00(?i:{ord(c):02x})|%(?i:{ord(c):02x}))" for c in key)
    )
