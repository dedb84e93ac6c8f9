# SPDX-License-Identifier: Apache-2.0
"""S3 as a destination, by the amazon provider's hook."""

from __future__ import annotations

import io
import re
import string
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from veo_provider.exceptions import VeoDestinationError, VeoStorageError
from veo_provider.transfers.stored import CHUNK, PART, Found, Marks, Source, media_type

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook


MARK_PREFIX = "veo-"
METADATA_KEY = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
# What a request that reads an object needs of the arguments it was written with.
_READ_ARGS = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5", "RequestPayer", "ExpectedBucketOwner")
_SAFE = string.ascii_letters + string.digits + "".join(sorted(set(string.punctuation) - {"%"}))


class S3Destination:
    """
    One bucket; names are keys.

    A write is all or nothing: boto3 completes an upload only after the stream has ended, and the stream ends
    without an exception only if the video is whole. Looking and writing are two steps: of two tasks that write
    to one key at the same moment the later one wins.

    :param hook_arguments: how to make the hook: ``aws_conn_id``, ``verify``.
    :param bucket: name of the bucket.
    :param encrypt: as in :class:`~airflow.providers.amazon.aws.hooks.s3.S3Hook`.
    :param acl_policy: likewise.
    :param extra_args: likewise.
    :param metadata: user metadata for every object.
    :param overwrites: whether anything that is there may be replaced.
    """

    def __init__(
        self,
        hook_arguments: Mapping[str, Any],
        bucket: str,
        *,
        encrypt: bool,
        acl_policy: str | None,
        extra_args: Mapping[str, Any],
        metadata: Mapping[str, Any],
        overwrites: bool,
    ) -> None:
        self._hook_arguments = hook_arguments
        self._bucket = bucket
        self._encrypt = encrypt
        self._acl_policy = acl_policy
        self._extra_args = dict(extra_args)
        self._metadata = metadata
        self._overwrites = overwrites

    def uri(self, name: str) -> str:
        """Return ``s3://bucket/key``."""
        return f"s3://{self._bucket}/{name}"

    def find(self, name: str) -> Found | None:
        """Ask for an object's head."""
        from botocore.exceptions import ClientError

        try:
            head = self._client.head_object(Bucket=self._bucket, Key=name, **self._read_args)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status == 404 or (status == 403 and self._overwrites):
                return None
            if status == 403:
                raise VeoDestinationError(
                    f"S3 doesn't tell whether {self.uri(name)} exists (403). The AWS connection needs s3:GetObject on "
                    "it, and s3:ListBucket on the bucket, without which what is missing is forbidden too"
                ) from error
            raise
        return Found(head["ContentLength"], marks_in(head), head.get("ContentType", ""))

    def read(self, name: str) -> Iterator[bytes]:
        """Read an object."""
        body = self._client.get_object(Bucket=self._bucket, Key=name, **self._read_args)["Body"]
        yield from body.iter_chunks(CHUNK)

    def write(self, name: str, source: Source, marks: Marks, _: Found | None) -> None:
        """Upload a video, and check what S3 then has."""
        arguments = {"ContentType": media_type(source), **self._write_args}
        metadata = {key: _ascii(value) for key, value in self._metadata.items()}
        metadata |= {f"{MARK_PREFIX}{key}".replace("_", "-"): _ascii(value) for key, value in marks.as_dict().items()}
        # Not by the hook, whose arguments are fixed when it is made: another one is another client, of 20 MB.
        self._client.upload_fileobj(
            source, self._bucket, name, ExtraArgs=arguments | {"Metadata": metadata}, Config=self._hook.transfer_config
        )
        self._check(name, source.size, marks)

    def read_small(self, name: str) -> bytes | None:
        """Read the beginning of an object."""
        from botocore.exceptions import ClientError

        try:
            body = self._client.get_object(Bucket=self._bucket, Key=name, **self._read_args)["Body"]
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise
        with body:
            data: bytes = body.read(CHUNK)
        return data

    def write_small(self, name: str, data: bytes, content_type: str) -> None:
        """Put an object, with the rights and the encryption that a video has."""
        # As a video: another call would refuse some of the arguments that this one takes.
        self._client.upload_fileobj(
            io.BytesIO(data),
            self._bucket,
            name,
            ExtraArgs=self._write_args | {"ContentType": content_type},
            Config=self._hook.transfer_config,
        )

    def _check(self, name: str, size: int, marks: Marks) -> None:
        there = self.find(name)
        if there and there.marks == marks and there.size == size:
            return
        held = f"{there.size} bytes" if there else "nothing that can be read"
        text = f"{self.uri(name)} holds {held} right after {size} bytes were stored there: "
        if there and there.marks == marks:
            self._remove(name, text)
            raise VeoStorageError(f"{text}S3 kept another size of this very upload, which was removed")
        left = ". It was left there: see whose it is, and remove it if nobody needs it" if there else ""
        raise VeoStorageError(
            f"{text}another task may write to the same key, or the AWS connection lacks s3:GetObject{left}"
        )

    def _remove(self, name: str, text: str) -> None:
        """Remove what is marked as the video and isn't whole: a later try would take it for the video."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.delete_object(Bucket=self._bucket, Key=name)
        except (BotoCoreError, ClientError) as error:
            raise VeoDestinationError(
                f"{text}S3 kept another size of this very upload, and it can't be removed ({error}). Remove it before "
                "the task runs again, which would take it for the video; the AWS connection may lack s3:DeleteObject"
            ) from error

    @cached_property
    def _hook(self) -> S3Hook:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        # One part at a time in this thread: threads would hold ten parts, and read on after a timeout.
        transfer = {"use_threads": False, "multipart_chunksize": PART, "multipart_threshold": PART}
        return S3Hook(**self._hook_arguments, transfer_config_args=transfer)

    @cached_property
    def _client(self) -> Any:
        return self._hook.get_conn()

    @property
    def _write_args(self) -> dict[str, Any]:
        arguments = dict(self._extra_args)
        if self._encrypt:
            arguments["ServerSideEncryption"] = "AES256"
        if self._acl_policy:
            arguments["ACL"] = self._acl_policy
        return arguments

    @property
    def _read_args(self) -> dict[str, Any]:
        return {name: self._extra_args[name] for name in _READ_ARGS if name in self._extra_args}


def marks_in(head: Mapping[str, Any]) -> Marks | None:
    """
    Return the marks of an object.

    :param head: S3's answer to a ``HeadObject``.
    :returns: ``None`` for what this provider didn't store so.
    """
    return Marks.read(
        {
            key.removeprefix(MARK_PREFIX).replace("-", "_"): unquote(value)
            for key, value in head.get("Metadata", {}).items()
            if key.startswith(MARK_PREFIX)
        }
    )


def _ascii(value: Any) -> str:
    """Percent-encode what a header can't hold, or what S3's signatures would change."""
    text = str(value)
    return quote(text, safe=_SAFE + " " if text == " ".join(text.split()) else _SAFE)
