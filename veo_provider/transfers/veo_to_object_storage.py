# SPDX-License-Identifier: Apache-2.0
"""Store a finished generation in any store that Airflow's ObjectStoragePath knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import ObjectStoragePath, XComArg

from veo_provider.api.locations import LOCAL_SCHEMES, is_absolute
from veo_provider.compat import connection_of
from veo_provider.transfers.base import VeoTransferOperator
from veo_provider.transfers.object_storage import SIDECAR, ObjectStorageDestination


class VeoToObjectStorageOperator(VeoTransferOperator):
    """
    Store the videos of a finished generation under a URI: ``file://``, ``gs://``, ``abfs://``, ``s3://``, ...

    The bytes are streamed. Local files are written beside their place, synchronised with the disk and renamed;
    on S3, GCS and Azure Blob the upload is completed at the end; elsewhere a file is written under another name and
    moved. A failure leaves no part of a video behind, and what was there before survives it. Missing folders are made.

    Beside each video lies ``<name>.veo.json`` with its facts. A retry that finds the same video there (generation
    and index, and by reading it the SHA-256) succeeds without storing it again. Another object under either name is
    an error unless ``overwrite=True``, except one that the same task of the same run stored: after a clear there may
    be a new video. Looking and writing are two steps, so two tasks must not write to one name at the same time.

    Returns the list of URIs and pushes the XCom ``veo_videos``: a list of ``uri``, ``index``, ``size`` (bytes),
    ``sha256``, ``content_type``, ``generation_id``, ``media`` (what the file is, or ``None``) and ``poster`` (a URI, or
    ``None``). The event of an :class:`~airflow.sdk.Asset` or :class:`~airflow.sdk.AssetAlias` among the outlets holds
    the same list under ``veo_videos`` in its extra. URIs hold no connection id.

    :param generation_id: the id that :class:`~veo_provider.operators.veo.VeoGenerateOperator` returned (templated).
        The generation must be finished.
    :param dst: where the video goes: a URI, or an :class:`~airflow.sdk.ObjectStoragePath` (templated). If the
        generation has several videos, ``{index}`` in it is replaced by 0, 1, ...; without it the name gets ``-0``,
        ``-1``, ... before its suffix. A local path must be absolute, and is the worker's own.
    :param dst_conn_id: Airflow's connection to the store (templated); default: the one in ``dst``
        (``s3://conn_id@bucket/key``), if any.
    :param overwrite: whether any other object under either name may be replaced. Default: no.
    :param veo_conn_id: the connection to the gateway, of type ``veo`` (templated).
    :param max_bytes: a larger video is refused; default 2 GiB.
    :param asset: what an alias's events are about: ``"folder"`` (the default), the folder that holds the object,
        so that Airflow's table of assets doesn't grow by a row a video; ``"object"``, the object itself; any other
        URI (templated), such as the fixed part of a dated name; or an :class:`~airflow.sdk.Asset`. The events'
        extra holds the exact URI in any case.
    :param write_manifest: whether a JSON document with the request, the cost and the facts of the file is stored
        beside each video, as ``<name>.manifest.json``. Default: no.
    :param verify_media: what follows if a video has another length, shape or size than was asked for, or no sound, or
        can't be read: ``"warn"`` (the default) says so in the log, and only where the extra ``media`` (PyAV) is
        installed; ``"fail"`` fails the task without a retry, and leaves the video where it is stored, unless it would
        have replaced another object: then it isn't stored; ``"off"`` doesn't look.
    :param write_poster: whether the first picture is stored beside each video, as ``<name>.poster.jpg``. Default:
        where the extra ``media`` is installed.
    """

    template_fields: Sequence[str] = (*VeoTransferOperator.template_fields, "dst", "dst_conn_id")
    overwrite_argument = "overwrite"

    def __init__(
        self,
        *,
        generation_id: str | XComArg,
        dst: str | ObjectStoragePath,
        dst_conn_id: str | None = None,
        overwrite: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(generation_id=generation_id, **kwargs)
        self.dst = dst
        self.dst_conn_id = dst_conn_id
        self.overwrite = overwrite

    @property
    def pattern(self) -> str:
        """The URI, which may hold a connection id."""
        return str(self.dst)

    @property
    def store_conn_id(self) -> str | None:
        """Airflow's connection to the store, also where the URI names it."""
        return connection_of(ObjectStoragePath(self.dst, conn_id=self.dst_conn_id))

    def destination(self) -> ObjectStorageDestination:
        """Return the store."""
        return ObjectStorageDestination(self.dst_conn_id)

    def destination_problems(self) -> list[str]:
        """Return what is wrong with ``dst``."""
        dst: Any = self.dst
        if not isinstance(dst, (str, ObjectStoragePath)) or not str(dst).strip():
            return [f"dst must be a URI such as file:///data/videos/clip.mp4, not {dst!r}"]
        if str(dst).endswith("/"):
            return [f"dst must name an object, such as {dst}clip.mp4, not a folder"]
        if str(dst).endswith(SIDECAR):
            return [f"dst must not end with {SIDECAR}, as the file of facts beside another video does: {dst!r}"]
        scheme = urlsplit(str(dst)).scheme
        if not is_absolute(str(dst)):
            return [f"dst must be absolute, such as file:///data/videos/clip.mp4, not {dst!r}"]
        try:
            path = ObjectStoragePath(dst, conn_id=self.dst_conn_id)
            store = path.fs
            is_folder = scheme in LOCAL_SCHEMES and store.isdir(path.path)
        except (ImportError, ValueError) as error:
            return [f"dst: nothing installed here writes {scheme}:// ({error})"]
        return [f"dst must name an object, such as {dst}/clip.mp4, not a folder that exists"] if is_folder else []
