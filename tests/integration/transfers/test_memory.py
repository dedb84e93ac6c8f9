# SPDX-License-Identifier: Apache-2.0
"""A video's size doesn't show in the worker's memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.transfers.conftest import Bucket
from tests.support.processes import ROOT

MIB = 1024 * 1024


@pytest.mark.parametrize("server", ["moto"], indirect=True)
@pytest.mark.parametrize("way", ["sim:link", "sim:inline"])
@pytest.mark.parametrize("place", ["s3", "fsspec+s3", "file"])
def test_a_large_video(bucket: Bucket, generate: Callable[..., str], tmp_path: Path, way: str, place: str) -> None:
    dst = f"file://{tmp_path}" if place == "file" else f"{place}://{bucket.name}"
    ids = [generate(f"a boat {way} sim:size_mb={size}") for size in (1, 100)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.transfers.measure", dst, *ids],
        cwd=ROOT,
        env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["size"] >= 100 * 10**6
    assert measured["growth"] < 60, measured
    sys.stdout.write(f"{place} {way}: {measured}\n")
