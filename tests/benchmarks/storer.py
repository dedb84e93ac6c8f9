# SPDX-License-Identifier: Apache-2.0
"""
One process that stores a video in S3, as a worker does, and says what that costs it.

``python -m tests.benchmarks.storer link|inline MEGABYTES CONTENDER`` ends with a line of JSON.
"""

from __future__ import annotations

import base64
import binascii
import gc
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from tests.benchmarks.waiter import URL, Parent, cpu_seconds
from tests.support.memory import forget_peak, held, peak
from tests.unit.transfers.fakes import run

CHUNK = 64 * 1024
KEY = "video.mp4"


def _ours(task: str) -> None:
    from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

    operator = VeoToS3Operator(
        task_id="store",
        generation_id=task,
        s3_bucket="bench",
        s3_key=f"{task}-{time.monotonic()}.mp4",
        veo_conn_id="veo_bench",
        # As without the extra media: no other contender looks at what it stores.
        verify_media="off",
        write_poster=False,
    )
    run(operator)


def _client() -> Any:
    return S3Hook("aws_default").get_conn()


def _answer(task: str) -> requests.Response:
    return requests.get(f"{URL}/v1/video/generations/{task}", stream=True, timeout=60)


def _upload(task: str) -> None:
    """The floor of a link: its bytes into boto3, and nothing else."""
    url = _answer(task).json()["url"]
    with requests.get(url, stream=True, timeout=60) as response:
        _client().upload_fileobj(response.raw, "bench", KEY)


def _http_to_s3(task: str) -> None:
    from airflow.providers.amazon.aws.transfers.http_to_s3 import HttpToS3Operator

    endpoint = f"files/{task.removeprefix('task_')}.mp4"
    HttpToS3Operator(
        task_id="store", http_conn_id="http_bench", endpoint=endpoint, s3_bucket="bench", s3_key=KEY, replace=True
    ).execute({})


class _Decoded(io.RawIOBase):
    """The floor of an inline video: whatever lies between two quotes, decoded piece by piece."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        text = b""
        while b"base64," not in text:
            text += next(chunks)
        self._text = text.partition(b"base64,")[2]
        self._ready = bytearray()
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._ready) < size and not self._ended:
            text, quote, _ = self._text.partition(b'"')
            self._ended = bool(quote)
            whole = len(text) // 4 * 4
            self._ready += binascii.a2b_base64(text[:whole])
            self._text = text[whole:] + (b"" if quote else next(self._chunks))
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken


def _decode(task: str) -> None:
    with _answer(task) as response:
        _client().upload_fileobj(_Decoded(response.iter_content(CHUNK)), "bench", KEY)


def _json(task: str) -> None:
    """What is written by hand."""
    with _answer(task) as response:
        video = base64.b64decode(response.json()["metadata"]["url"].partition(",")[2])
    _client().upload_fileobj(io.BytesIO(video), "bench", KEY)


CONTENDERS: dict[str, dict[str, Callable[[str], None]]] = {
    "link": {"floor": _upload, "ours": _ours, "HttpToS3Operator": _http_to_s3},
    "inline": {"floor": _decode, "ours": _ours, "json, b64decode": _json},
}


def environment(gateway: str, store: str) -> dict[str, str]:
    """Return the environment of a storer: connections to both servers."""
    name, _, port = gateway.removeprefix("http://").partition(":")
    path_style = {"s3": {"addressing_style": "path"}, "signature_version": "s3v4"}
    aws = {"endpoint_url": store, "region_name": "us-east-1", "config_kwargs": path_style}
    connections: dict[str, dict[str, Any]] = {
        "VEO_BENCH": {"conn_type": "veo", "host": gateway, "password": "sk-bench"},
        "HTTP_BENCH": {"conn_type": "http", "schema": "http", "host": name, "port": int(port)},
        "AWS_DEFAULT": {"conn_type": "aws", "login": "k", "password": "s", "extra": aws},
    }
    variables = {f"AIRFLOW_CONN_{name}": json.dumps(fields) for name, fields in connections.items()}
    return {**os.environ, **variables, "BENCH_URL": gateway, "AWS_EC2_METADATA_DISABLED": "true"}


def _measure(way: str, megabytes: int, name: str) -> dict[str, float]:
    store = CONTENDERS[way][name]
    # Imports, clients and boto3's threads; of more than one part.
    store(f"task_{way}_20")
    # Looking through all of Airflow for garbage takes 100 ms, whenever its time has come.
    gc.collect()
    forget_peak()
    memory, cpu, began = held(), cpu_seconds(), time.perf_counter()
    store(f"task_{way}_{megabytes}")
    return {"seconds": time.perf_counter() - began, "cpu": cpu_seconds() - cpu, "memory": peak() - memory}


if __name__ == "__main__":
    _parent = Parent()
    _parent.end(_measure(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
