# SPDX-License-Identifier: Apache-2.0
"""The words of an error body, whatever its shape (contract, section 5, "Bodies")."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from veo_provider.api.text import parse_json, printable

MAX_NESTING = 12
MAX_CODE = 100


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
