# SPDX-License-Identifier: Apache-2.0
"""Background processes that never outlive the test run, and waiting for things with a limit."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self, TypeVar

import psutil

from tests.support.leash import members

LEASH = Path(__file__).with_name("leash.py")
ROOT = Path(__file__).resolve().parents[2]

T = TypeVar("T")

# Ports given out already: their users may not listen yet.
_given: set[int] = set()


class NotInTime(AssertionError):
    """Something that had to happen did not, within a generous limit."""


def free_port(*, twin: int = 0) -> int:
    """A port nobody listens on; with ``twin``, the port that much higher is free as well."""
    while True:
        # Below the range from which the kernel hands out client ports, or one of those may take it.
        port = random.randint(12000, 22000)
        wanted = {port, port + twin}
        if wanted.isdisjoint(_given) and all(map(_is_free, wanted)):
            _given.update(wanted)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_until(what: str, check: Callable[[], T | None], *, seconds: float, every: float = 0.25) -> T:
    """The first truthy answer of ``check``; NotInTime says what was waited for."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        if time.monotonic() > deadline:
            raise NotInTime(f"waited {seconds:g} s for {what}")
        time.sleep(every)
    return answer


def program(name: str) -> str:
    """The path of a command installed beside this interpreter."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise FileNotFoundError(f"{name} is not installed in {path.parent}: run `make setup`")
    return str(path)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without what would lead Airflow or boto3 elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "AWS_"))}
    kept |= {"NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}
    # Boto3 looks for credentials on a cloud machine's own address when it finds none.
    kept |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1"}
    return kept | dict(extra or {})


class ManagedProcess:
    """A command in its own session on a leash (see leash.py), its output in a file."""

    _begun: ClassVar[list[ManagedProcess]] = []

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        grace: float = 15,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._leash = subprocess.Popen(
                [sys.executable, str(LEASH), str(grace), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else clean_environment(),
                cwd=cwd,
                # Ctrl-C in a terminal goes to the foreground group: ours, which then stops the rest in order.
                start_new_session=True,
            )
        self._heard = 0
        self._begun.append(self)

    @classmethod
    def last_words(cls) -> list[tuple[str, str]]:
        """Of the process begun last and of each that nobody stopped: its log's name, and the end of what is new."""
        cls._begun = [one for one in cls._begun if not one._stopped or one is cls._begun[-1]]
        said = [(one.log.name, one._news()) for one in cls._begun]
        return [(name, news) for name, news in said if news]

    @property
    def _stopped(self) -> bool:
        return self._leash.stdin is None or self._leash.stdin.closed

    def _news(self, lines: int = 30) -> str:
        try:
            with self.log.open("rb") as log:
                log.seek(self._heard)
                news = log.read()
        except OSError:
            return ""
        self._heard += len(news)
        return _last(news, lines)

    @property
    def running(self) -> bool:
        return self._leash.poll() is None

    def check(self) -> None:
        """Raise if it has ended by itself."""
        code = self._leash.poll()
        if code is not None:
            raise RuntimeError(f"{self.name} ended with code {code}; {self.log}:\n{self.tail()}")

    def tail(self, lines: int = 30) -> str:
        return _last(self.log.read_bytes(), lines)

    def begin_stop(self) -> None:
        """Let go of the leash without waiting, so that several can end side by side."""
        if self._leash.stdin is not None:
            self._leash.stdin.close()

    def stop(self) -> None:
        self.begin_stop()
        self._leash.wait()

    def kill(self) -> None:
        """End it and all that it started at once, without a chance to say goodbye."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for leader in psutil.Process(self._leash.pid).children():
                for pid in {leader.pid, *members(leader.pid)}:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        # The leash ends what was started in between.
        self.wait()

    def wait(self) -> None:
        """Wait until it has ended by itself."""
        self._leash.wait()
        self.begin_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _last(words: bytes, lines: int) -> str:
    return "\n".join(words.decode(errors="replace").splitlines()[-lines:])
