# SPDX-License-Identifier: Apache-2.0
"""How a task hands its waiting over to the triggerer, and takes it back when Airflow ends it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from veo_provider.api.problem import Reason
from veo_provider.api.waiting import Outcome, WaitPlan, judge
from veo_provider.exceptions import VeoDeadlineError
from veo_provider.triggers.event import to_payload
from veo_provider.triggers.veo import VeoGenerationTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

    from veo_provider.hooks.veo import VeoHook

MAX_SECONDS = 30 * 86_400
"""The longest wait: a number that no date can hold would fail the task after it has paid."""

DEFER_MARGIN = 60.0
"""Seconds, and one call, by which Airflow's limit on a deferral comes behind ours: it skips ``execute_complete``."""

TRIGGER_FAILED = "__fail__"
TRIGGER_TIMEOUT = "Trigger timeout"
"""Airflow's own words for a deferral that it has ended."""


def check_waiting(**seconds: Any) -> list[str]:
    """List what is wrong with the arguments for waiting, by their names."""
    return [
        f"{name}: {value!r} is not a number of seconds above 0 and at most {MAX_SECONDS}"
        for name, value in seconds.items()
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MAX_SECONDS
    ]


def check_choices(**choices: tuple[Any, str, str]) -> list[str]:
    """List which arguments are neither of the two words that they may be: ``name=(given, one, other)``."""
    return [
        f"{name}: {given!r} is neither {one!r} nor {other!r}"
        for name, (given, one, other) in choices.items()
        if given not in (one, other)
    ]


def check_cost_limit(limit: Any) -> list[str]:
    """List what is wrong with ``max_cost``."""
    fine = limit is None or (isinstance(limit, (int, float)) and not isinstance(limit, bool) and limit >= 0)
    return [] if fine else [f"max_cost: {limit!r} is no number of US dollars"]


def defer_for(operator: BaseOperator, hook: VeoHook, plan: WaitPlan) -> NoReturn:
    """Hand the waiting over to the triggerer."""
    connection = hook.connection
    operator.defer(
        trigger=VeoGenerationTrigger(
            generation_id=plan.generation_id,
            veo_conn_id=connection.conn_id,
            deadline=plan.deadline,
            poll_interval=plan.poll_interval,
            first_poll_at=plan.first_poll_at,
            submitted_at=plan.submitted_at,
            model=plan.model,
        ),
        method_name="execute_complete",
        # The last poll may begin just before the deadline.
        timeout=timedelta(seconds=plan.deadline - time.time() + connection.call_timeout + DEFER_MARGIN),
    )


def too_late(generation_id: str) -> VeoDeadlineError:
    """Say that Airflow's ``execution_timeout`` ended the waiting."""
    return VeoDeadlineError(
        f"The task's execution_timeout came while generation {generation_id} was waited for. The generation, and its "
        "bill, go on at the gateway: a retry or a clear of this task takes it up again",
        generation_id=generation_id,
    )


def event_instead(hook: VeoHook, generation_id: str, failure: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Ask once for a generation whose deferral Airflow has ended, and make the event that the trigger owed.

    Airflow would raise an error of its own here, without the generation id, over a video that may be there.

    :param failure: what Airflow says of it.
    """
    error = str((failure or {}).get("error", "unknown"))
    outcome = judge(generation_id, hook.poll(generation_id)) or Outcome(
        generation_id,
        Reason.DEADLINE if error == TRIGGER_TIMEOUT else Reason.INTERNAL,
        f"Airflow ended the waiting: {error}. Is a triggerer running, with this provider installed? The generation, "
        "and its bill, go on at the gateway: a retry or a clear of the task takes it up again",
    )
    return to_payload(outcome)
