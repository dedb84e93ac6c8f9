# SPDX-License-Identifier: Apache-2.0
"""What an answer without a usable id may still name: a task that is billed, and must not be lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from veo_provider.api.calls import id_problem
from veo_provider.api.error_body import MAX_NESTING, parse_json

MAX_NAMES = 5
DEEP = "something deeper than anybody looks"
_IN_QUERY = re.compile(r"[?&](?:\w*task\w*|\w*_id|id)=([^&\s'\"<>\\]{4,300})")


def named_tasks(body: bytes) -> list[str]:
    """
    Return what looks like the id of a task, wherever it stands in a body: in each of its documents, and in JSON that
    is given as a string.

    An ``id`` alone may be anything's. It counts where an answer of the contract has it: beside a status or an object's
    kind, or under ``data``.
    """
    found: list[str] = []
    for document in _documents(body.decode("utf-8", errors="replace")):
        _collect(document, found, MAX_NESTING, under_data=False)
    return list(dict.fromkeys(found))[:MAX_NAMES]


def names_in_links(body: bytes) -> list[str]:
    """Return what the queries of URLs in a body name: they aren't shown, because they may hold a signature."""
    return _IN_QUERY.findall(body.decode("utf-8", errors="replace"))[:MAX_NAMES]


def _documents(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    at = 0
    while (start := re.compile(r"[^\s\ufeff]").search(text, at)) is not None:
        try:
            document, at = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            return
        yield document


def _collect(value: Any, found: list[str], depth: int, *, under_data: bool) -> None:
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        value = parse_json(value)
    if not isinstance(value, (dict, list)):
        return
    if not depth:
        found.append(DEEP)
        return
    if isinstance(value, list):
        for item in value:
            _collect(item, found, depth - 1, under_data=under_data)
        return
    names = ["task_id"]
    if under_data or "status" in value or "object" in value:
        names.append("id")
    found += [text for name in names if (text := _as_id(value.get(name)))]
    data = value.get("data")
    # Words would have a blank, or neither a digit nor a mark.
    if (text := _as_id(data)) and re.fullmatch(r"(?=.*[\d_])\S+", text) and not text.startswith(("{", "[")):
        found.append(text)
    for name, item in value.items():
        _collect(item, found, depth - 1, under_data=name == "data")


def _as_id(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not value:
        return None
    text = str(value).strip() if isinstance(value, str) or abs(value) < 10**40 else ""
    return text if id_problem(text) is None else None
