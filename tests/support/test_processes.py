# SPDX-License-Identifier: Apache-2.0
"""Nothing that the tests or the demo start may outlive them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.support.processes import ROOT, ManagedProcess, wait_until

# Like Airflow's task runner: a child in a process group of its own, which a signal to the group misses.
FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""
HOLDER = """
import sys, time
from pathlib import Path
from tests.support.processes import ManagedProcess
process = ManagedProcess("family", sys.argv[2:], log=Path(sys.argv[1]), grace=0.2)
time.sleep(600)
"""


def family(told: Path) -> list[int]:
    wait_until("the family to start", told.exists, seconds=30)
    return [int(pid) for pid in told.read_text().split()]


def alive(pid: int) -> bool:
    try:
        # An orphan's remains may wait for the machine's init a while.
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def gone(pids: list[int]) -> bool:
    return not any(map(alive, pids))


def test_stop_ends_those_who_ignore_it_and_those_in_other_groups(tmp_path: Path) -> None:
    told = tmp_path / "pids"
    process = ManagedProcess("family", [sys.executable, "-c", FAMILY, str(told)], log=tmp_path / "log", grace=0.2)
    pids = family(told)
    assert len({os.getpgid(pid) for pid in pids}) == 2
    process.stop()
    assert gone(pids)


def test_nothing_is_left_when_the_holder_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pids"
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "log"), sys.executable, "-c", FAMILY, str(told)]
    with subprocess.Popen(command, cwd=ROOT) as holder:
        pids = family(told)
        holder.send_signal(signal.SIGKILL)
    wait_until("the family to end", lambda: gone(pids), seconds=30)


def test_a_failure_shows_what_is_new_from_each_process_that_nobody_stopped(tmp_path: Path) -> None:
    talk = [sys.executable, "-c", "import time; print('spoken', flush=True); time.sleep(600)"]
    die = [sys.executable, "-c", "print('broken')"]
    stopped, dead, quiet, begun_last = (tmp_path / f"{name}.log" for name in ("stopped", "dead", "quiet", "last"))
    ManagedProcess.last_words()
    with ManagedProcess("stopped", talk, log=stopped):
        pass
    with ManagedProcess("dead", die, log=dead) as died, ManagedProcess("quiet", talk, log=quiet):
        wait_until("it to die", lambda: not died.running, seconds=30)
        ManagedProcess("last", die, log=begun_last).wait()
        wait_until("it to speak", quiet.read_text, seconds=30)
        words = [("dead.log", "broken"), ("quiet.log", "spoken"), ("last.log", "broken")]
        assert ManagedProcess.last_words() == words
        assert ManagedProcess.last_words() == []
        with quiet.open("a") as log:
            log.write("more\n")
        assert ManagedProcess.last_words() == [("quiet.log", "more")]
        quiet.unlink()
        assert ManagedProcess.last_words() == []
