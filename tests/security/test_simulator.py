# SPDX-License-Identifier: Apache-2.0
"""The simulator, whose key is known to everybody, can't be reached from another machine."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.processes import ROOT
from veo_provider.simulator import Simulator, SimulatorOptions

LISTENING = "0A"
LOOPBACK = "0100007F"


def _listeners(port: int) -> set[str]:
    """The addresses of this machine on which anybody listens at a port, as the kernel writes them."""
    rows = [
        row.split()[1:4:2]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for row in Path(table).read_text().splitlines()[1:]
    ]
    return {place.split(":")[0] for place, state in rows if state == LISTENING and place.endswith(f":{port:04X}")}


def test_it_listens_on_the_loopback_address_alone(running_gateway: Simulator) -> None:
    for url in (running_gateway.url, running_gateway.result_url):
        port = urlsplit(url).port
        assert port is not None
        assert _listeners(port) == {LOOPBACK}
        for address in {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None)}:
            if not str(address).startswith("127."):
                with pytest.raises(OSError, match=r"refused|unreachable|assign"):
                    socket.create_connection((str(address), port), 2)


@pytest.mark.parametrize("option", ["--host=0.0.0.0", "--bind=0.0.0.0"])
def test_no_option_changes_that(option: str) -> None:
    command = [sys.executable, "-m", "veo_provider.simulator", "--port=0", option]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 2
    assert option.partition("=")[0] in done.stderr
    assert not {"host", "bind", "address"} & {field.name for field in dataclasses.fields(SimulatorOptions)}
