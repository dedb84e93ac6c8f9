# SPDX-License-Identifier: Apache-2.0
"""How a task hands its waiting over to the triggerer, and takes it back when Airflow ends it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from veo_provider.api.problem import Problem, Reason
from veo_provider.api.waiting import Outcome, WaitPlan, judge
from veo_provider.compat import TRIGGER_ON_KILL, TRIGGER_TIMEOUTS
from veo_provider.exceptions import VeoDeadlineError
from veo_provider.triggers.event import to_payload
from veo_provider.triggers.veo import VeoGenerationTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

    from veo_provider.hooks.veo import VeoHook

DEFER_MARGIN = 60.0
"""Seconds, and one call, by which Airflow's limit on a deferral comes behind ours: it skips ``execute_complete``."""


def defer_for(operator: BaseOperator, hook: VeoHook, plan: WaitPlan) -> NoReturn:
    """Hand the waiting over to the triggerer."""
    connection = hook.connection
    if not TRIGGER_ON_KILL:
        operator.log.info(
            "Should this task be ended while it waits, this Airflow (before 3.3) tells nobody: generation %s goes on "
            "at the gateway, and is billed",
            plan.generation_id,
        )
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
    seen = hook.poll(generation_id)
    outcome = judge(generation_id, seen) or Outcome(
        generation_id,
        Reason.DEADLINE if error in TRIGGER_TIMEOUTS else Reason.INTERNAL,
        f"Airflow ended the waiting: {error}. Is a triggerer running, with this provider installed? The generation, "
        "and its bill, go on at the gateway: a retry or a clear of the task takes it up again",
        status="" if isinstance(seen, Problem) else seen.status,
    )
    return to_payload(outcome)
