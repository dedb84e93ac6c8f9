# SPDX-License-Identifier: Apache-2.0
"""`make demo`: the quickstart DAG on a real Airflow, against the simulator, into a local folder."""

from __future__ import annotations

import fcntl
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.airflow_api import Run
from tests.support.airflow_stack import AirflowStack
from tests.support.gateway import veo_connection
from tests.support.media import probe
from tests.support.processes import ROOT, ManagedProcess, clean_environment, wait_until

DEMO = ROOT / ".demo"
DAG_ID = "veo_quickstart"
JOB_SECONDS = 15
RUN_LIMIT_SECONDS = 300
SHOWN = {
    "running": "",
    "deferred": " (the triggerer polls the gateway, no worker slot is held)",
    "up_for_retry": "",
    "success": "",
    "failed": "",
    "upstream_failed": "",
}


class DemoFailedError(Exception):
    """Something went wrong that a person has to look at."""


class Progress:
    """One line per event, with the time since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last: dict[str, str] = {}

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._start:6.1f} s] {text}", flush=True)

    def look(self, run: Run) -> None:
        for task in run.tasks:
            state = task["state"]
            if state in SHOWN and self._last.get(task["task_id"]) != state:
                self._last[task["task_id"]] = state
                self.say(f"{task['task_id']}: {state}{SHOWN[state]}")


@contextmanager
def only_one() -> Iterator[None]:
    DEMO.mkdir(exist_ok=True)
    with (DEMO / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoFailedError("another `make demo` is running in this folder") from None
        yield


def start_simulator(stack: ExitStack) -> str:
    command = [sys.executable, "-m", "veo_provider.simulator", "--port", "0"]
    command += ["--job-seconds", str(JOB_SECONDS), "--cache-dir", str(DEMO / "clips")]
    log = DEMO / "simulator.log"
    log.unlink(missing_ok=True)
    process = stack.enter_context(ManagedProcess("simulator", command, log=log, env=clean_environment()))

    def ready() -> str | None:
        process.check()
        lines = (line.split() for line in log.read_text().splitlines())
        return next((words[2] for words in lines if words[:2] == ["simulator", "ready"]), None)

    return wait_until("the simulator", ready, seconds=60)


def describe(uri: str) -> str:
    video = probe(Path(urlsplit(uri).path).read_bytes())
    return f"stored {uri} {video.width}x{video.height} {video.seconds:g}s {video.size} bytes"


def demo() -> str:
    progress = Progress()
    home = DEMO / "airflow"
    shutil.rmtree(home, ignore_errors=True)
    with ExitStack() as stack:
        simulator_url = start_simulator(stack)
        progress.say(f"simulated gateway: {simulator_url}, a generation takes {JOB_SECONDS} s and costs nothing")
        progress.say("starting Airflow: API server, scheduler, triggerer, DAG processor (half a minute)")
        env = {
            "AIRFLOW_CONN_VEO_DEFAULT": veo_connection(simulator_url),
            "AIRFLOW_VAR_VEO_OUTPUT": f"file://{DEMO / 'videos'}",
        }
        airflow = stack.enter_context(AirflowStack(home, env=env))
        progress.say(f"Airflow is up: {airflow.url}")
        airflow.api.unpause(DAG_ID)
        run = airflow.api.trigger(DAG_ID)
        progress.say(f"{DAG_ID}: triggered over the REST API")
        airflow.api.wait_for([run], seconds=RUN_LIMIT_SECONDS, on_look=progress.look)
        if run.state != "success":
            raise DemoFailedError(airflow.api.why(run))
        line = describe(airflow.api.xcom(run, "store", "veo_videos")[0]["uri"])
        progress.say("stopping")
    return line


def main() -> int:
    try:
        with only_one():
            print(demo())
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001 - the last line of defence of a command for people
        print(f"demo failed: {error}", file=sys.stderr)
        for logs in (DEMO / "simulator.log", DEMO / "airflow" / "processes", DEMO / "airflow" / "logs"):
            if logs.exists():
                print(f"  see {logs}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
