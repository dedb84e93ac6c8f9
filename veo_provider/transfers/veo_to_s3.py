# SPDX-License-Identifier: Apache-2.0
"""Store a finished generation in S3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, XComArg

from veo_provider.operators.checks import check_flags
from veo_provider.transfers.base import VeoTransferOperator
from veo_provider.transfers.s3 import MARK_PREFIX, METADATA_KEY, S3Destination


class VeoToS3Operator(VeoTransferOperator):
    """
    Store the videos of a finished generation in S3.

    The bytes are streamed: memory stays flat whatever a video's size, and nothing is written to the worker's
    disk. An upload is completed only after the whole video has been read and checked, so a failure leaves no
    object and no unfinished upload, and what was there before survives it.

    A retry that finds the same video (generation and index, in the object's metadata) succeeds without storing it
    again; it reads the object once for its SHA-256. Another object at that key is an error unless
    ``replace=True``, except one that the same task of the same run stored: after a clear there may be a new video.
    Looking and writing are two steps, so two tasks must not write to one key at the same time.

    Returns the list of ``s3://`` URIs and pushes the XCom ``veo_videos``: a list of ``uri``, ``index``, ``size``
    (bytes), ``sha256``, ``content_type``, ``generation_id``, ``media`` (what the file is, or ``None``) and ``poster``
    (a URI, or ``None``). The event of an :class:`~airflow.sdk.Asset` or :class:`~airflow.sdk.AssetAlias` among the
    outlets holds the same list under ``veo_videos`` in its extra.

    :param generation_id: the id that :class:`~veo_provider.operators.veo.VeoGenerateOperator` returned (templated).
        The generation must be finished.
    :param s3_key: the object's key, or a full ``s3://bucket/key`` URL if ``s3_bucket`` is left out (templated).
        If the generation has several videos, ``{index}`` in it is replaced by 0, 1, ...; without it the key
        gets ``-0``, ``-1``, ... before its suffix.
    :param s3_bucket: the bucket (templated); default: the one in ``s3_key``, else the connection's ``bucket_name``.
    :param replace: whether any other object at that key may be replaced. Default: no.
    :param encrypt: encrypt on the server with S3's own keys (SSE-S3). For a KMS key use ``extra_args``.
    :param acl_policy: a canned ACL such as ``bucket-owner-full-control`` (templated).
    :param extra_args: further arguments of the upload (templated), such as ``{"ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "alias/videos"}`` or ``{"StorageClass": "STANDARD_IA"}``; see
        ``boto3.s3.transfer.S3Transfer.ALLOWED_UPLOAD_ARGS``.
    :param metadata: user metadata for the objects (templated); keys of lower-case letters, digits, ``-``, ``_``
        and ``.``. What isn't ASCII is percent-encoded. Keys that begin with ``veo-`` are the provider's own.
    :param aws_conn_id: the AWS connection (templated); ``None`` uses boto3's own look-up of credentials.
    :param verify: as in boto3: ``False`` doesn't check certificates, a path names a bundle of CAs.
    :param veo_conn_id: the connection to the gateway, of type ``veo`` (templated).
    :param max_bytes: a larger video is refused; default 2 GiB.
    :param asset: what an alias's events are about: ``"folder"`` (the default), the folder that holds the object,
        so that Airflow's table of assets doesn't grow by a row a video; ``"object"``, the object itself; any other
        URI (templated), such as the fixed part of a dated key; or an :class:`~airflow.sdk.Asset`. The events' extra
        holds the exact URI in any case.
    :param write_manifest: whether a JSON document with the request, the cost and the facts of the file is stored
        beside each video, as ``<name>.manifest.json``. Default: no.
    :param verify_media: what follows if a video has another length, shape or size than was asked for, or no sound, or
        can't be read: ``"warn"`` (the default) says so in the log, and only where the extra ``media`` (PyAV) is
        installed; ``"fail"`` fails the task without a retry, and leaves the video where it is stored, unless it would
        have replaced another object: then it isn't stored; ``"off"`` doesn't look.
    :param write_poster: whether the first picture is stored beside each video, as ``<name>.poster.jpg``. Default:
        where the extra ``media`` is installed.
    """

    template_fields: Sequence[str] = (
        *VeoTransferOperator.template_fields,
        "s3_key",
        "s3_bucket",
        "acl_policy",
        "extra_args",
        "metadata",
        "aws_conn_id",
    )
    template_fields_renderers = {"extra_args": "json", "metadata": "json"}  # noqa: RUF012
    overwrite_argument = "replace"

    def __init__(
        self,
        *,
        generation_id: str | XComArg,
        s3_key: str,
        s3_bucket: str | None = None,
        replace: bool = False,
        encrypt: bool = False,
        acl_policy: str | None = None,
        extra_args: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
        aws_conn_id: str | None = "aws_default",
        verify: str | bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(generation_id=generation_id, **kwargs)
        self.s3_key = s3_key
        self.s3_bucket = s3_bucket
        self.replace = replace
        self.encrypt = encrypt
        self.acl_policy = acl_policy
        self.extra_args = extra_args
        self.metadata = metadata
        self.aws_conn_id = aws_conn_id
        self.verify = verify

    @property
    def pattern(self) -> str:
        """The key."""
        return self._place()[1]

    @property
    def store_conn_id(self) -> str | None:
        """Airflow's connection to S3."""
        return self.aws_conn_id

    def destination(self) -> S3Destination:
        """Return the bucket."""
        return S3Destination(
            self._hook_arguments,
            self._place()[0],
            encrypt=self.encrypt,
            acl_policy=self.acl_policy,
            extra_args=self.extra_args or {},
            metadata=self.metadata or {},
            overwrites=self.replace,
        )

    def destination_problems(self) -> list[str]:
        """Return what is wrong with the arguments that concern S3."""
        from boto3.s3.transfer import S3Transfer

        problems = [*check_flags(encrypt=self.encrypt), *self._place_problems()]
        extra_args: Any = self.extra_args or {}
        metadata: Any = self.metadata or {}
        if not isinstance(extra_args, Mapping) or not isinstance(metadata, Mapping):
            return [*problems, "extra_args and metadata must be mappings"]
        unknown = sorted(map(str, set(extra_args) - set(S3Transfer.ALLOWED_UPLOAD_ARGS)))
        if unknown:
            problems.append(f"extra_args: boto3 doesn't take {', '.join(unknown)} for an upload")
        if "Metadata" in extra_args:
            problems.append("extra_args: user metadata goes into the argument metadata")
        if self.encrypt and "ServerSideEncryption" in extra_args:
            problems.append("encrypt=True means SSE-S3: leave it out when extra_args names ServerSideEncryption")
        if self.acl_policy and "ACL" in extra_args:
            problems.append("give either acl_policy or ACL in extra_args")
        problems += [
            f"metadata: {key!r} must be made of lower-case letters, digits, '-', '_' and '.', without {MARK_PREFIX!r} "
            "at its start"
            for key in metadata
            if not METADATA_KEY.fullmatch(str(key)) or str(key).startswith(MARK_PREFIX)
        ]
        return problems

    def _place_problems(self) -> list[str]:
        texts: dict[str, Any] = {"s3_key": self.s3_key, "s3_bucket": self.s3_bucket, "acl_policy": self.acl_policy}
        problems = [
            f"{name} must be text, not {value!r:.100}"
            for name, value in texts.items()
            if not isinstance(value, (str, type(None)))
        ]
        if problems:
            return problems
        try:
            bucket, key = self._place()
        except (AirflowException, IndexError, TypeError, ValueError) as error:
            return [f"s3_key: {error}"]
        if not bucket:
            problems.append("s3_bucket is missing: give it, or a full s3://bucket/key URL as s3_key")
        if not key or key.endswith("/"):
            problems.append(f"s3_key must name an object, such as videos/clip.mp4, not {self.s3_key!r}")
        elif "://" in self.s3_key and "?" in self.s3_key:
            # Airflow reads a URL's query off the key, and two keys become one.
            problems.append(
                f"s3_key is a URL with a '?', and everything after the '?' would be lost: {self.s3_key!r}; give "
                "s3_bucket, and the key alone"
            )
        return problems

    def _place(self) -> tuple[str, str]:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        key = self.s3_key or ""
        if self.s3_bucket or "://" in key:
            return S3Hook.get_s3_bucket_key(self.s3_bucket or None, key, "s3_bucket", "s3_key")
        return S3Hook(**self._hook_arguments).service_config.get("bucket_name", ""), key

    @property
    def _hook_arguments(self) -> dict[str, Any]:
        return {"aws_conn_id": self.aws_conn_id, "verify": self.verify}
