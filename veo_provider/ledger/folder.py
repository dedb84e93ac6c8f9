# SPDX-License-Identifier: Apache-2.0
"""Records in a folder of an object store, for Airflow versions without a task state and for who prefers it."""

from __future__ import annotations

import errno
import json
import os
import posixpath
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import ObjectStoragePath

from veo_provider.api.locations import LOCAL_SCHEMES
from veo_provider.ledger.record import Record
from veo_provider.local_files import whole_file

_DIGITS = 6
# Opened for writing, an object takes two requests there. On Azure the second one of whoever is first takes away what
# the others have sent, and they would learn of a broken upload instead of an object that is there.
_AT_ONCE = ("gs", "gcs", "abfs", "abfss")
# Said by disks without hard links, such as a mounted bucket. A kill in mid-write may leave an empty file there.
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


class FolderLedger:
    """
    A folder for each task of a run, and in it one file for each of its submits: ``000001.json``, ``000002.json``.

    The latest counts. An intent is a new file that must not exist yet: of two processes that have read the same
    record only one can send. Local disks, S3, GCS and Azure Blob see to that, as does every store whose filesystem
    knows exclusive creation; elsewhere the intent is read back before anything is sent.

    Records outlive their DAG runs. They are small, and nothing but people removes them.

    :param root: URI of the folder for all tasks of a deployment.
    :param task: DAG, run, task and map index.
    :param before: reads what this task has written before there was a folder.
    """

    crash_safe = True
    outlives_runs = True

    def __init__(self, root: str, task: tuple[str, ...], before: Callable[[], Record | None] = lambda: None) -> None:
        self._before = before
        self._folder = ObjectStoragePath("/".join([root.rstrip("/"), *(quote(part, safe="") for part in task)]))
        # Before Airflow 3.2 only this tells of a scheme that nothing here knows.
        _ = self._folder.fs

    def read(self) -> Record | None:
        """Return the record with the highest number."""
        numbers = self._numbers()
        return self._read(max(numbers)) if numbers else self._before()

    def claim(self, record: Record, after: Record | None) -> bool:  # noqa: ARG002
        """Create the record's file, which must not be there yet: its number is the next after the one decided on."""
        try:
            _create(self._path(record.number), _encode(record))
        except FileExistsError:
            pass  # It may be ours: a store's client that missed the answer asks again.
        except OSError:
            # Some stores say so in words of their own. What is ours after all is the caller's to take back.
            if record.number in self._numbers() and self._read(record.number).nonce != record.nonce:
                return False
            raise
        there = self._read(record.number)
        return there.nonce == record.nonce and max(self._numbers()) == record.number

    def write(self, record: Record) -> None:
        """Replace the record's file."""
        write_whole(self._path(record.number), _encode(record))

    def _numbers(self) -> list[int]:
        fs = self._folder.fs
        fs.invalidate_cache()  # An instance is shared within the process, and caches folders.
        try:
            found = fs.ls(self._folder.path, detail=False)
        except FileNotFoundError:
            return []
        names = [posixpath.basename(str(name)).partition(".") for name in found]
        return [int(stem) for stem, _, suffix in names if suffix == "json" and stem.isdecimal()]

    def _path(self, number: int) -> ObjectStoragePath:
        return self._folder / f"{number:0{_DIGITS}d}.json"

    def _read(self, number: int) -> Record:
        path = self._path(number)
        where = f"{path.protocol or 'file'}://{path.path}"
        return Record.read(_decode(path.fs.cat_file(path.path)), where)


def write_whole(path: ObjectStoragePath, data: bytes) -> None:
    """Write a small file whole, or not at all."""
    if path.protocol in LOCAL_SCHEMES:
        with whole_file(path.path) as file:
            file.write(data)
    else:
        path.fs.pipe_file(path.path, data)


def read_json(path: ObjectStoragePath) -> Any:
    """Return what a small JSON file holds; ``None`` if there is none, or none that can be read."""
    try:
        return _decode(path.fs.cat_file(path.path))
    except FileNotFoundError:
        return None


def _create(path: ObjectStoragePath, data: bytes) -> None:
    """
    Write a small file where none is.

    :raises FileExistsError: there is one.
    """
    if path.protocol in _AT_ONCE:
        path.fs.pipe_file(path.path, data, mode="create")
        return
    if path.protocol in LOCAL_SCHEMES:
        try:
            with whole_file(path.path, exclusively=True) as whole:
                whole.write(data)
            return
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
    try:
        with path.fs.open(path.path, "xb") as file:
            file.write(data)
            if path.protocol in LOCAL_SCHEMES:
                file.flush()
                os.fsync(file.fileno())
    except (NotImplementedError, ValueError):
        # A filesystem without exclusive creation.
        if path.fs.exists(path.path):
            raise FileExistsError(path.path) from None
        path.fs.pipe_file(path.path, data)


def _encode(record: Record) -> bytes:
    return json.dumps(record.as_dict(), indent=1, ensure_ascii=False).encode()


def _decode(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
