# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks and prints their tables: ``python -m tests.benchmarks [--smoke] [NAME ...]``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import imports, polls, videos, waiting


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small sizes, one round: that they run")
    parser.add_argument("--rounds", type=int, default=0, help="how often everybody takes a turn")
    parser.add_argument("--sizes", type=int, nargs="+", help="how many generations are waited for")
    parser.add_argument("what", nargs="*", help="which benchmarks; default: all")
    args = parser.parse_args()
    sizes = args.sizes or ([20] if args.smoke else [100, 1000, 5000])
    videos_of = [5] if args.smoke else [5, 30, 100, 400]
    rounds = args.rounds or (1 if args.smoke else 3)
    with tempfile.TemporaryDirectory() as folder:
        known: dict[str, Callable[[], str]] = {
            "polls": lambda: polls.run(100 if args.smoke else 1000),
            "imports": lambda: imports.run(rounds if args.smoke else 3 * rounds),
            "inline": lambda: videos.inline(videos_of, rounds),
            "link-to-s3": lambda: videos.storing("link", videos_of, rounds),
            "network-to-s3": lambda: videos.storing("link", videos_of, rounds, 50, 100),
            "inline-to-s3": lambda: videos.storing("inline", videos_of, rounds),
            "network-inline-to-s3": lambda: videos.storing("inline", videos_of, rounds, 50, 100),
            "waiting": lambda: waiting.run(Path(folder), sizes, rounds, 3 if args.smoke else 20, waiting.installed()),
        }
        if unknown := set(args.what) - set(known):
            parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(known)}")
        sys.stdout.write(
            f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} processors. "
            f"Medians of {rounds} round(s), in brackets the least and the greatest.\n\n"
        )
        for name in args.what or known:
            sys.stdout.write(known[name]() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
