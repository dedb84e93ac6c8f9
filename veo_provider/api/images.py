# SPDX-License-Identifier: Apache-2.0
"""Checks of a first or last frame: what kind of value it is, and whether its bytes are an image."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from enum import StrEnum

MAX_IMAGE_BYTES = 20 * 1024 * 1024
"""Google's limit for an input image."""

_DATA_URI = re.compile(r"data:(?P<type>[^;,]*);base64,(?P<payload>.*)", re.DOTALL | re.IGNORECASE)
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_MAGIC = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}
_ACCEPTED = "a JPEG or PNG of at most 20 MB, given as https URL, data URI, raw base64 or storage URI (s3://...)"


class ImageKind(StrEnum):
    """The ways to give an image."""

    URL = "url"
    """An https URL, which the gateway fetches."""
    INLINE = "inline"
    """A data URI or raw base64."""
    STORAGE = "storage"
    """A URI of the user's own storage, which the worker reads and inlines."""


def image_kind(value: str) -> ImageKind | None:
    """Tell how an image is given; ``None`` for a bare path, plain http or anything else that is refused."""
    scheme = _SCHEME.match(value)
    if scheme:
        name = scheme["scheme"].lower()
        return ImageKind.URL if name == "https" else None if name == "http" else ImageKind.STORAGE
    if value[:5].lower() == "data:":
        return ImageKind.INLINE
    # Any word may be base64; only the magic bytes tell an image from a path.
    return ImageKind.INLINE if image_type(_decode(value) or b"") else None


def image_type(data: bytes) -> str | None:
    """Return the media type of a JPEG or PNG by its first bytes."""
    return next((name for name, magic in _MAGIC.items() if data.startswith(magic)), None)


def check_image(field: str, value: str) -> list[str]:
    """
    List what is wrong with an image value; a storage URI's bytes are checked by :func:`inline_image`.

    :param field: the argument's name, for the messages.
    :param value: as the author gave it.
    """
    kind = image_kind(value)
    if kind is None:
        return [f"{field}: {shorten_image(value)!r} is neither; give {_ACCEPTED}. A bare path is refused"]
    if kind is not ImageKind.INLINE:
        return []
    match = _DATA_URI.fullmatch(value)
    payload = match["payload"] if match else value
    data = _decode(payload) if match or value[:5].lower() != "data:" else None
    if data is None:
        return [f"{field}: its base64 can't be decoded; give {_ACCEPTED}"]
    problems = check_image_bytes(field, data)
    if not problems and match and match["type"].lower().replace("jpg", "jpeg") != image_type(data):
        problems.append(f"{field}: its data URI says {match['type'] or 'nothing'}, its bytes are {image_type(data)}")
    return problems


def check_image_bytes(field: str, data: bytes) -> list[str]:
    """List what is wrong with an image's bytes."""
    problems = []
    if image_type(data) is None:
        problems.append(f"{field}: its bytes are neither JPEG nor PNG; give {_ACCEPTED}")
    if len(data) > MAX_IMAGE_BYTES:
        problems.append(f"{field}: it has {len(data)} bytes, at most {MAX_IMAGE_BYTES} are allowed")
    return problems


def inline_image(data: bytes) -> str:
    """Return an image that was read from storage as the data URI that is sent."""
    return f"data:{image_type(data)};base64,{base64.b64encode(data).decode()}"


def shorten_image(value: str) -> str:
    """Return an image value fit to be shown: inline bytes become their length and digest, a URL loses its query."""
    if image_kind(value) is ImageKind.URL:
        # The URL may be signed; its query is what signs it.
        return value.partition("?")[0] + ("?..." if "?" in value else "")
    if value[:5].lower() != "data:" and len(value) <= 200:
        return value
    head = value.partition(",")[0][:40] + "," if value[:5].lower() == "data:" else ""
    digest = hashlib.sha256(value.encode(errors="replace")).hexdigest()[:12]
    return f"{head}... ({len(value)} characters, sha256 {digest})"


def _decode(payload: str) -> bytes | None:
    try:
        return base64.b64decode("".join(payload.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
