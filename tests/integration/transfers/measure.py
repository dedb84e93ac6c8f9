# SPDX-License-Identifier: Apache-2.0
"""
What transfers cost in memory, in a process of their own.

Usage: ``python -m tests.integration.transfers.measure DST SMALL_ID LARGE_ID``, with the connections in the environment.
``DST`` is a URI; ``s3://`` goes by boto3, ``fsspec+s3://`` by fsspec. Prints a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from tests.support.memory import forget_peak, held, peak
from tests.unit.transfers.fakes import run
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

MIB = 1024 * 1024


def transfer(dst: str, generation_id: str) -> Any:
    uri = f"{dst}/{generation_id}.mp4"
    if uri.startswith("s3://"):
        return VeoToS3Operator(task_id="store", generation_id=generation_id, s3_key=uri)
    uri = uri.removeprefix("fsspec+")
    conn_id = "aws_default" if uri.startswith("s3://") else None
    return VeoToObjectStorageOperator(task_id="store", generation_id=generation_id, dst=uri, dst_conn_id=conn_id)


def main(dst: str, small: str, large: str) -> None:
    run(transfer(dst, small))  # Imports and clients are there afterwards.
    forget_peak()
    before, started = held(), time.monotonic()
    _, (facts,) = run(transfer(dst, large))
    seconds = time.monotonic() - started
    result = {"size": facts["size"], "before": before / MIB, "growth": (peak() - before) / MIB, "seconds": seconds}
    sys.stdout.write(f"\n{json.dumps(result)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
