# SPDX-License-Identifier: Apache-2.0
"""A file on a local disk appears under its name whole, or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO


@contextmanager
def whole_file(path: str, *, exclusively: bool = False) -> Iterator[BinaryIO]:
    """
    Write a file beside its place, and give it its name when all of it is on the disk; then the name is, too.

    :param path: where it is to be; folders that are missing are made.
    :param exclusively: whether there must be none yet. It takes hard links, which not every filesystem has.
    :raises FileExistsError: there is one, and it had to be the first.
    """
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    part = os.path.join(folder, f".veo-{uuid.uuid4().hex}.part")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        (os.link if exclusively else os.replace)(part, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)
    with suppress(OSError):  # Not every filesystem can do that, and not everybody may read the folder.
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
