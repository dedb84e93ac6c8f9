# SPDX-License-Identifier: Apache-2.0
"""How a task gets its generation, paying for it once: its own earlier one, or a new one."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from veo_provider.api.problem import Problem, Reason
from veo_provider.api.resending import pause_before_resend
from veo_provider.api.text import printable
from veo_provider.api.waiting import is_there
from veo_provider.exceptions import (
    VeoConfigurationError,
    VeoError,
    VeoLedgerError,
    VeoLedgerUnavailableError,
    VeoResubmitError,
    VeoTransientError,
    VeoUnknownSubmitError,
)
from veo_provider.ledger.decision import Action, Decision, Try, decide
from veo_provider.ledger.record import Record, SubmitPhase, digest_of
from veo_provider.raising import error_for, unknown_submit

if TYPE_CHECKING:
    import logging

    from veo_provider.api.request import VeoRequest
    from veo_provider.api.waiting import Seen
    from veo_provider.hooks.veo import VeoHook
    from veo_provider.operators.bookkeeping import Book


MAX_SAID = 3000
"""Characters of an unknown submit's words that are kept: the ids that it names come first."""


@dataclass(frozen=True)
class Obtained:
    """
    The generation that a task has now.

    :param generation_id: its id.
    :param sent_at: epoch seconds of its submit, if it was this task's.
    :param is_new: this try has paid for it.
    :param handed_back: the task had succeeded with it before.
    :param changed: this try would ask for something else than what it was made of.
    :param model: by which model it was made, if that is known.
    :param seen: what the gateway said of it just now, if it was asked.
    """

    generation_id: str
    sent_at: float | None
    is_new: bool = False
    handed_back: bool = False
    changed: bool = False
    model: str = ""
    seen: Seen | None = None


