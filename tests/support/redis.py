# SPDX-License-Identifier: Apache-2.0
"""A private Redis on a port of its own on 127.0.0.1: Celery's broker."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Self

import redis

from tests.support.processes import ManagedProcess, free_port, wait_until


class Redis:
    """A server that keeps nothing on disk."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def __enter__(self) -> Self:
        program = shutil.which("redis-server")
        if program is None:
            raise FileNotFoundError("redis-server is not installed: run `bash .ci/redis`")
        settings = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = ManagedProcess("redis", [program, *settings], log=self._log, cwd=self._log.parent)
        wait_until("Redis to answer", self._answers, seconds=30)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def _answers(self) -> bool:
        self._process.check()
        try:
            with redis.Redis(port=self._port, socket_timeout=5) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False
