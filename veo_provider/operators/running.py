# SPDX-License-Identifier: Apache-2.0
"""One run of a generate task, from its arguments to its end: on the first worker, and on the one after the deferral."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException, AirflowTaskTimeout

from veo_provider.api.problem import Problem, Reason
from veo_provider.api.request import RequestError, VeoRequest, parse_request
from veo_provider.api.text import printable
from veo_provider.api.waiting import DEFAULT_INTERVAL, FIRST_POLL_DELAY, Outcome, WaitPlan, judge
from veo_provider.compat import TRIGGER_FAILED
from veo_provider.exceptions import VeoConfigurationError, VeoContentPolicyError, VeoError, VeoValidationError
from veo_provider.ledger.decision import Try
from veo_provider.ledger.stores import dead_after
from veo_provider.operators.bookkeeping import Book
from veo_provider.operators.checks import check_generation_id
from veo_provider.operators.frames import read_frames
from veo_provider.operators.story import Story
from veo_provider.operators.submitting import Obtained, Submitter
from veo_provider.operators.waiting import defer_for, event_instead, too_late
from veo_provider.raising import error_for

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from veo_provider.operators.veo import VeoGenerateOperator


class Run:
    """
    What a generate task does in one process.

    :param task: the operator, with its arguments rendered.
    :param context: the task's context.
    """

    def __init__(self, task: VeoGenerateOperator, context: Context) -> None:
        self._task = task
        self._context = context
        self._log = task.log
        self._book = Book(context, task.log, reuse=task.reuse)
        self._submitter: Submitter | None = None
        self._model: str | None = None

    def execute(self) -> str:
        """Get a generation and wait for it, as the arguments say."""
        task, story = self._task, Story(self._context, self._log)
        try:
            got = self._obtain(story)
            if got.changed:
                self._model = got.model or None
                story.asked_before(got.model)
            story.begin(got.generation_id, got.sent_at, is_new=got.is_new)
            if not task.wait_for_completion:
                self._log.info("Not waiting for generation %s: wait_for_completion=False", got.generation_id)
                return self._succeed(got.generation_id)
            # What is final already ends here: a very short deferral can make Airflow fail the try.
            seen = got.seen or task.hook.poll(got.generation_id)
            outcome = judge(got.generation_id, seen)
            forgotten = isinstance(seen, Problem) or (outcome is not None and outcome.reason is Reason.RESULT_GONE)
            if got.handed_back and forgotten:
                outcome = Outcome(got.generation_id, None, "handed back as an earlier try left it", "done")
            if outcome is None:
                story.waits(seen)
                if task.deferrable:
                    defer_for(task, task.hook, self._plan(got))
            return self._finish(story, outcome or task.hook.wait(self._plan(got)))
        except AirflowTaskTimeout as error:
            if self._generation_id is None:
                raise
            self._fail(story, too_late(self._generation_id), error)
        except VeoError as error:
            self._fail(story, error)
        finally:
            task.hook.close()

    def resumed(self, next_method: str, next_kwargs: dict[str, Any] | None) -> tuple[str, dict[str, Any] | None]:
        """Return what to go on with after the deferral: where Airflow has ended it, with an event of our own."""
        if next_method != TRIGGER_FAILED:
            return next_method, next_kwargs
        story = Story.resumed(self._context, self._log)
        generation_id = self._known_id(story)
        if generation_id is None:
            return next_method, next_kwargs
        try:
            with closing(self._task.hook):
                event = event_instead(self._task.hook, generation_id, next_kwargs)
        except AirflowTaskTimeout as error:
            self._fail(story, too_late(generation_id), error)
        except VeoError as error:
            self._fail(story, error)
        return "execute_complete", {"event": event}

    def complete(self, event: Any) -> str:
        """End as the trigger's event says."""
        story = Story.resumed(self._context, self._log)
        try:
            return self._finish(story, story.read(event))
        except AirflowTaskTimeout as error:
            if (known := self._known_id(story)) is None:
                raise
            self._fail(story, too_late(known), error)
        except VeoError as error:
            self._fail(story, error)

    def say_that_it_goes_on(self) -> None:
        """Say what a kill leaves behind."""
        if self._submitter is not None and self._submitter.sending:
            self._log.warning("A request was just being sent: it may have been accepted and billed; see the console")
        if self._generation_id:
            self._log.warning(
                "Generation %s goes on at the gateway and is billed; a retry or a clear of this task takes it up again",
                self._generation_id,
            )

    @property
    def _generation_id(self) -> str | None:
        return None if self._submitter is None else self._submitter.generation_id

    def _obtain(self, story: Story) -> Obtained:
        """Get the generation: adopt it, take an earlier try's up, or submit it."""
        task, ti = self._task, self._context["ti"]
        adopted = self._adopted()
        story.asked(task.hook.connection, None)
        self._book.open()
        current = Try(
            try_number=ti.try_number,
            max_tries=ti.max_tries,
            digest=None,
            base_url=task.hook.connection.base_url,
            now=time.time(),
            resubmits=task.on_unknown_submit == "resubmit",
            keeps=task.on_clear == "keep",
            dead_after=self._dead_after(),
            run_started_at=self._book.run_started_at,
        )
        self._submitter = Submitter(task.hook, self._book, current, time.time() + task.timeout, self._log)
        if adopted:
            return self._submitter.adopt(adopted)

        def make_request() -> VeoRequest:
            request = self._request()
            story.asked(task.hook.connection, request)
            return request

        return self._submitter.obtain(make_request, self._check_cost)

    def _adopted(self) -> str:
        given = self._task.generation_id
        if isinstance(given, str) and not given.strip():
            return ""
        # A look-up that found nothing must not end in a purchase.
        if problems := check_generation_id(given):
            raise VeoValidationError(
                f"{'; '.join(problems)}. Nothing was sent. To submit a new generation leave generation_id out, or let "
                "it be an empty text"
            )
        return str(given).strip()

    def _request(self) -> VeoRequest:
        values = self._task.request_values(self._context)
        try:
            request = read_frames(parse_request(values))
        except RequestError as error:
            raise VeoValidationError(str(error)) from None
        self._model = request.model
        for warning in request.warnings:
            self._log.warning("%s", warning)
        return request

    def _check_cost(self, request: VeoRequest) -> None:
        """Say what a request costs; refuse what is dearer than ``max_cost``, or has no price then."""
        limit = self._task.max_cost
        cost = self._task.hook.connection.prices.estimate(request)
        self._log.info("Estimated cost: %s", "unknown" if cost is None else f"{cost:g} US dollars")
        if limit is None:
            return
        if cost is None:
            raise VeoValidationError(
                f"max_cost={limit:g}: the price of {request.model} at {request.resolution} is unknown, so "
                "nothing was sent. Name its price in the connection's extra prices, or leave max_cost out"
            )
        if cost > limit:
            raise VeoValidationError(
                f"max_cost={limit:g}: the request costs an estimated {cost:g} US dollars "
                f"({request.sample_count} x {request.duration_seconds} s), so nothing was "
                "sent. Ask for less, or raise max_cost"
            )

    def _dead_after(self) -> float:
        try:
            return dead_after()
        except ValueError as error:
            raise VeoConfigurationError(f"{error}. Nothing was sent") from None

    def _plan(self, got: Obtained) -> WaitPlan:
        task, now = self._task, time.time()
        return WaitPlan(
            generation_id=got.generation_id,
            deadline=now + task.timeout,
            poll_interval=task.poll_interval or DEFAULT_INTERVAL,
            first_poll_at=now + FIRST_POLL_DELAY,
            submitted_at=got.sent_at,
            model=self._model if task.poll_interval is None else None,
        )

    def _finish(self, story: Story, outcome: Outcome) -> str:
        story.end(outcome)
        if outcome.is_there and self._named_id() == outcome.generation_id:
            # Where the first poll failed it isn't recorded yet.
            self._record_named(story, outcome.generation_id)
        problem = outcome.problem
        if problem is not None:
            raise error_for(problem, outcome.generation_id)
        story.push()
        return self._succeed(outcome.generation_id)

    def _record_named(self, story: Story, generation_id: str) -> None:
        facts = story.facts
        try:
            if "base_url" not in facts:
                # The XCom is lost.
                story.asked(self._task.hook.connection, None)
        except Exception as error:  # noqa: BLE001 - bookkeeping never fails a paid task
            self._log.warning("Generation %s couldn't be recorded: %s", generation_id, printable(str(error)))
        else:
            self._book.adopt(generation_id, base_url=str(facts["base_url"]), conn_id=str(facts["veo_conn_id"]))

    def _succeed(self, generation_id: str) -> str:
        self._book.done(generation_id)
        return generation_id

    def _named_id(self) -> str | None:
        """Return the id that was handed over, if it is one."""
        given = self._task.generation_id
        return None if check_generation_id(given) else str(given).strip()

    def _known_id(self, story: Story) -> str | None:
        known: str | None = story.facts.get("generation_id")
        return known or self._named_id() or self._book.known_id()

    def _fail(self, story: Story, error: VeoError, cause: BaseException | None = None) -> NoReturn:
        if error.generation_id is None and (known := self._known_id(story)):
            # The connection may be wrong by now; the generation that a try before this one bought is still there.
            error = error.about(known)
        story.failed(error, buys=self._submitter is not None and self._submitter.buys)
        story.push()
        if isinstance(error, VeoContentPolicyError) and self._task.on_filtered == "skip":
            raise AirflowSkipException(str(error)) from error
        raise error from cause
