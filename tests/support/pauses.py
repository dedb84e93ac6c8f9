# SPDX-License-Identifier: Apache-2.0
"""
Runs a command and freezes all of its processes again and again, as a machine that pauses does.

``python -m tests.support.pauses .venv/bin/python -m pytest tests/unit`` shows whose verdict a pause changes.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from contextlib import suppress

import psutil


def main() -> int:
    """Return what the command returned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--longest", type=float, default=2.5, help="seconds of a pause; the shortest is a second")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two, on average")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    running = psutil.Popen(options.command)
    pauses = 0
    while running.poll() is None:
        time.sleep(random.uniform(0, 2 * options.every))
        with suppress(psutil.NoSuchProcess):
            _freeze([running, *running.children(recursive=True)], random.uniform(1.0, options.longest))
            pauses += 1
    sys.stderr.write(f"{pauses} pauses\n")
    return int(running.wait())


def _freeze(processes: list[psutil.Process], seconds: float) -> None:
    try:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        time.sleep(seconds)
    finally:
        for process in reversed(processes):
            with suppress(psutil.NoSuchProcess):
                process.resume()


if __name__ == "__main__":
    sys.exit(main())
