# SPDX-License-Identifier: Apache-2.0
"""First and last frames that lie in the user's storage are read on the worker and sent inline."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from veo_provider.api.images import (
    MAX_IMAGE_BYTES,
    ImageKind,
    check_image_bytes,
    image_kind,
    inline_image,
    shorten_image,
)
from veo_provider.api.request import IMAGE_FIELDS, RequestError, VeoRequest
from veo_provider.exceptions import VeoStorageError

# What a filesystem raises where a retry would find the same. Whatever else it raises may be the network's; s3fs raises
# PermissionError also for credentials that have just run out and for a clock that is off.
_LASTING = (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError, ImportError)


def read_frames(request: VeoRequest) -> VeoRequest:
    """
    Replace each frame that is a storage URI by its bytes.

    :raises RequestError: naming every frame that can't be read or isn't a JPEG or PNG of at most 20 MB.
    :raises VeoStorageError: the storage didn't answer; a retry may find it there again.
    """
    problems: list[str] = []
    lasting = False
    inlined: dict[str, Any] = {}
    for field in IMAGE_FIELDS:
        uri = getattr(request, field)
        if not uri or image_kind(uri) is not ImageKind.STORAGE:
            continue
        try:
            with ObjectStoragePath(uri).open("rb") as file:
                data: bytes = file.read(MAX_IMAGE_BYTES + 1)
        except Exception as error:  # noqa: BLE001 - each filesystem raises classes of its own
            problems.append(f"{field}: {shorten_image(uri)!r} can't be read: {_words(error)}")
            lasting = lasting or isinstance(error, _LASTING)
            continue
        wrong = check_image_bytes(field, data)
        problems += wrong
        lasting = lasting or bool(wrong)
        inlined[field] = inline_image(data)
    if problems and lasting:
        raise RequestError(problems)
    if problems:
        raise VeoStorageError(f"The request was not sent: {'; '.join(problems)}.")
    return replace(request, **inlined) if inlined else request


def _words(error: Exception) -> str:
    """Return what is safe to say: an error's own text may quote a key, or a signed URL."""
    number = error.errno if isinstance(error, OSError) else None
    reason = f" ({os.strerror(number)})" if isinstance(number, int) and number in errno.errorcode else ""
    return f"{type(error).__name__}{reason}. Check that it exists, and that the connection named in it may read it"