class Submitter:
    """
    Submits a request, unless an earlier try has.

    :param hook: sends it.
    :param book: remembers it.
    :param current: this try; the digest is filled in here, once there is a request.
    :param give_up_at: epoch seconds after which a refused request isn't sent again.
    :param log: the task's logger.
    """

    def __init__(self, hook: VeoHook, book: Book, current: Try, give_up_at: float, log: logging.Logger | Any) -> None:
        self._hook = hook
        self._book = book
        self._current = current
        self._give_up_at = give_up_at
        self._log = log
        self.sending = False
        """Whether a request is on its way just now."""
        self.buys = False
        """Whether this try wants to submit, and hasn't yet: what an earlier one has made isn't its own then."""
        self.generation_id: str | None = None
        """The generation that is, or may be, the task's."""

    def obtain(self, make_request: Callable[[], VeoRequest], check: Callable[[VeoRequest], None]) -> Obtained:
        """
        Return the task's generation.

        :param make_request: makes the request; it may fail as long as nothing has to be sent.
        :param check: refuses a request that is too dear, just before it would be sent.
        :raises VeoError: there is none, and nothing more was paid for; or nobody knows.
        """
        record = self._book.read()
        request: VeoRequest | None = None
        problem: Exception | None = None
        try:
            request = make_request()
            connection = self._hook.connection
            digest = digest_of(request.wire(connection.last_frame_field), connection.base_url)
            self._current = replace(self._current, digest=digest)
        except Exception as error:  # noqa: BLE001 - a function of the author's may make the request
            problem = error
        decision, seen = decide(record, self._current), None
        if record is not None and decision.action is Action.ASK:
            self.generation_id = record.generation_id
            seen = self._hook.poll(str(record.generation_id))
            decision = decide(record, self._current, seen)
        if record is not None:
            say = self._log.warning if decision.warns else self._log.info
            say("This try has to %s: %s", decision.action, decision.why)
            if decision.action is not Action.SUBMIT:
                if problem is not None:
                    said = printable(f"{type(problem).__name__}: {problem}")
                    self._log.warning("No request was made this time (%s)", said)
                return self._earlier(record, decision, seen)
        self.generation_id, self.buys = None, True
        if request is None:
            raise problem or AssertionError
        # Whoever clears a task wants another video than the one that there is.
        bought_nothing = record is None or (record.phase is SubmitPhase.REFUSED and not record.earlier)
        reused = self._reused(request) if bought_nothing else None
        if reused is not None:
            return reused
        check(request)
        return self._submit(record, request)

    def adopt(self, generation_id: str) -> Obtained:
        """
        Take a generation up that was submitted elsewhere.

        It is recorded, so that what comes later finds it; but only if the gateway has it, and it hasn't failed: neither
        a mistyped id nor a dead one must take the place of a submit that may have been billed.

        :param generation_id: its id.
        """
        self.generation_id = generation_id
        seen = self._hook.poll(generation_id)
        if is_there(seen) or self._book.known_id() == generation_id:
            return self._adopt(generation_id, "", seen)
        if isinstance(seen, Problem):
            self._log.warning("Generation %s can't be recorded now: %s", generation_id, seen.message)
        return Obtained(generation_id, None, seen=seen)

    def _adopt(self, generation_id: str, model: str, seen: Seen) -> Obtained:
        self.generation_id, self.buys = generation_id, False
        connection = self._hook.connection
        self._book.adopt(
            generation_id,
            base_url=connection.base_url,
            conn_id=connection.conn_id,
            digest=self._current.digest or "",
            model=model,
        )
        return Obtained(generation_id, None, seen=seen)

    def _earlier(self, record: Record, decision: Decision, seen: Seen | None) -> Obtained:
        action = decision.action
        if action is Action.REFUSE_UNKNOWN:
            said = record.message or "The try that sent it ended before the answer came"
            lost = Problem(Reason.NETWORK, said, accepted=record.accepted, request_id=record.request_id)
            raise unknown_submit(lost, record.model, record.base_url, record.sent_at)
        if action is Action.STAND_BACK:
            raise VeoLedgerUnavailableError(
                f"{record.where} says that {decision.why}, so nothing was sent from here. The next try sees what "
                "became of it"
            )
        if action is Action.REFUSE_FOREIGN:
            raise VeoLedgerError(
                f"{record.where} has a record of this DAG, run and task, but {decision.why}: nothing was sent. It may "
                "belong to a deleted run of the same name, or to another Airflow whose [veo] deployment is the "
                "same. Delete it if so",
                generation_id=record.generation_id,
            )
        if action is Action.REFUSE_ELSEWHERE:
            how = "clear the task" if not self._current.keeps else "set on_clear='regenerate' and clear the task"
            raise VeoConfigurationError(
                f"This task's generation can't be asked for: {decision.why}. Nothing was sent. Let the connection "
                f"lead there again; or {how} to submit to the new address",
                generation_id=record.generation_id,
            )
        if self._current.max_tries > record.max_tries:
            self._book.answer(record, self._current.max_tries)
        self.generation_id = record.generation_id
        return Obtained(
            str(record.generation_id),
            record.sent_at,
            handed_back=action is Action.HAND_BACK,
            changed=self._current.digest not in (None, record.digest),
            model=record.model,
            seen=seen,
        )

    def _reused(self, request: VeoRequest) -> Obtained | None:
        found = self._book.find_equal(self._current.digest or "")
        if found is None:
            return None
        seen = self._hook.poll(found)
        if not isinstance(seen, Problem) and seen.problem is None and not is_there(seen):
            seen = Problem(Reason.SERVER, "The gateway says nothing of it just now", transient=True)
        if isinstance(seen, Problem) and seen.reason not in (
            Reason.NOT_FOUND,
            Reason.RESULT_GONE,
            Reason.CONTENT_POLICY,
        ):
            # It isn't this task's generation: the error names it in its text alone.
            said = f"{seen.message.rstrip('.')}. reuse=True doesn't buy again what generation {found} may hold"
            raise error_for(replace(seen, message=f"{said}: nothing was sent. To buy all the same: reuse=False"))
        if isinstance(seen, Problem) or not seen.videos:
            return None
        self._log.info("The same request has made generation %s, which is still there: it is reused", found)
        return self._adopt(found, request.model, seen)

    def _submit(self, record: Record | None, request: VeoRequest) -> Obtained:
        sends = 0
        while True:
            intent = self._intent(record, request.model)
            self._book.claim(intent, record)
            sends += 1
            try:
                self.sending = True
                self.generation_id = generation_id = self._hook.submit(request)
            except VeoUnknownSubmitError as error:
                self._book.note(
                    replace(intent, accepted=error.accepted, message=error.said[:MAX_SAID], request_id=error.request_id)
                )
                if self._current.resubmits:
                    raise VeoResubmitError.instead_of(error) from error
                raise
            except VeoError as error:
                self.sending = False
                record = replace(intent, phase=SubmitPhase.REFUSED)
                self._book.note(record)
                self._wait_or_raise(error, sends)
                continue
            except BaseException:
                # Airflow's execution_timeout, while the connection was being made.
                if not self._hook.request_began:
                    self._book.note(replace(intent, phase=SubmitPhase.REFUSED))
                raise
            self.sending = self.buys = False
            try:
                # Before anything that can fail: from here on the log knows the id.
                self._log.info("Submitted generation %s to %s", generation_id, intent.base_url)
            finally:
                self._book.keep(replace(intent, phase=SubmitPhase.SUBMITTED, generation_id=generation_id))
            return Obtained(generation_id, intent.sent_at, is_new=True)

    def _wait_or_raise(self, error: VeoError, sends: int) -> None:
        pause = pause_before_resend(error.reason, error.retry_after, sends, random.random())  # noqa: S311
        if pause is None or not isinstance(error, VeoTransientError) or time.time() + pause > self._give_up_at:
            raise error
        self._log.warning("The gateway did not accept the request; it is sent again in %.0f s: %s", pause, error)
        time.sleep(pause)

    def _intent(self, record: Record | None, model: str) -> Record:
        connection = self._hook.connection
        return Record(
            phase=SubmitPhase.SUBMITTING,
            nonce=uuid.uuid4().hex,
            try_number=self._current.try_number,
            max_tries=self._current.max_tries,
            digest=self._current.digest or "",
            sent_at=time.time(),
            model=model,
            base_url=connection.base_url,
            conn_id=connection.conn_id,
            earlier=record.followed() if record else (),
            number=record.number + 1 if record else 1,
        )
