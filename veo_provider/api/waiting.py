# SPDX-License-Identifier: Apache-2.0
"""Wait, done or give up: one decision, which a worker and a triggerer drive alike."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

from veo_provider.api.failures import missing_samples
from veo_provider.api.generation import FAILED, Generation, Phase
from veo_provider.api.pace import Pace
from veo_provider.api.problem import Problem, Reason

DEFAULT_INTERVAL = 5.0
FIRST_POLL_DELAY = 10.0
"""Seconds from a submit to its first poll: no generation is faster (contract, section 6)."""

NOT_FOUND_GRACE = 60.0
"""Seconds after a submit during which a gateway may not know the id yet."""

LATE_URL_POLLS = 5
"""Polls that a succeeded generation without a link is given: the upload may lag."""

MAX_PAUSE = 60.0
MAX_RETRY_AFTER = 300.0
"""Seconds that a ``Retry-After`` is followed at most: one hour, said once, would be the whole wait."""

EARLY_PAUSE = 30.0
"""Seconds between two polls before a model's usual time: a generation may fail, or be refused, sooner."""

MIN_PAUSE = 0.05
LATE_START_SPREAD = 5.0
MAX_HISTORY = 12

# After these there is no such generation, or there will never be a video of it.
_OVER = (Reason.NOT_FOUND, Reason.RESULT_GONE, Reason.NO_VIDEO, Reason.CONTENT_POLICY)


@dataclass(frozen=True)
class WaitPlan:
    """
    What is waited for, and how long. All times are epoch seconds, so that a restart moves none of them.

    :param generation_id: the generation.
    :param deadline: when to give up waiting; the generation goes on.
    :param poll_interval: seconds between two polls.
    :param first_poll_at: no poll before this.
    :param submitted_at: when it was submitted, if that was us.
    :param model: by which model, if its usual time may say when to ask.
    """

    generation_id: str
    deadline: float
    poll_interval: float
    first_poll_at: float
    submitted_at: float | None = None
    model: str | None = None


@dataclass(frozen=True)
class Outcome:
    """
    How the waiting ended.

    :param generation_id: the generation.
    :param reason: why there is no video; ``None`` if there is.
    :param message: the end in words.
    :param status: the gateway's last word.
    :param videos: how many videos there are.
    :param filtered: how many samples a safety filter removed.
    :param history: each change of status with the epoch second when it was seen.
    :param polls: how often the gateway was asked.
    :param status_code: HTTP status, where an answer ended it.
    :param code: the gateway's error code.
    :param request_id: the gateway's name for the request that ended it.
    :param retry_after: seconds that the gateway asked to wait.
    """

    generation_id: str
    reason: Reason | None
    message: str
    status: str = ""
    videos: int = 0
    filtered: int = 0
    history: tuple[tuple[str, float], ...] = ()
    polls: int = 0
    status_code: int | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None

    @property
    def is_there(self) -> bool:
        """As :func:`is_there`: whether the gateway has a video, or was seen to be making one."""
        over = self.reason in _OVER or self.status in FAILED
        return self.reason is None or (bool(self.status) and not over)

    @property
    def problem(self) -> Problem | None:
        """The same as a problem; ``None`` if there is a video."""
        if self.reason is None:
            return None
        return Problem(
            self.reason,
            self.message,
            status_code=self.status_code,
            code=self.code,
            request_id=self.request_id,
            retry_after=self.retry_after,
        )


@dataclass(frozen=True)
class Sleep:
    """Do nothing for ``seconds``."""

    seconds: float


@dataclass(frozen=True)
class Ask:
    """Ask for the generation and send the answer back into the flow."""


class Tell(Protocol):
    """Says something in the log."""

    def __call__(self, message: str, *, warning: bool = False) -> None:
        """Say it."""


Seen: TypeAlias = Generation | Problem
Waiting: TypeAlias = Generator[Sleep | Ask | Outcome, Seen | None, None]


def is_there(seen: Seen) -> bool:
    """
    Tell whether the gateway has a video, or is making one.

    An answer like ``"data": null`` may be given to any id.
    """
    return not isinstance(seen, Problem) and seen.problem is None and (seen.named or bool(seen.status))


def judge(generation_id: str, seen: Seen) -> Outcome | None:
    """
    Judge one answer by itself.

    :returns: the outcome, if nothing that comes later can change it.
    """
    if isinstance(seen, Problem):
        return None if seen.transient or seen.reason is Reason.NOT_FOUND else _given_up(generation_id, seen)
    if seen.problem is not None:
        return replace(_given_up(generation_id, seen.problem), status=seen.status, filtered=seen.filtered_count)
    if not seen.videos:
        return None
    count = len(seen.videos)
    message = f"{count} video{'s' if count > 1 else ''}"
    if seen.filtered_count:
        message += f"; {missing_samples(seen.missing, seen.filtered_count, seen.filtered_reasons)}"
    return Outcome(generation_id, None, message, seen.status, videos=count, filtered=seen.filtered_count)


