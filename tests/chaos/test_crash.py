# SPDX-License-Identifier: Apache-2.0
"""The crash points are where the code is, and fire once, for whom they are armed."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import crash
from tests.support.processes import ROOT, clean_environment

TASK = """
from types import SimpleNamespace
from airflow.sdk.execution_time import task_runner
task_runner.finalize = lambda ti, state: print("finalized", flush=True)
from tests.chaos import crash
crash.install()
crash.install()
ti = SimpleNamespace(run_id="run", task_id="one.generate", map_index={map_index}, try_number=1)
task_runner.finalize(ti, {state!r})
"""


@pytest.mark.parametrize("name", crash.POINTS)
def test_each_point_is_a_function_of_today(name: str) -> None:
    point = crash.POINTS[name]
    for where in filter(None, (point.where, point.within)):
        module, _, path = where.partition(":")
        holder = importlib.import_module(module)
        for part in path.split("."):
            holder = getattr(holder, part)
        assert callable(holder)


def test_it_dies_once_where_and_when_it_is_told(tmp_path: Path) -> None:
    def run(map_index: int, state: str) -> int:
        command = [sys.executable, "-c", TASK.format(map_index=map_index, state=state)]
        env = clean_environment({crash.FOLDER: str(tmp_path), "AIRFLOW_HOME": os.environ["AIRFLOW_HOME"]})
        return subprocess.run(command, cwd=ROOT, env=env, timeout=60).returncode

    crash.arm(tmp_path, "success recorded", "run@one.generate@3")
    assert run(map_index=2, state="success") == 0
    assert run(map_index=3, state="deferred") == 0
    assert run(map_index=3, state="success") == -signal.SIGKILL
    assert crash.fired(tmp_path) == ["success recorded@run@one.generate@3@run@3@1"]
    assert run(map_index=3, state="success") == 0

    crash.arm(tmp_path, "success recorded", "any-1")
    assert run(map_index=7, state="success") == -signal.SIGKILL
    crash.arm(tmp_path, "deferral recorded", "any-2")
    assert crash.disarm(tmp_path) == ["deferral recorded@any-2"]


def test_a_point_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no point"):
        crash.arm(tmp_path, "somewhere", "any-1")
