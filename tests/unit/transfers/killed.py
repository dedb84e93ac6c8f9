# SPDX-License-Identifier: Apache-2.0
"""
A worker that is killed while it stores a video in a folder.

Usage: ``python -m tests.unit.transfers.killed URI GENERATION_ID SIZE SEED POINT``; ``POINT`` says which of the two
renames (the sidecar's, the video's) is not reached any more.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from tests.unit.transfers.fakes import FakeHook, movie, run
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

STATUS = 9


def main(uri: str, generation_id: str, size: str, seed: str, point: str) -> None:
    real, renames = os.replace, iter(range(2))

    def replace(*names: Any) -> None:
        if next(renames) == int(point):
            os._exit(STATUS)
        real(*names)

    os.replace = replace  # type: ignore[assignment]
    operator = VeoToObjectStorageOperator(task_id="store", generation_id=generation_id, dst=uri)
    run(operator, FakeHook([movie(int(size), int(seed))]))
    os._exit(STATUS)


if __name__ == "__main__":
    main(*sys.argv[1:])
