# SPDX-License-Identifier: Apache-2.0
"""One HTTP call and one HTTP answer, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any
from urllib.parse import quote

from veo_provider.api.text import parse_json

MAX_ID = 2000
"""Characters of a generation id. The longest known has a few hundred, the shortest limit of a URL is 8 KB."""


KEPT_HEADERS = ("retry-after", "x-oneapi-request-id")
"""The headers that are read, in lower case."""


class Kind(StrEnum):
    """What a call is for; it decides what its failure means."""

    SUBMIT = "submit"
    POLL = "poll"
    MODELS = "models"


@dataclass(frozen=True)
class Call:
    """
    One call of the gateway's API, relative to the connection's base URL.

    :param kind: what it is for.
    :param method: HTTP method.
    :param path: path with its leading slash, percent-encoded.
    :param body: the JSON body, encoded.
    """

    kind: Kind
    method: str
    path: str
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Answer:
    """
    The gateway's answer to a call.

    :param status: HTTP status code.
    :param headers: those of :data:`KEPT_HEADERS` that it has.
    :param body: the body; inline videos have been replaced by their number (see ``api/answer_scanner.py``).
    :param now: epoch seconds when it came, against which a ``Retry-After`` date is read.
    :param truncated: the body broke off, or was larger than any sound answer and its rest wasn't read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    now: float = 0.0
    truncated: bool = False

    @cached_property
    def document(self) -> Any:
        """The body as JSON; ``None`` if it isn't."""
        return parse_json(self.body)


def submit_call(wire: Mapping[str, Any]) -> Call:
    """Submit a generation (``wire``: the request's fields under their wire names). This costs money."""
    body = json.dumps(wire, ensure_ascii=False).encode()
    return Call(Kind.SUBMIT, "POST", "/v1/video/generations", body)


def id_problem(generation_id: str) -> str | None:
    """
    Say why an id can't be asked for; ``None`` if it can.

    The contract allows any text. But ``.`` and ``..`` are lost on the way whatever their encoding, and what isn't
    printable could forge a line of a log.

    :param generation_id: as it came, without the blanks around it.
    """
    if not generation_id:
        return "it is empty"
    if generation_id in (".", ".."):
        return "no URL can hold it"
    if len(generation_id) > MAX_ID:
        return f"it has {len(generation_id)} characters, more than {MAX_ID}"
    if not generation_id.isprintable():
        return "it holds characters that can't be printed"
    return None


def poll_call(generation_id: str) -> Call:
    """Ask for a generation. The id may be any text: all of it is percent-encoded."""
    return Call(Kind.POLL, "GET", f"/v1/video/generations/{quote(generation_id, safe='')}")


def models_call() -> Call:
    """List the models that the key may use: the only call that proves a key and costs nothing."""
    return Call(Kind.MODELS, "GET", "/v1/models")
