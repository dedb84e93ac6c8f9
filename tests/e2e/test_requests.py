# SPDX-License-Identifier: Apache-2.0
"""Requests that are made in Python reach the gateway as they were made, in a whole Airflow."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.support.airflow_stack import AirflowStack
from tests.support.gateway import billed
from veo_provider.simulator import Simulator

DAG_ID = "e2e_requests"
LIMIT = 240


@pytest.fixture(scope="module")
def bought(stack: AirflowStack, stack_simulator: Simulator) -> dict[str, dict[str, Any]]:
    """What was asked for, by the first two words of its prompt."""
    mark = str(uuid.uuid4())
    stack.api.unpause(DAG_ID)
    run = stack.api.trigger(DAG_ID, {"mark": mark})
    stack.api.wait_for([run], seconds=LIMIT)
    assert run.state == "success", stack.api.why(run)
    assert stack.api.our_errors(run) == []
    requests = [submit["request"] for submit in billed(stack_simulator.ledger(), mark)]
    assert len(requests) == 6
    return {" ".join(request["prompt"].split()[:2]): request for request in requests}


def test_what_a_function_returns_is_no_template(bought: dict[str, dict[str, Any]]) -> None:
    made = bought["A first"]
    assert made["prompt"].endswith(" {{ ds }}")
    assert (made["model"], made["durationSeconds"], made["aspectRatio"]) == ("veo-3.0-fast-generate-001", 4, "9:16")


def test_a_function_is_mapped(bought: dict[str, dict[str, Any]]) -> None:
    assert bought["A second"]["durationSeconds"] == 4


def test_requests_come_out_of_an_xcom(bought: dict[str, dict[str, Any]]) -> None:
    for name in ("A third", "A fourth"):
        assert bought[name]["prompt"].endswith(" {{ ds }}")
        assert bought[name]["durationSeconds"] == 4


def test_requests_in_the_file_are_templates(bought: dict[str, dict[str, Any]]) -> None:
    fifth, sixth = bought["A fifth"], bought["A sixth"]
    assert (fifth["seed"], fifth["durationSeconds"], fifth["generateAudio"]) == (5, 6, False)
    assert (sixth["durationSeconds"], sixth["generateAudio"]) == (4, False)
