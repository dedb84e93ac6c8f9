# SPDX-License-Identifier: Apache-2.0
"""Wait for a generation that someone else submitted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    XComArg,
)

from veo_provider.exceptions import VeoConnectionNotFoundError, VeoContentPolicyError, VeoError, VeoValidationError
from veo_provider.operators.checks import check_choices, check_flags, check_generation_id, check_waiting
from veo_provider.operators.links import VeoConsoleLink, VeoVideosLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from veo_provider.api.waiting import Outcome
    from veo_provider.hooks.veo import VeoHook
    from veo_provider.operators.story import Story


# What only a running task needs is imported where it is needed: parsing a DAG must stay cheap.


class VeoGenerationSensor(BaseSensorOperator):
    """
    Wait until a generation that was submitted elsewhere has ended.

    It succeeds when there is at least one video, and fails at once when there never will be one: without a retry,
    except where the generation failed for a reason that may pass, so that a task around both may start over. It
    returns the generation id and pushes the XCom ``veo_generation`` with the facts.

    :param generation_id: the gateway's id (templated).
    :param veo_conn_id: the connection, of type ``veo`` (templated).
    :param deferrable: wait on the triggerer. ``False`` waits on the worker, or, with ``mode="reschedule"``, gives
        the worker back between two polls; then an id that isn't known, and a link that lags, are waited for
        until ``timeout``.
    :param on_filtered: what a refusal by a safety filter does: ``"fail"`` or ``"skip"``.
    :param poke_interval: seconds between two polls. Airflow's ``exponential_backoff`` and ``max_wait`` count only
        with ``deferrable=False`` and ``mode="reschedule"``; elsewhere failing polls back off by themselves.
    :param timeout: seconds after which the sensor gives up with ``AirflowSensorTimeout``, which Airflow doesn't
        retry. The generation goes on.
    """

    template_fields: Sequence[str] = ("generation_id", "veo_conn_id")
    operator_extra_links = (VeoConsoleLink(), VeoVideosLink())
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
        problems = check_waiting(poke_interval=self.poke_interval, timeout=self.timeout)
        problems += check_choices(on_filtered=(on_filtered, "fail", "skip")) + check_flags(deferrable=deferrable)
        if problems:
            raise VeoValidationError("; ".join(problems))
        # Rendering leaves text in the place of another task's output.
        self.generation_id: str = generation_id  # type: ignore[assignment]
        self.veo_conn_id = veo_conn_id
        self.deferrable = deferrable
        self.on_filtered = on_filtered
        self._last_problem = ""

    @cached_property
    def hook(self) -> VeoHook:
        """The hook, made when the task runs: parsing a DAG must stay cheap."""
        from veo_provider.hooks.veo import VeoHook

        return VeoHook(self.veo_conn_id)

    def execute(self, context: Context) -> Any:
        """Wait on the triggerer or on this worker, with one ending; ``mode="reschedule"`` asks once a try."""
        from veo_provider.api.waiting import FIRST_POLL_DELAY, WaitPlan, judge
        from veo_provider.operators.waiting import defer_for, too_late

        try:
            self.generation_id = self._checked_id()
            if not self.deferrable and self.reschedule:
                return self._reschedule(context)
            story = self._story(context)
            seen = self.hook.poll(self.generation_id)
            outcome = judge(self.generation_id, seen)
            if outcome is None:
                story.waits(seen)
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
                    defer_for(self, self.hook, plan)
                outcome = self.hook.wait(plan)
            return self._end(story, outcome)
        except AirflowTaskTimeout as error:
            self._raise(too_late(self.generation_id), error)
        except (VeoError, AirflowSensorTimeout) as error:
            self._raise(error, error)
        finally:
            self.hook.close()

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Come back from the triggerer, also where Airflow has ended the waiting."""
        from veo_provider.compat import TRIGGER_FAILED
        from veo_provider.operators.waiting import event_instead, too_late

        if next_method == TRIGGER_FAILED:
            try:
                with closing(self.hook):
                    event = event_instead(self.hook, self._checked_id(), next_kwargs)
            except AirflowTaskTimeout as error:
                self._raise(too_late(str(self.generation_id)), error)
            except VeoError as error:
                self._raise(error, error)
            next_method, next_kwargs = "execute_complete", {"event": event}
        return super().resume_execution(next_method, next_kwargs, context)

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Ask once; a problem that may pass, or an id that isn't known yet, is not an error."""
        from veo_provider.api.problem import Problem
        from veo_provider.api.waiting import judge

        self._last_problem = ""
        try:
            story = self._story(context)
        except VeoConnectionNotFoundError as error:
            self.log.warning("Generation %s can't be asked for now, waiting on: %s", self.generation_id, error)
            self._last_problem = str(error)
            return False
        seen = self.hook.poll(self.generation_id)
        outcome = judge(self.generation_id, seen)
        if outcome is not None:
            # Raised from here a failure would count as a failed poke, of which silent_fail has no end.
            return PokeReturnValue(is_done=True, xcom_value=outcome)
        if isinstance(seen, Problem):
            self.log.warning("Asking for generation %s failed, waiting on: %s", self.generation_id, seen.message)
            self._last_problem = seen.message
        else:
            self.log.info("Generation %s is %s", self.generation_id, seen.status or "waiting")
        story.waits(seen)
        return False

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """Turn the trigger's event into the sensor's result."""
        from veo_provider.operators.story import Story
        from veo_provider.operators.waiting import too_late

        story = Story.resumed(context, self.log)
        try:
            return self._end(story, story.read(event))
        except AirflowTaskTimeout as error:
            self._raise(too_late(str(self.generation_id)), error)
        except (VeoError, AirflowSensorTimeout) as error:
            self._raise(error, error)

    def _checked_id(self) -> str:
        if problems := check_generation_id(self.generation_id):
            raise VeoValidationError("; ".join(problems))
        return str(self.generation_id).strip()

    def _reschedule(self, context: Context) -> str:
        try:
            outcome: Outcome = super().execute(context)
        except (AirflowSensorTimeout, AirflowSkipException) as error:
            # soft_fail makes skips of timeouts, and of what a poke raises.
            problem = str(error.__cause__) if isinstance(error.__cause__, VeoError) else self._last_problem
            last = f"couldn't be asked for at last: {problem}" if problem else "goes on"
            raise type(error)(f"{error} Generation {self.generation_id} {last}") from error
        return self._end(self._story(context), outcome)

    def _raise(self, error: Exception, cause: BaseException) -> NoReturn:
        if isinstance(error, VeoError) and not isinstance(error, VeoValidationError):
            # The connection may be wrong; the generation is there all the same.
            error.about(str(self.generation_id))
        # As in Airflow's own sensors, soft_fail skips what has failed, not what a retry may mend.
        soft = self.soft_fail and not isinstance(error, VeoConnectionNotFoundError)
        if soft or self.never_fail:
            raise AirflowSkipException(str(error)) from cause
        if error is cause:
            raise error
        raise error from cause

    def _story(self, context: Context) -> Story:
        from veo_provider.operators.story import Story

        story = Story(context, self.log)
        story.asked(self.hook.connection, None)
        story.facts["generation_id"] = self.generation_id
        return story

    def _end(self, story: Story, outcome: Outcome) -> str:
        from veo_provider.api.problem import Reason
        from veo_provider.raising import error_for

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
