# SPDX-License-Identifier: Apache-2.0
"""Wait for a generation that someone else submitted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    XComArg,
)

from veo_provider.api.problem import Problem, Reason
from veo_provider.api.waiting import FIRST_POLL_DELAY, Outcome, WaitPlan, judge
from veo_provider.exceptions import VeoContentPolicyError, VeoError, VeoValidationError, error_for
from veo_provider.operators.links import VeoConsoleLink
from veo_provider.operators.story import Story, check_waiting, defer_for

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from veo_provider.hooks.veo import VeoHook


class VeoGenerationSensor(BaseSensorOperator):
    """
    Wait until a generation that was submitted elsewhere has ended.

    It succeeds when there is at least one video, and fails at once, without a retry, when there never will be
    one. It returns the generation id and pushes the XCom ``veo_generation`` with the facts.

    :param generation_id: the gateway's id (templated).
    :param veo_conn_id: the connection, of type ``veo`` (templated).
    :param deferrable: wait on the triggerer. ``False`` waits on the worker, or, with ``mode="reschedule"``, gives
        the worker back between two polls; then an id that isn't known, and a link that lags, are waited for
        until ``timeout``.
    :param on_filtered: what a refusal by a safety filter does: ``"fail"`` or ``"skip"``.
    :param poke_interval: seconds between two polls.
    :param timeout: seconds after which the sensor gives up with ``AirflowSensorTimeout``, which Airflow doesn't
        retry. The generation goes on.
    """

    template_fields: Sequence[str] = ("generation_id", "veo_conn_id")
    operator_extra_links = (VeoConsoleLink(),)
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        generation_id: str | XComArg,
        veo_conn_id: str = "veo_default",
        deferrable: bool = True,
        on_filtered: str = "fail",
        poke_interval: timedelta | float = 5.0,
        timeout: timedelta | float = 1200.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        problems = check_waiting(on_filtered, poke_interval=self.poke_interval, timeout=self.timeout)
        if problems:
            raise VeoValidationError("; ".join(problems))
        # Rendering leaves text in the place of another task's output.
        self.generation_id: str = generation_id  # type: ignore[assignment]
        self.veo_conn_id = veo_conn_id
        self.deferrable = deferrable
        self.on_filtered = on_filtered

    @cached_property
    def hook(self) -> VeoHook:
        """The hook, made when the task runs: parsing a DAG must stay cheap."""
        from veo_provider.hooks.veo import VeoHook

        return VeoHook(self.veo_conn_id)

    def execute(self, context: Context) -> Any:
        """Wait on the triggerer or on this worker, with one ending; ``mode="reschedule"`` asks once a try."""
        self.generation_id = str(self.generation_id or "").strip()
        if self.generation_id in ("", "None"):
            raise VeoValidationError("generation_id: missing; give the id that a submit returned")
        try:
            if not self.deferrable and self.reschedule:
                return super().execute(context)
            story = self._story(context)
            outcome = judge(self.generation_id, self.hook.poll(self.generation_id))
            if outcome is None:
                story.push()
                now = time.time()
                plan = WaitPlan(
                    generation_id=self.generation_id,
                    deadline=now + self.timeout,
                    poll_interval=self.poke_interval,
                    first_poll_at=now + FIRST_POLL_DELAY if self.deferrable else now + self.poke_interval,
                    # Whoever submitted it may have done so a moment ago.
                    submitted_at=now,
                )
                if self.deferrable:
                    defer_for(self, self.veo_conn_id, plan)
                outcome = self.hook.wait(plan)
            return self._end(story, outcome)
        except (VeoError, AirflowSensorTimeout) as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
        finally:
            self.hook.close()

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Ask once; a problem that may pass, or an id that isn't known yet, is not an error."""
        story = self._story(context)
        seen = self.hook.poll(self.generation_id)
        outcome = judge(self.generation_id, seen)
        if outcome is not None:
            return PokeReturnValue(is_done=True, xcom_value=self._end(story, outcome))
        if isinstance(seen, Problem):
            self.log.warning("Asking for generation %s failed, waiting on: %s", self.generation_id, seen.message)
        else:
            self.log.info("Generation %s is %s", self.generation_id, seen.status or "waiting")
        story.push()
        return False

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """Turn the trigger's event into the sensor's result."""
        story = Story.resumed(context, self.log)
        return self._end(story, story.read(event))

    def _story(self, context: Context) -> Story:
        story = Story(context, self.log)
        story.asked(self.hook.connection, None)
        story.facts["generation_id"] = self.generation_id
        return story

    def _end(self, story: Story, outcome: Outcome) -> str:
        story.end(outcome)
        story.push()
        problem = outcome.problem
        if problem is None:
            return outcome.generation_id
        error = error_for(problem, outcome.generation_id)
        if problem.reason is Reason.DEADLINE:
            raise AirflowSensorTimeout(str(error))
        if isinstance(error, VeoContentPolicyError) and self.on_filtered == "skip":
            raise AirflowSkipException(str(error)) from error
        raise error