def waiting(
    plan: WaitPlan, clock: Callable[[], float], jitter: Callable[[], float], tell: Tell, pace: Pace | None = None
) -> Waiting:
    """
    Wait for a generation as a flow of steps, without a socket or a clock of its own.

    A driver does each step, and sends what it has seen after :class:`Ask`; the last step is the outcome.
    Transient problems are waited through until the deadline; a generation that is finished is never called late.

    :param plan: what to wait for.
    :param clock: epoch seconds.
    :param jitter: a number from 0 to 1, to spread polls.
    :param tell: takes what belongs into the log.
    :param pace: knows when a generation may be expected to end, and learns from this one.
    """
    record = _Record(plan, pace or Pace())
    early = min(plan.first_poll_at, plan.deadline) - clock()
    # Whoever starts late (a triggerer that was restarted) polls soon, but not all in the same moment.
    yield Sleep(early if early > 0 else jitter() * min(LATE_START_SPREAD, plan.poll_interval))
    while True:
        seen = yield Ask()
        assert seen is not None, "a driver answers Ask"
        now = clock()
        record.note(seen, now, tell)
        outcome = judge(plan.generation_id, seen) or record.given_up(seen, now)
        if outcome is not None:
            if outcome.reason is None and early > 0:
                record.learn(now)
            yield record.complete(outcome)
            return
        pause = record.pause(seen, now, jitter())
        yield Sleep(max(MIN_PAUSE, min(pause, plan.deadline - now)))


@dataclass
class _Record:
    """What one wait has seen so far."""

    plan: WaitPlan
    pace: Pace
    status: str = ""
    history: list[tuple[str, float]] = field(default_factory=list)
    polls: int = 0
    errors: int = 0
    late_urls: int = 0
    unknown: bool = False
    last_problem: Problem | None = None

    def note(self, seen: Seen, now: float, tell: Tell) -> None:
        self.polls += 1
        if isinstance(seen, Problem):
            self.errors += 1
            self.last_problem = seen
            # Every doubling is enough: an outage of an hour must not fill the log.
            if self.errors & (self.errors - 1) == 0:
                tell(f"Poll failed ({self.errors} in a row), waiting on: {seen.message}", warning=True)
            return
        if self.errors:
            tell(f"The gateway answers again after {self.errors} failed polls")
        self.errors, self.last_problem = 0, None
        if seen.phase is Phase.SUCCEEDED and not seen.is_final:
            self.late_urls += 1
        if not seen.known_status and not self.unknown:
            self.unknown = True
            tell(f"Unknown status {seen.status!r}: waiting on as if it were pending", warning=True)
        if not self.history or seen.status != self.status:
            self.status = seen.status
            self.history.append((seen.status, now))
            progress = "" if seen.progress is None else f" ({seen.progress}%)"
            tell(f"Generation {seen.generation_id} is {seen.status or 'waiting'}{progress}")

    def given_up(self, seen: Seen, now: float) -> Outcome | None:
        plan = self.plan
        young = plan.submitted_at is not None and now <= plan.submitted_at + NOT_FOUND_GRACE
        if isinstance(seen, Problem) and seen.reason is Reason.NOT_FOUND and not young:
            return _given_up(plan.generation_id, seen)
        if self.late_urls > LATE_URL_POLLS:
            return Outcome(
                plan.generation_id,
                Reason.NO_VIDEO,
                f"The gateway says {self.status!r} but names no video, in {self.late_urls} polls",
            )
        if now < plan.deadline:
            return None
        last = f", the last poll failed: {self.last_problem.message}" if self.last_problem else ""
        return Outcome(
            plan.generation_id,
            Reason.DEADLINE,
            f"Not finished in time (last status {self.status or 'unknown'!r}{last}). The generation, and its bill, "
            "go on at the gateway: a retry or a clear of the task takes it up again",
        )

    def pause(self, seen: Seen, now: float, jitter: float) -> float:
        interval = self.plan.poll_interval
        if self.errors:
            interval = min(max(MAX_PAUSE, interval), interval * 2 ** min(self.errors, 10))
        elif not self.late_urls:
            interval = max(interval, min(self._usual_end() - now, EARLY_PAUSE))
        asked = (seen.retry_after or 0.0) if isinstance(seen, Problem) else 0.0
        return max(interval * (0.9 + 0.1 * jitter), min(asked, MAX_RETRY_AFTER))

    def learn(self, now: float) -> None:
        if self.plan.model and self.plan.submitted_at is not None:
            self.pace.note(self.plan.model, now - self.plan.submitted_at)

    def _usual_end(self) -> float:
        """Return the epoch second from which on the end may come."""
        return (self.plan.submitted_at or 0.0) + self.pace.usual(self.plan.model)

    def complete(self, outcome: Outcome) -> Outcome:
        history = self.history
        if len(history) > MAX_HISTORY:
            history = history[:1] + history[1 - MAX_HISTORY :]
        return replace(outcome, status=outcome.status or self.status, history=tuple(history), polls=self.polls)


def _given_up(generation_id: str, problem: Problem) -> Outcome:
    return Outcome(
        generation_id,
        problem.reason,
        problem.message,
        status_code=problem.status_code,
        code=problem.code,
        request_id=problem.request_id,
        retry_after=problem.retry_after,
    )
