# SPDX-License-Identifier: Apache-2.0
"""Starting and stopping, in a thread and as a command."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.unit.simulator.caller import BODY, Caller
from veo_provider.simulator import Simulator, SimulatorOptions
from veo_provider.simulator.options import parse_command_line

COMMAND = [sys.executable, "-m", "veo_provider.simulator"]
ROOT = Path(__file__).parents[3]


@contextlib.contextmanager
def running(*words: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    process = subprocess.Popen([*COMMAND, "--port", "0", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first, second, url, third, results = process.stdout.readline().split()
        assert (first, second, third) == ("simulator", "ready", "results")
        yield process, url, results
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_command(clip_cache: Path) -> None:
    words = ["--job-seconds", "0", "--cache-dir", str(clip_cache), "--api-key", "sk-one", "--api-key", "sk-two"]
    with running(*words, "--dialect", "openai", "--verbose") as (process, url, results):
        headers = {"Authorization": "Bearer sk-two"}
        answer = requests.post(f"{url}/v1/video/generations", json=BODY, headers=headers, timeout=60)
        assert answer.json()["object"] == "video"
        assert requests.get(results, timeout=60).status_code == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_signal_ends_it_with_a_stalled_connection() -> None:
    with running() as (process, url, _):
        requests.post(f"{url}/__faults", json={"on": "models", "kind": "stall", "seconds": 600}, timeout=60)
        headers = {"Authorization": "Bearer sk-simulator"}
        with pytest.raises(requests.Timeout):
            requests.get(f"{url}/v1/models", headers=headers, timeout=0.2)
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 0)):
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0


def test_port_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "--port", str(port)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: cannot listen on 127.0.0.1 port {port}")
    assert len(done.stderr.splitlines()) == 1


def test_wrong_directive_is_said_in_one_line() -> None:
    words = ["--default-directives", "sim:nonsense"]
    done = subprocess.run([*COMMAND, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown simulator directive 'sim:nonsense'")


def test_it_knows_nothing_of_the_provider_and_of_airflow() -> None:
    code = (
        "import sys, veo_provider.simulator.__main__\n"
        "names = [name for name in sys.modules if name.split('.')[0] in ('airflow', 'av', 'requests')]\n"
        "names += [name for name in sys.modules if name.startswith('veo_provider.')"
        " and not name.startswith('veo_provider.simulator')]\n"
        "print(names)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_only_the_loopback_address_listens() -> None:
    with Simulator() as simulator:
        for url in (simulator.url, simulator.result_url):
            parts = urlsplit(url)
            assert parts.hostname == "127.0.0.1"
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", parts.port or 0), 5)


def test_stop_leaves_no_thread_and_no_socket(clip_cache: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = {*threading.enumerate()}
    files = open_files()
    simulator = Simulator(SimulatorOptions(job_seconds=0, cache_dir=clip_cache))
    with simulator:
        caller = Caller(simulator)
        caller.run()
        simulator.inject({"on": "poll", "kind": "stall", "seconds": 600, "times": None})
        parts = urlsplit(simulator.url)
        address = (parts.hostname or "", parts.port or 0)
        stalled = socket.create_connection(address, 10)
        head = f"GET /v1/video/generations/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {simulator.api_key}"
        stalled.sendall(f"{head}\r\n\r\n".encode())
        while "x" not in simulator.ledger()["generations"]:
            time.sleep(0.01)
        idle = socket.create_connection(address, 10)
        begin = time.monotonic()
    # aiohttp alone would wait a minute for those that stall, twice.
    assert time.monotonic() - begin < 50
    assert {*threading.enumerate()} == before
    for connection in (stalled, idle):
        assert connection.recv(1) == b""
        connection.close()
    caller.session.close()
    assert open_files() <= files
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 5)


def test_start_twice_and_again() -> None:
    simulator = Simulator()
    with simulator, pytest.raises(RuntimeError, match="running already"):
        simulator.start()
    with pytest.raises(RuntimeError, match="not running"):
        simulator.ledger()
    simulator.stop()
    with simulator:
        assert simulator.ledger()["totals"]["submits"] == 0


def test_start_that_fails_says_so_and_leaves_nothing() -> None:
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        simulator = Simulator(SimulatorOptions(port=taken.getsockname()[1]))
        with pytest.raises(OSError, match="in use"):
            simulator.start()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"speed": 0},
        {"job_seconds": -1},
        {"fault_rate": 1.5},
        {"api_keys": ()},
        {"dialect": "klingon"},
        {"results": "post"},
        {"id_style": "x"},
        {"last_frame_field": "x"},
    ],
)
def test_wrong_options(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        SimulatorOptions(**changes)


def test_command_line() -> None:
    assert parse_command_line([]) == SimulatorOptions(port=8085)
    words = (
        "--port 1 --result-port 2 --speed 3 --job-seconds 4 --dialect upper --results inline --cache-dir /x --strict"
    )
    words += " --last-frame-field lastFrame --id-style uuid --link-seconds 5 --no-ranges --model m --fault-rate 0.5"
    words += " --seed 6 --verbose --api-key k --default-directives sim:never"
    assert parse_command_line(words.split()) == SimulatorOptions(
        port=1,
        result_port=2,
        speed=3,
        job_seconds=4,
        dialect="upper",
        results="inline",
        api_keys=("k",),
        cache_dir="/x",
        strict=True,
        last_frame_field="lastFrame",
        id_style="uuid",
        link_seconds=5,
        ranges=False,
        models=("m",),
        default_directives="sim:never",
        fault_rate=0.5,
        seed=6,
        verbose=True,
    )


def test_no_host_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_command_line(["--host", "0.0.0.0"])
    with pytest.raises(SystemExit):
        parse_command_line(["--speed", "0"])
    assert "speed must be" in capsys.readouterr().err
