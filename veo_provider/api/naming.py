# SPDX-License-Identifier: Apache-2.0
"""What an answer without a usable id may still name: a task that is billed, and must not be lost."""

from __future__ import annotations

import json
import re
from typing import Any

from veo_provider.api.calls import id_problem
from veo_provider.api.error_body import MAX_NESTING
from veo_provider.api.text import parse_json

MAX_NAMES = 5
DEEP = "something deeper than anybody looks"
_BEGIN = re.compile("[^\ufeff \t\r\n]")
_IN_QUERY = re.compile(r"[?&](?:\w{0,30}task\w{0,30}|\w{0,30}_id|id)=([^&\s'\"<>\\]{4,300})")


def named_tasks(body: bytes) -> list[str]:
    """
    Return what looks like the id of a task, wherever it stands in a body: in each of its documents, and in JSON that
    is given as a string.

    An ``id`` alone may be anything's. It counts where an answer of the contract has it: beside a status or an object's
    kind, or under ``data``.
    """
    found: list[str] = []
    text, at = body.decode("utf-8", errors="replace"), 0
    while (read := next_document(text, at)) is not None:
        document, at = read
        _collect(document, found, MAX_NESTING, under_data=False)
    return list(dict.fromkeys(found))[:MAX_NAMES]


def names_in_links(body: bytes) -> list[str]:
    """Return what the queries of URLs in a body name: they aren't shown, because they may hold a signature."""
    return _IN_QUERY.findall(body.decode("utf-8", errors="replace"))[:MAX_NAMES]


def next_document(text: str, at: int) -> tuple[Any, int] | None:
    """
    Return the next JSON document of a text, and where it ends; ``None`` if there is none.

    :param text: a body, which may have several: shape S5 of the contract has two.
    :param at: where to begin.
    """
    begin = _BEGIN.search(text, at)
    try:
        return json.JSONDecoder().raw_decode(text, begin.start()) if begin else None
    except (ValueError, RecursionError):
        return None


def usable_id(value: Any) -> str | None:
    """Return a value as the id that can be asked for; ``None`` if it is none."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return None
    text = str(value).strip() if isinstance(value, str) or abs(value) < 10**40 else ""
    return text if id_problem(text) is None else None


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
    # Nothing at all, such as 0 or an empty text, names nothing.
    found += [text for name in names if value.get(name) and (text := usable_id(value[name]))]
    data = usable_id(value.get("data") or None)
    # Words would have a blank, or neither a digit nor a mark.
    if data and re.fullmatch(r"(?=.*[\d_])\S+", data) and not data.startswith(("{", "[")):
        found.append(data)
    for name, item in value.items():
        _collect(item, found, depth - 1, under_data=name == "data")
