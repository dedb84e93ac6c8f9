# SPDX-License-Identifier: Apache-2.0
"""The user's own storage, as the page reads it: only what this provider has stored there, and never for long."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, ObjectStoragePath, conf

from veo_provider.api.locations import LOCAL_SCHEMES
from veo_provider.compat import connection_of
from veo_provider.transfers import posters
from veo_provider.transfers.object_storage import SIDECAR
from veo_provider.transfers.s3 import marks_in
from veo_provider.transfers.stored import CHUNK, Marks

if TYPE_CHECKING:
    from veo_provider.ui.facts import Video

MAX_LINK_SECONDS = 900
"""How long a presigned link may live. The page asks for another one when it has died."""

MAX_SIDECAR = 64 * 1024
_S3 = ("s3", "s3a", "s3n")
# The types of connections whose hooks know credentials of the machine's own.
_TYPES = {
    **dict.fromkeys(_S3, ("aws",)),
    **dict.fromkeys(("gs", "gcs"), ("google_cloud_platform",)),
    **dict.fromkeys(("abfs", "abfss", "adl"), ("wasb", "adls", "azure_data_lake")),
}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")


class NotThere(Exception):
    """There is no such video, or none that may be shown."""


class Unreachable(Exception):
    """The store doesn't answer: another video in it wouldn't come either."""


@dataclass(frozen=True)
class Link:
    """A place from which a browser fetches a video by itself. It is signed: never log it."""

    url: str


@dataclass(frozen=True)
class Bytes:
    """
    An open video, or its poster.

    :param kind: its media type.
    :param size: bytes.
    :param read: returns so many bytes from a position on.
    :param close: closes it.
    """

    kind: str
    size: int
    read: Callable[[int, int], bytes]
    close: Callable[[], object]


def link_seconds() -> int:
    """Return how long a presigned link lives."""
    asked: int = conf.getint("veo", "ui_link_seconds", fallback=300)
    return min(max(asked, 1), MAX_LINK_SECONDS)


def open_video(video: Video, *, poster: bool = False) -> Link | Bytes:
    """
    Open a recorded video, if what is stored there is marked as that very video. It may take long: stores hang.

    Any author of a DAG can record any URI; the marks keep other objects from being read through the page.

    :param video: the record.
    :param poster: its first picture instead, beside it.
    :raises NotThere: there is none.
    :raises Unreachable: its store doesn't answer.
    """
    scheme = video.uri.partition("://")[0]
    if not _SCHEME.fullmatch(scheme):
        # What fsspec reads into "FILE" or "simplecache::file" is not for anybody to choose.
        raise NotThere(f"no scheme: {scheme!r}")
    suffix = posters.SUFFIX if poster else ""
    if scheme in _S3:
        return _s3(video, suffix)
    try:
        return _file(video, suffix) if scheme in LOCAL_SCHEMES else _object(video, suffix)
    except (AirflowNotFoundException, FileNotFoundError, ImportError, ValueError) as error:
        raise NotThere(type(error).__name__) from None


def _s3(video: Video, suffix: str) -> Link:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore import exceptions
    from botocore.config import Config

    bucket, _, key = video.uri.partition("://")[2].partition("/")
    # boto3 signs links in a way of its own if it isn't told; it waits for minutes, too. One answer that is
    # lost mustn't keep the videos from everybody, as a store that is down does.
    quick = Config(signature_version="s3v4", connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
    hook = S3Hook(aws_conn_id=video.conn_id)
    # It goes on without a connection that it doesn't find.
    _check_connection(video.conn_id, "s3", hook.conn_config.conn_type)
    configured = hook.conn_config.botocore_config
    client = hook.get_client_type(config=configured.merge(quick) if configured else quick)
    place = {"Bucket": bucket, "Key": key}
    try:
        marks = marks_in(client.head_object(**place))
        if marks is None:
            span = f"bytes=0-{MAX_SIDECAR - 1}"
            beside = client.get_object(Bucket=bucket, Key=f"{key}{SIDECAR}", Range=span)["Body"].read(MAX_SIDECAR)
            marks = _marks_beside(beside)
    except (exceptions.ClientError, exceptions.ParamValidationError) as error:
        raise NotThere(str(error)) from None
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise Unreachable(type(error).__name__) from None
    _check(video, marks)
    wanted = {
        "Bucket": bucket,
        "Key": f"{key}{suffix}",
        "ResponseContentType": _kind(video, suffix),
        "ResponseContentDisposition": "inline",
    }
    return Link(client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=link_seconds()))


def _file(video: Video, suffix: str) -> Bytes:
    path = os.path.realpath(ObjectStoragePath(video.uri).path)
    parent, name = os.path.split(path)
    named = [one.strip() for one in conf.get("veo", "ui_folders", fallback="").split(",")]
    # An empty or a relative name would be the folder that the API server was started in.
    folders = [os.path.realpath(one) for one in named if os.path.isabs(one)]
    around = next((one for one in folders if os.path.commonpath([one, parent]) == one), None)
    if around is None:
        raise NotThere("it lies in none of the folders of [veo] ui_folders")
    # Both are opened in the folder that was found: whoever can write there could put another in its place.
    with _folder(around, os.path.relpath(parent, around)) as folder:
        with _open_file(f"{name}{SIDECAR}", folder) as beside:
            _check(video, _marks_beside(beside.read(MAX_SIDECAR)))
        return _bytes(_open_file(f"{name}{suffix}", folder), _kind(video, suffix))


@contextmanager
def _folder(around: str, inside: str) -> Iterator[int]:
    """Open a folder below another one, step by step: no link leads out of it."""
    folder = _open(around, os.O_DIRECTORY)
    try:
        for step in inside.split(os.sep):
            outer, folder = folder, _open(step, os.O_DIRECTORY, folder)
            os.close(outer)
        yield folder
    finally:
        os.close(folder)


def _open_file(name: str, folder: int) -> IO[bytes]:
    """Open a file that is one: a pipe would never answer."""
    file = os.fdopen(_open(name, os.O_NONBLOCK, folder), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotThere("no file")
    return file


def _open(name: str, flags: int, folder: int | None = None) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=folder)
    except OSError as error:
        raise NotThere(type(error).__name__) from None


def _object(video: Video, suffix: str) -> Bytes:
    path = ObjectStoragePath(video.uri, conn_id=video.conn_id)
    if path.protocol in LOCAL_SCHEMES:
        raise NotThere("a file of this machine under another name")
    conn_id = connection_of(path)
    named = BaseHook.get_connection(conn_id).conn_type if conn_id else None
    _check_connection(conn_id, path.protocol, named)
    _check(video, _marks_beside(path.fs.cat_file(f"{path.path}{SIDECAR}", start=0, end=MAX_SIDECAR)))
    # Some read 50 MiB ahead, and what is sent at once is this much.
    return _bytes(path.fs.open(f"{path.path}{suffix}", "rb", block_size=CHUNK), _kind(video, suffix))


def _check_connection(conn_id: str | None, scheme: str, conn_type: str | None) -> None:
    """Refuse a connection instead of which a store would be asked as whoever the API server is."""
    if not conn_id and conf.getboolean("veo", "ui_own_credentials", fallback=False):
        return
    if not conn_id or conn_type not in _TYPES.get(scheme, (conn_type,)):
        raise NotThere("no connection to such a store")


def _bytes(file: IO[bytes], kind: str) -> Bytes:
    def read(start: int, size: int) -> bytes:
        file.seek(start)
        return file.read(size)

    return Bytes(kind, file.seek(0, os.SEEK_END), read, file.close)


def _marks_beside(text: bytes) -> Marks | None:
    """Read a sidecar."""
    with suppress(ValueError, RecursionError):
        facts = json.loads(text)
        return Marks.read(facts) if isinstance(facts, dict) else None
    return None


def _check(video: Video, marks: Marks | None) -> None:
    if marks is None or (marks.generation_id, marks.index) != (video.generation_id, video.index):
        raise NotThere("what is stored there isn't marked as this video")


def _kind(video: Video, suffix: str) -> str:
    """Return the media type; nothing that a browser could take for a page."""
    if suffix:
        return "image/jpeg"
    return video.content_type if video.content_type in ("video/mp4", "video/webm", "video/quicktime") else "video/mp4"
