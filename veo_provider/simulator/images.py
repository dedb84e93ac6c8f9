# SPDX-License-Identifier: Apache-2.0
"""Looks at an image of a request as the gateway would: what it is, and what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any
from urllib.parse import urlsplit

LARGEST_IMAGE = 20 * 1024 * 1024
_MAGIC = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def _real_type(data: bytes) -> str | None:
    return next((mime for magic, mime in _MAGIC.items() if data.startswith(magic)), None)


def look_at(value: Any) -> tuple[Any, str | None]:
    """
    Return a short description for the ledger, and the problem if there is one.

    An ``https`` URL would be fetched by the real gateway; the simulator fetches nothing and believes it.

    :param value: the field as received.
    """
    if not isinstance(value, str):
        return value, "INVALID_ARGUMENT: the image is not a string"
    if value.startswith(("http://", "https://")):
        parts = urlsplit(value)
        problem = None if parts.scheme == "https" and parts.netloc else "INVALID_ARGUMENT: the image URL is not https"
        return {"kind": "url", "url": f"{parts.scheme}://{parts.netloc}{parts.path}"}, problem
    head, comma, text = value.partition(",") if value.startswith("data:") else ("", "", value)
    if head and not (comma and head.endswith(";base64")):
        return {"kind": "data_uri", "mime": None, "bytes": 0}, "INVALID_ARGUMENT: the image is no base64 data URI"
    said = head.removeprefix("data:").removesuffix(";base64").lower() if head else None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # The start of the text shows what kind of mistake it was: a path, an s3:// URI, cut base64.
        return {"kind": "unreadable", "start": value[:40]}, "INVALID_ARGUMENT: the image is not base64"
    found = _real_type(data)
    facts = {
        "kind": "data_uri" if head else "base64",
        "mime": said or found,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return facts, _problem(said, found, len(data))


def _problem(said: str | None, found: str | None, size: int) -> str | None:
    if found is None:
        return "Unsupported image: only image/jpeg and image/png are supported, others are not supported"
    if said is not None and said != found:
        return f"INVALID_ARGUMENT: the image is {found}, not {said}"
    if size > LARGEST_IMAGE:
        return f"INVALID_ARGUMENT: the image has {size} bytes, the most is {LARGEST_IMAGE}"
    return None
