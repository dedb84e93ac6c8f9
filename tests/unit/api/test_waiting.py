# SPDX-License-Identifier: Apache-2.0
"""The decision to wait on, to end or to give up, without a clock or a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from veo_provider.api.failures import failed_generation
from veo_provider.api.generation import Generation, Phase, Video
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.waiting import (
    LATE_URL_POLLS,
    MAX_HISTORY,
    MAX_PAUSE,
    Outcome,
    Seen,
    Sleep,
    WaitPlan,
    judge,
    waiting,
)

START = 1_000_000.0
QUEUED = Generation("g", Phase.WAITING, "queued")
RUNNING = Generation("g", Phase.RUNNING, "in_progress", progress=40)
DONE = Generation("g", Phase.SUCCEEDED, "succeeded", videos=(Video(url="https://h/v.mp4"),))
LATE = Generation("g", Phase.SUCCEEDED, "succeeded")
BROKEN = Problem(Reason.SERVER, "HTTP 502", transient=True)
NOT_FOUND = Problem(Reason.NOT_FOUND, "unknown id")


@dataclass
class Run:
    """Drives a flow with a clock that only sleeping moves."""

    now: float = START
    sleeps: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)

    def tell(self, message: str, *, warning: bool = False) -> None:
        (self.warned if warning else self.said).append(message)

    def drive(self, plan: WaitPlan, answers: Iterable[Seen], jitter: float = 1.0) -> Outcome:
        coming = iter(answers)
        flow = waiting(plan, lambda: self.now, lambda: jitter, self.tell)
        step = next(flow)
        while not isinstance(step, Outcome):
            if isinstance(step, Sleep):
                self.sleeps.append(step.seconds)
                self.now += step.seconds
                step = next(flow)
            else:
                self.asked_at.append(self.now - START)
                step = flow.send(next(coming))
        assert not list(flow), "nothing comes after the outcome"
        return step


def plan(timeout: float = 100.0, first: float = 10.0, interval: float = 5.0, ours: bool = True) -> WaitPlan:
    return WaitPlan("g", START + timeout, interval, START + first, START if ours else None)


def forever(seen: Seen) -> Callable[[], Seen]:
    return lambda: seen


def repeat(seen: Seen) -> Iterable[Seen]:
    return iter(forever(seen), None)


def test_the_first_poll_waits_and_then_the_interval_holds() -> None:
    run = Run()
    outcome = run.drive(plan(), [QUEUED, RUNNING, DONE])
    assert run.asked_at == [10.0, 15.0, 20.0]
    assert (outcome.reason, outcome.videos, outcome.polls) == (None, 1, 3)
    assert outcome.history == (("queued", START + 10), ("in_progress", START + 15), ("succeeded", START + 20))


def test_a_late_start_polls_soon_but_not_all_at_once() -> None:
    run = Run(now=START + 50)
    run.drive(plan(), [DONE], jitter=0.25)
    assert run.asked_at == [51.25]


def test_a_finished_generation_is_never_called_late() -> None:
    run = Run(now=START + 5000)
    assert run.drive(plan(), [DONE]).reason is None


def test_the_deadline_is_asked_at_once_more_and_then_kept() -> None:
    run = Run()
    outcome = run.drive(plan(timeout=22), repeat(RUNNING))
    assert run.asked_at == [10.0, 15.0, 20.0, 22.0]
    assert outcome.reason is Reason.DEADLINE
    assert outcome.status == "in_progress"
    assert "goes on" in outcome.message or "go on" in outcome.message


def test_the_first_poll_is_not_put_behind_the_deadline() -> None:
    run = Run()
    run.drive(plan(timeout=3), repeat(RUNNING))
    assert run.asked_at == [3.0]


def test_a_transient_problem_is_waited_through_with_backoff() -> None:
    run = Run()
    outcome = run.drive(plan(timeout=10_000), [QUEUED, *[BROKEN] * 6, DONE])
    assert outcome.reason is None
    assert run.sleeps[2:8] == [10.0, 20.0, 40.0, MAX_PAUSE, MAX_PAUSE, MAX_PAUSE]
    assert [message.split(" in a row")[0] for message in run.warned] == [
        "Poll failed (1",
        "Poll failed (2",
        "Poll failed (4",
    ]
    assert any("answers again after 6" in message for message in run.said)


def test_the_backoff_starts_over_after_an_answer() -> None:
    run = Run()
    run.drive(plan(timeout=10_000), [BROKEN, BROKEN, QUEUED, BROKEN, DONE])
    assert run.sleeps == [10.0, 10.0, 20.0, 5.0, 10.0]


def test_an_outage_ends_at_the_deadline_and_names_the_last_problem() -> None:
    outcome = Run().drive(plan(), repeat(BROKEN))
    assert outcome.reason is Reason.DEADLINE
    assert "HTTP 502" in outcome.message


def test_retry_after_is_honoured_but_not_past_the_deadline() -> None:
    slow = Problem(Reason.RATE_LIMIT, "slow down", transient=True, retry_after=33)
    run = Run()
    run.drive(plan(), [slow, DONE])
    assert run.asked_at == [10.0, 43.0]
    for_ever = Problem(Reason.RATE_LIMIT, "slow down", transient=True, retry_after=1e9)
    run = Run()
    assert run.drive(plan(), repeat(for_ever)).reason is Reason.DEADLINE
    assert run.asked_at == [10.0, 100.0]


def test_retry_after_does_not_take_the_whole_wait() -> None:
    for_an_hour = Problem(Reason.RATE_LIMIT, "slow down", transient=True, retry_after=3600)
    run = Run()
    assert run.drive(plan(timeout=7200), [for_an_hour, DONE]).reason is None
    assert run.asked_at == [10.0, 310.0]


@pytest.mark.parametrize(
    "reason", [Reason.AUTHENTICATION, Reason.PERMISSION, Reason.QUOTA, Reason.WRONG_BASE_URL, Reason.PROTOCOL]
)
def test_a_permanent_problem_ends_at_once(reason: Reason) -> None:
    run = Run()
    outcome = run.drive(plan(), [Problem(reason, "no", code="c", request_id="r", status_code=401)])
    assert (outcome.reason, outcome.polls) == (reason, 1)
    assert (outcome.code, outcome.request_id, outcome.status_code) == ("c", "r", 401)


def test_an_unknown_id_has_a_grace_only_after_our_own_submit() -> None:
    run = Run()
    assert run.drive(plan(), [NOT_FOUND, NOT_FOUND, DONE]).reason is None
    outcome = Run(now=START + 61).drive(plan(), [NOT_FOUND])
    assert outcome.reason is Reason.NOT_FOUND
    assert Run().drive(plan(ours=False), [NOT_FOUND]).reason is Reason.NOT_FOUND


def test_a_link_may_lag_but_not_for_ever() -> None:
    assert Run().drive(plan(), [LATE] * LATE_URL_POLLS + [DONE]).reason is None
    outcome = Run().drive(plan(), [LATE] * (LATE_URL_POLLS + 1))
    assert outcome.reason is Reason.NO_VIDEO


def test_an_unknown_status_waits_on_and_warns_once() -> None:
    odd = Generation("g", Phase.WAITING, "dreaming", known_status=False)
    run = Run()
    assert run.drive(plan(), [odd, odd, odd, DONE]).reason is None
    assert run.warned == ["Unknown status 'dreaming': waiting on as if it were pending"]


def test_failures_and_filters_end_it() -> None:
    failed = Generation("g", Phase.FAILED, "failed", failure=failed_generation("high load", None))
    assert Run().drive(plan(), [failed]).reason is Reason.GENERATION_FAILED
    filtered = Generation(
        "g", Phase.SUCCEEDED, "succeeded", filtered_count=1, filtered_reasons=("Support codes: 90789179",)
    )
    outcome = Run().drive(plan(), [filtered])
    assert (outcome.reason, outcome.filtered) == (Reason.CONTENT_POLICY, 1)
    assert "sexual content" in outcome.message


def test_some_samples_filtered_is_a_success_that_says_so() -> None:
    part = Generation(
        "g",
        Phase.SUCCEEDED,
        "succeeded",
        videos=(Video(url="https://h/1"), Video(url="https://h/3")),
        missing=(1,),
        filtered_count=1,
        filtered_reasons=("Support codes: 61493863",),
    )
    outcome = judge("g", part)
    assert outcome is not None
    assert (outcome.reason, outcome.videos, outcome.filtered) == (None, 2, 1)
    assert "sample 1" in outcome.message
    assert "violence" in outcome.message


def test_a_flapping_status_does_not_grow_the_event() -> None:
    flapping = [QUEUED, RUNNING] * 50
    outcome = Run().drive(plan(timeout=10_000), [*flapping, DONE])
    assert len(outcome.history) == MAX_HISTORY
    assert outcome.history[0][0] == "queued"
    assert outcome.history[-1][0] == "succeeded"


def test_every_path_sleeps_between_two_polls() -> None:
    for seen in (QUEUED, RUNNING, BROKEN, LATE, NOT_FOUND):
        run = Run()
        run.drive(plan(interval=0.001), [seen, seen, DONE])
        gaps = [later - earlier for earlier, later in zip(run.asked_at, run.asked_at[1:], strict=False)]
        assert min(gaps) >= 0.04
