# SPDX-License-Identifier: Apache-2.0
"""Any fsspec store as a destination, each written in the way in which a failure leaves nothing behind."""

from __future__ import annotations

import json
import os
import posixpath
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from veo_provider.exceptions import VeoTransientError
from veo_provider.transfers.lineage import add_hook_lineage
from veo_provider.transfers.stored import CHUNK, PART, Found, Marks, media_type

if TYPE_CHECKING:
    from veo_provider.api.result import VideoStream

SIDECAR = ".veo.json"
LOCAL = ("", "file", "local")
# What these call the media type when a file is opened. They show an object only when its upload is completed.
_UPLOADING = {"s3": "ContentType", "s3a": "ContentType", "gs": "content_type", "gcs": "content_type"}


class ObjectStorageDestination:
    """
    A store behind :class:`~airflow.sdk.ObjectStoragePath`; names are URIs.

    Beside each video lies ``<name>.veo.json`` with its facts, by which a later try knows it. It is written just
    before the video appears, and counts only if the video has the size it names: so a crash in between
    leaves nothing of a first video that a retry could take for somebody else's. Where another video is being
    replaced it does: of the same size, the old one is then taken for the new; of another size, a person must look.

    :param conn_id: Airflow's connection to the store; ``None``: the one in the name, if any.
    """

    def __init__(self, conn_id: str | None) -> None:
        self._conn_id = conn_id

    def uri(self, name: str) -> str:
        """Return the name as a URI without its connection id."""
        path = self._path(name)
        return f"{path.protocol or 'file'}://{path.path}"

    def find(self, name: str) -> Found | None:
        """Look at an object and its sidecar."""
        path = self._path(name)
        path.fs.invalidate_cache()  # An instance is shared within the process, and caches folders.
        try:
            size = path.fs.info(path.path)["size"] or 0
        except FileNotFoundError:
            return None
        facts = self._facts(path)
        if facts.get("size") != size:
            return Found(size, None, "")
        return Found(size, Marks.read(facts), str(facts.get("content_type")), facts.get("sha256"))

    def sha256(self, name: str) -> str:
        """Never asked: a sidecar without a hash isn't ours."""
        raise NotImplementedError(name)

    def write(self, name: str, stream: VideoStream, marks: Marks) -> None:
        """Copy a stream, and check what the store then has."""
        path = self._path(name)
        stage = _stage(path)
        with stage(path, media_type(stream)) as file:
            while chunk := stream.read(CHUNK):
                file.write(chunk)
            facts = {
                **marks.as_dict(),
                "size": stream.size,
                "sha256": stream.sha256,
                "content_type": media_type(stream),
            }
            sidecar = _sidecar(path)
            with stage(sidecar, "application/json") as beside:
                beside.write(json.dumps(facts, indent=1).encode())
        add_hook_lineage(self, self.uri(name))
        there = self.find(name)
        if there and there.size == stream.size:
            return
        if there and self._facts(path) == facts:
            path.fs.rm_file(path.path)
        held = f"{there.size} bytes" if there else "nothing"
        raise VeoTransientError(
            f"{self.uri(name)} holds {held} right after {stream.size} bytes were stored there: another task may "
            "write to the same name"
        )

    def _path(self, name: str) -> ObjectStoragePath:
        return ObjectStoragePath(name, conn_id=self._conn_id)

    def _facts(self, path: ObjectStoragePath) -> dict[str, Any]:
        try:
            facts = json.loads(path.fs.cat_file(_sidecar(path).path))
        except (FileNotFoundError, ValueError):
            return {}
        return facts if isinstance(facts, dict) and facts.get("sha256") else {}


Stage = Callable[[ObjectStoragePath, str], AbstractContextManager[Any]]


def _sidecar(path: ObjectStoragePath) -> ObjectStoragePath:
    return path.with_name(f"{path.name}{SIDECAR}")


def _stage(path: ObjectStoragePath) -> Stage:
    if path.protocol in LOCAL:
        return _local
    return _uploaded if path.protocol in _UPLOADING else _moved


@contextmanager
def _local(path: ObjectStoragePath, _: str) -> Iterator[Any]:
    """Write a file beside its place, and rename it when it is on the disk."""
    folder = os.path.dirname(path.path)
    os.makedirs(folder, exist_ok=True)
    part = os.path.join(folder, _part())
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path.path)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # The name is on the disk too.
    finally:
        os.close(descriptor)


@contextmanager
def _uploaded(path: ObjectStoragePath, content_type: str) -> Iterator[Any]:
    """Upload an object, and complete the upload at the end."""
    options = {_UPLOADING[path.protocol]: content_type}
    file = path.fs.open(path.path, "wb", block_size=PART, **options)
    try:
        yield file
        file.close()
    except BaseException:
        # Left open, the garbage collector would close the file, and that completes the upload.
        file.closed = True
        with suppress(Exception):
            file.discard()
        raise


@contextmanager
def _moved(path: ObjectStoragePath, _: str) -> Iterator[Any]:
    """Write an object under another name, and let the store move it."""
    folder = posixpath.dirname(path.path)
    path.fs.makedirs(folder, exist_ok=True)
    part = posixpath.join(folder, _part())
    try:
        with path.fs.open(part, "wb") as file:
            yield file
        path.fs.mv(part, path.path)
    except BaseException:
        with suppress(Exception):
            path.fs.rm_file(part)
        raise


def _part() -> str:
    return f".veo-{uuid.uuid4().hex}.part"
