# SPDX-License-Identifier: Apache-2.0
"""The words of an error body, whatever its shape (contract, section 5, "Bodies")."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_NESTING = 12
MAX_TEXT = 600
MAX_CODE = 100
# user:password@ of any URL. A user alone may be the id of an Airflow connection, but not of a web address.
_USERS = re.compile(r"(?:(?<=//)|(?<=\\/))[^\s/'\"@:]*:[^\s/'\"]*@|(?:(?<=http://)|(?<=https://))[^\s/'\"@]*@")
# A query, or a fragment, may hold a signature, which opens what it signs to whoever reads it. In JSON a slash may be
# escaped; an apostrophe is part of a query. A URL is taken whole: gone through anew from each of its marks, a hostile
# text would keep an event loop for seconds.
_SIGNATURES = re.compile(r"(?P<place>:(?://|\\/\\/)[^\s\"<>?#]*)(?:(?P<mark>[?#])[^\s\"<>]+)?|(?<=[^\s<])\?[^\s\"<>]+")
_MAX_SHOWN = 65536


@dataclass(frozen=True)
class ErrorBody:
    """
    What an error body says.

    :param codes: the error codes, from the outermost document inwards, in lower case.
    :param message: the innermost message that a person can read, shortened.
    :param text: every word of the body in lower case, to look wordings up in.
    :param words: the same of its messages alone: a body may quote the request, prompt and all.
    :param is_json: a JSON object, so probably the gateway's own.
    """

    codes: tuple[str, ...] = ()
    message: str = ""
    text: str = ""
    words: str = ""
    is_json: bool = False

    @property
    def code(self) -> str | None:
        """The outermost code."""
        return self.codes[0] if self.codes else None


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


def read_error_body(body: bytes) -> ErrorBody:
    """Read any error body: JSON of the known shapes, JSON inside messages, HTML, text or nothing."""
    text = body.decode("utf-8", errors="replace").strip()
    document = parse_json(text)
    if isinstance(document, dict):
        return read_error_document(document)
    is_html = text[:200].lstrip().lower().startswith(("<!doctype", "<html", "<head", "<?xml", "<"))
    return ErrorBody(message=_page_title(text) if is_html else printable(text), text=text.lower())


def read_error_document(document: Mapping[str, Any]) -> ErrorBody:
    """Read the codes and the innermost message of a JSON error, unwrapping JSON given as a string."""
    codes: list[str] = []
    messages: list[str] = []
    _collect(document, codes, messages, MAX_NESTING)
    whole = json.dumps(document, ensure_ascii=False, default=str)
    return ErrorBody(
        codes=tuple(codes),
        message=printable(messages[-1]) if messages else "",
        text=" ".join([whole, *messages]).lower(),
        words=" ".join(messages).lower(),
        is_json=True,
    )


def parse_json(text: str | bytes) -> Any:
    """Parse JSON from outside; ``None`` for anything that isn't."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a JSON object as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def is_error(document: Mapping[str, Any]) -> bool:
    """Whether a JSON document says of itself that it is an error."""
    code = document.get("code")
    return (
        bool(document.get("error"))
        or document.get("success") is False
        or (code is not None and str(code).lower() not in ("success", "0", "200"))
    )


def _collect(value: Any, codes: list[str], messages: list[str], depth: int) -> None:
    if isinstance(value, str):
        inner = parse_json(value) if depth > 0 and value.lstrip().startswith("{") else None
        if isinstance(inner, dict):
            _collect(inner, codes, messages, depth - 1)
        elif value.strip():
            messages.append(value)
        return
    if not isinstance(value, Mapping) or depth <= 0:
        return
    code = value.get("code")
    if isinstance(code, (str, int)) and not isinstance(code, bool) and str(code).strip():
        codes.append(printable(str(code), MAX_CODE).lower())
    for key in ("message", "fail_reason", "error", "detail"):
        _collect(value.get(key), codes, messages, depth - 1)


def _page_title(page: str) -> str:
    title = re.search(r"<title[^>]*>(.*?)</title>", page[:4000], re.IGNORECASE | re.DOTALL)
    return printable(f"an HTML page{': ' + title[1].strip() if title else ''}", 200)
