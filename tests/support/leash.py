# SPDX-License-Identifier: Apache-2.0
"""Run a command in a session of its own, and end that whole session when stdin closes.

The holder of the other end of stdin may stop it by closing the pipe, or may simply die, by Ctrl-C
or by ``kill -9``: the kernel closes the pipe for it, so nothing is ever left running. A signal to
the process group would not do: Airflow gives each task a group of its own (but not a session).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

import psutil


def members(session: int) -> list[int]:
    """Living processes of a session; a zombie is only waiting for its parent."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def end_session(leader: subprocess.Popen[bytes], grace: float) -> None:
    if leader.poll() is None:
        os.killpg(leader.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        leader.wait(grace)
    while left := members(leader.pid):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        leader.poll()
        time.sleep(0.05)


def main() -> int:
    told_to_stop = False

    def stop(*_: object) -> None:
        nonlocal told_to_stop
        told_to_stop = True

    signal.signal(signal.SIGTERM, stop)
    grace, *command = sys.argv[1:]
    leader = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    while leader.poll() is None and not told_to_stop:
        # Nothing is ever written to the pipe: readable means closed.
        if select.select([sys.stdin], [], [], 0.2)[0]:
            break
    end_session(leader, float(grace))
    code = leader.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
