# SPDX-License-Identifier: Apache-2.0
"""Any fsspec store as a destination, each written in the way in which a failure leaves nothing behind."""

from __future__ import annotations

import hashlib
import json
import posixpath
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from veo_provider.api.locations import LOCAL_SCHEMES
from veo_provider.exceptions import VeoStorageError
from veo_provider.local_files import whole_file
from veo_provider.transfers.stored import CHUNK, PART, Found, Marks, Source, media_type

SIDECAR = ".veo.json"
# How these are told the media type when a file is opened. They show an object only when its upload is completed.
_UPLOADING: Mapping[str, Callable[[str], dict[str, Any]]] = {
    **dict.fromkeys(("s3", "s3a"), lambda kind: {"ContentType": kind}),
    **dict.fromkeys(("gs", "gcs"), lambda kind: {"content_type": kind}),
    **dict.fromkeys(("abfs", "abfss"), lambda kind: {"content_settings": {"content_type": kind}}),
}


class ObjectStorageDestination:
    """
    A store behind :class:`~airflow.sdk.ObjectStoragePath`; names are URIs.

    Beside each video lies ``<name>.veo.json`` with its facts, by which a later try knows it: if the bytes have
    the hash that is named there. It is written just before the video appears, and names under ``replaces``
    what was there before: so a crash in between leaves nobody's video that a retry couldn't tell from its own.

    :param conn_id: Airflow's connection to the store; ``None``: the one in the name, if any.
    """

    def __init__(self, conn_id: str | None) -> None:
        self._conn_id = conn_id

    def uri(self, name: str) -> str:
        """Return the name as a URI without its connection id."""
        return _uri(self._path(name))

    def find(self, name: str) -> Found | None:
        """
        Look at an object and its sidecar; if they have the same size, read the object for its hash.

        Without an object, what isn't ours in the sidecar's place is found: it would be replaced together with it.
        """
        path = self._path(name)
        path.fs.invalidate_cache()  # An instance is shared within the process, and caches folders.
        try:
            size = path.fs.info(path.path)["size"] or 0
            known = [facts for facts in _read_sidecar(path) if facts.get("size") == size]
            # Other bytes may have the same size. Something to be known is there only in a retry, which is rare.
            sha256 = _hash(path) if known else ""
        except FileNotFoundError:
            return _not_ours_beside(path)
        for facts in known:
            if facts.get("sha256") == sha256:
                return Found(size, Marks.read(facts), str(facts.get("content_type")), sha256)
        return Found(size, None, "")

    def read(self, name: str) -> Iterator[bytes]:
        """Read an object."""
        return _read(self._path(name))

    def write(self, name: str, source: Source, marks: Marks, before: Found | None) -> None:
        """Copy a video, and check what the store then has."""
        path = self._path(name)
        stage = _stage(path)
        begin = b""
        with stage(path, media_type(source)) as file:
            while chunk := source.read(CHUNK):
                begin = begin or chunk
                file.write(chunk)
            facts = _facts(marks, source.size, source.sha256, media_type(source))
            if before and before.marks:
                facts["replaces"] = _facts(before.marks, before.size, before.sha256, before.content_type)
            sidecar = json.dumps(facts, indent=1).encode()
            with stage(_sidecar(path), "application/json") as beside:
                beside.write(sidecar)
        self._check(path, source, before, begin, sidecar)

    def read_small(self, name: str) -> bytes | None:
        """Read the beginning of an object."""
        path = self._path(name)
        path.fs.invalidate_cache()
        try:
            data: bytes = path.fs.cat_file(path.path, start=0, end=CHUNK)
        except FileNotFoundError:
            return None
        return data

    def write_small(self, name: str, data: bytes, content_type: str) -> None:
        """Write an object as a video is written: whole, or not at all."""
        path = self._path(name)
        with _stage(path)(path, content_type) as file:
            file.write(data)

    def _check(
        self, path: ObjectStoragePath, source: Source, before: Found | None, begin: bytes, sidecar: bytes
    ) -> None:
        path.fs.invalidate_cache()
        advice = ""
        try:
            size = path.fs.info(path.path)["size"]
            # The size doesn't tell whether it is still what was to be replaced.
            hidden = before is not None and before.size == size
            if size == source.size and not (hidden and _hash(path) != source.sha256):
                return
            held = f"{size} bytes" if size != source.size else "another video"
            # Whatever isn't the beginning of what was just written is somebody else's.
            if size is not None and size < source.size and _remove_beginning(path, begin):
                _remove_beginning(_sidecar(path), sidecar)
                advice = ". The store kept only the beginning of the video, which was removed"
            else:
                advice = ". It was left there: see whose it is, and remove it if nobody needs it"
        except FileNotFoundError:
            held = "nothing"
        raise VeoStorageError(
            f"{_uri(path)} holds {held} right after {source.size} bytes were stored there: another task may write to "
            f"the same name, or the store loses bytes{advice}"
        )

    def _path(self, name: str) -> ObjectStoragePath:
        return ObjectStoragePath(name, conn_id=self._conn_id)


def _remove_beginning(path: ObjectStoragePath, begin: bytes) -> bool:
    """Remove what was just written, or what the store kept of it; tell whether it was removed."""
    with suppress(Exception):  # What went wrong before this is what the task has to tell.
        with path.fs.open(path.path, "rb") as file:
            if not begin.startswith(file.read(len(begin))):
                return False
        path.fs.rm_file(path.path)
        return True
    return False


Stage = Callable[[ObjectStoragePath, str], AbstractContextManager[Any]]


def _sidecar(path: ObjectStoragePath) -> ObjectStoragePath:
    return path.with_name(f"{path.name}{SIDECAR}")


def _uri(path: ObjectStoragePath) -> str:
    return f"{path.protocol or 'file'}://{path.path}"


def _facts(marks: Marks, size: int, sha256: str | None, content_type: str) -> dict[str, Any]:
    return {**marks.as_dict(), "size": size, "sha256": sha256, "content_type": content_type}


def _read_sidecar(path: ObjectStoragePath) -> list[dict[str, Any]]:
    """Return the facts of the video, and of the one that it was to replace."""
    try:
        facts = json.loads(path.fs.cat_file(_sidecar(path).path))
    except (FileNotFoundError, IsADirectoryError, ValueError):
        return []
    both = [facts, facts.get("replaces")] if isinstance(facts, dict) else []
    return [one for one in both if isinstance(one, dict)]


def _not_ours_beside(path: ObjectStoragePath) -> Found | None:
    beside = _sidecar(path)
    try:
        size = path.fs.info(beside.path)["size"] or 0
    except FileNotFoundError:
        return None
    ours = any(Marks.read(facts) for facts in _read_sidecar(path)[:1])
    return None if ours else Found(size, None, "", uri=_uri(beside))


def _hash(path: ObjectStoragePath) -> str:
    digest = hashlib.sha256()
    for chunk in _read(path):
        digest.update(chunk)
    return digest.hexdigest()


def _read(path: ObjectStoragePath) -> Iterator[bytes]:
    # Some read far more than that ahead.
    with path.fs.open(path.path, "rb", block_size=PART) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _stage(path: ObjectStoragePath) -> Stage:
    if path.protocol in LOCAL_SCHEMES:
        return lambda local, _: whole_file(local.path)
    return _uploaded if path.protocol in _UPLOADING else _moved


@contextmanager
def _uploaded(path: ObjectStoragePath, content_type: str) -> Iterator[Any]:
    """Upload an object, and complete the upload at the end."""
    file = path.fs.open(path.path, "wb", block_size=PART, **_UPLOADING[path.protocol](content_type))
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
