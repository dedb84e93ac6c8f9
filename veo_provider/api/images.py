# SPDX-License-Identifier: Apache-2.0
"""A first or last frame: what kind of value it is, whether its bytes are an image, and what of it may be shown."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urlsplit

from veo_provider.api.text import parse_json, printable, without_secrets

MAX_IMAGE_BYTES = 20 * 1024 * 1024
"""Google's limit for an input image."""

_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_DATA_TYPE = re.compile(r"data:\s*[a-z]+/[a-z0-9.+-]{1,20}", re.IGNORECASE)
_HOST = re.compile(r"([^\s:\\\[\]]*|\[[0-9A-Fa-f:.%]*\])(:[0-9]*)?")
_MAGIC = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}
_ACCEPTED = "a JPEG or PNG of at most 20 MB, given as https URL, data URI, raw base64 or storage URI (s3://...)"
_LONGEST_PATH = 200


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
    value = value.strip()
    uri = _URI.match(value)
    if uri:
        name = uri["scheme"].lower()
        return ImageKind.URL if name == "https" else None if name == "http" else ImageKind.STORAGE
    if _is_data_uri(value):
        return ImageKind.INLINE
    # Any word may be base64; only the magic bytes tell an image from a path.
    return ImageKind.INLINE if image_type(_decode(value) or b"") else None


def image_type(data: bytes) -> str | None:
    """Return the media type of a JPEG or PNG by its first bytes."""
    return next((name for name, magic in _MAGIC.items() if data.startswith(magic)), None)


def read_image(field: str, value: str) -> tuple[str, list[str]]:
    """
    Return an image value as it is to be sent, and all that is wrong with it.

    Gateways differ in the base64 that they can read, so inline bytes are encoded anew. The bytes behind a
    storage URI are for :func:`check_image_bytes`.

    :param field: the argument's name, for the messages.
    :param value: as the author gave it.
    """
    value = value.strip()
    kind = image_kind(value)
    if kind is None:
        return value, [f"{field}: {shorten_image(value)!r} is neither; give {_ACCEPTED}. A bare path is refused"]
    if kind is ImageKind.INLINE:
        return _read_inline(field, value)
    return value, _check_uri(field, value, kind)


def check_image_bytes(field: str, data: bytes) -> list[str]:
    """List what is wrong with an image's bytes."""
    problems = []
    if image_type(data) is None:
        problems.append(f"{field}: its bytes are neither JPEG nor PNG; give {_ACCEPTED}")
    if len(data) > MAX_IMAGE_BYTES:
        problems.append(f"{field}: it has {len(data)} bytes, at most {MAX_IMAGE_BYTES} are allowed")
    return problems


def inline_image(data: bytes) -> str:
    """Return an image's bytes as the data URI that is sent."""
    return f"data:{image_type(data)};base64,{base64.b64encode(data).decode()}"


def shorten_image(value: Any) -> str:
    """
    Return an image value fit to be shown: inline bytes become their length and digest, a URI its place.

    What may be a secret is left out: user and password, and all that follows ``?``, ``#`` or ``;``.

    :param value: what the author gave, of whatever type.
    """
    if not isinstance(value, str):
        return f"a value of type {type(value).__name__}"
    text = value.strip()
    uri = _URI.fullmatch(text)
    if uri:
        return printable(f"{uri['scheme']}://{_place(uri['scheme'], uri['rest'])}")
    if image_kind(text) is not ImageKind.INLINE and len(text) <= _LONGEST_PATH:
        return printable("..." if "@" in text else _cut(text))
    head = _DATA_TYPE.match(text)
    digest = hashlib.sha256(value.encode(errors="replace")).hexdigest()[:12]
    return f"{f'{head[0].lower()};base64,' if head else ''}... ({len(value)} characters, sha256 {digest})"


def shorten_values(value: Any) -> Any:
    """
    Return other parameters fit to be shown: images and URIs anywhere in them as :func:`shorten_image` shows them.

    :param value: any JSON value, or an author's value of any type, which is left as it is.
    """
    if isinstance(value, Mapping):
        return {key: shorten_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shorten_values(item) for item in value]
    if not isinstance(value, str):
        return value
    text = value.strip()
    parsed = parse_json(text) if text.startswith(("{", "[")) else None
    if parsed is not None:
        return json.dumps(shorten_values(parsed), ensure_ascii=False)
    is_one = _URI.fullmatch(text) or image_kind(text) is ImageKind.INLINE
    return shorten_image(text) if is_one else without_secrets(value)


def _place(scheme: str, rest: str) -> str:
    """Return host and path of a URI, and the connection id before them."""
    authority = re.split("[/?#;]", rest, maxsplit=1)[0]
    after = rest[len(authority) :]
    user, at, host = authority.rpartition("@")
    # A password that isn't percent-encoded may hold each of the marks: then nobody knows where it ends.
    if not _HOST.fullmatch(host) or (":" in authority and "@" in after):
        return "..."
    is_conn_id = scheme.lower() not in ("http", "https") and re.fullmatch(r"[\w.-]+", user)
    return f"{user + at if is_conn_id else ''}{host}{_cut(after)}"


def _cut(text: str) -> str:
    mark = re.search("[?#;]", text)
    return f"{text[: mark.end()]}..." if mark else text


def _check_uri(field: str, value: str, kind: ImageKind) -> list[str]:
    shown = f"{field}: {shorten_image(value)!r}"
    try:
        parts = urlsplit(value)
        if kind is ImageKind.URL:
            # Reading a port that is none raises.
            fine = bool(parts.hostname) and " " not in value and parts.port != 0
        else:
            fine = bool((parts.netloc + parts.path).strip("/"))
    except ValueError:
        fine = False
    if not fine or not value.isprintable():
        return [f"{shown} is not a whole URI: it needs a host or a bucket, and takes no blanks or control characters"]
    if kind is ImageKind.STORAGE and ":" in unquote(parts.netloc.rpartition("@")[0]):
        return [f"{shown} holds a password; give the id of a connection instead: s3://conn_id@bucket/key"]
    return []


def _read_inline(field: str, value: str) -> tuple[str, list[str]]:
    head, _, payload = value.partition(",") if _is_data_uri(value) else ("", "", value)
    stated, *parameters = (part.strip().lower() for part in head[len("data:") :].split(";"))
    data = _decode(payload) if not head or parameters[-1:] == ["base64"] else None
    if data is None:
        return value, [f"{field}: its base64 can't be decoded; give {_ACCEPTED}"]
    problems = check_image_bytes(field, data)
    if not problems and head and stated.replace("jpg", "jpeg") != image_type(data):
        problems.append(f"{field}: its data URI says {stated[:40] or 'nothing'}, its bytes are {image_type(data)}")
    return inline_image(data) if head else base64.b64encode(data).decode(), problems


def _is_data_uri(value: str) -> bool:
    return value[:5].lower() == "data:"


def _decode(payload: str) -> bytes | None:
    """Decode base64 of either alphabet. Padding must be there: without it a cut image would look whole."""
    try:
        return base64.b64decode("".join(payload.split()).replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
