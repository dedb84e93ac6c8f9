# SPDX-License-Identifier: Apache-2.0
"""Text and JSON from outside, fit to be shown and to be read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_TEXT = 600
# user:password@ of any URL. A user alone may be the id of an Airflow connection, but not of a web address.
_USERS = re.compile(r"(?:(?<=//)|(?<=\\/))[^\s/'\"@:]*:[^\s/'\"]*@|(?:(?<=http://)|(?<=https://))[^\s/'\"@]*@")
# A query, or a fragment, may hold a signature, which opens what it signs to whoever reads it. In JSON a slash may be
# escaped; an apostrophe is part of a query. A URL is taken whole: gone through anew from each of its marks, a hostile
# text would keep an event loop for seconds.
_SIGNATURES = re.compile(r"(?P<place>:(?://|\\/\\/)[^\s\"<>?#]*)(?:(?P<mark>[?#])[^\s\"<>]+)?|(?<=[^\s<])\?[^\s\"<>]+")
_MAX_SHOWN = 65536


def printable(text: str, limit: int = MAX_TEXT) -> str:
    """Shorten a text from outside, and take out what could forge a log line, or open what isn't the reader's."""
    # Before it is cut: half of a URL doesn't look like one.
    clean = without_secrets(text[:_MAX_SHOWN])[: limit * 4]
    if not clean.isprintable():
        clean = "".join(c if c.isprintable() else " " for c in clean)
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


def without_secrets(text: str) -> str:
    """Take users and passwords, queries and fragments out of the URLs in a text."""
    return _SIGNATURES.sub(_place_alone, _USERS.sub("", text))


def _place_alone(found: re.Match[str]) -> str:
    place, mark = found["place"], found["mark"]
    if place is None:
        return "?..."
    return f"{place}{mark}..." if mark else place


def parse_json(text: str | bytes) -> Any:
    """Parse JSON from outside; ``None`` for anything that isn't."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a JSON object as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}
