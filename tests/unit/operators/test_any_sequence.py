# SPDX-License-Identifier: Apache-2.0
"""
Any sequence of deaths, failures, retries and clears: what is paid for twice had failed, or was asked for again.

Everything that a try meets (its store, the gateway's answers, its own death before or after each of them) is read
from a tape of numbers, which hypothesis makes and shrinks. There are no sockets here, so there can be many.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from tests.support.tasks import Task, TaskState
from tests.unit.operators.test_veo import operator
from veo_provider.api.generation import Generation, Phase, Video
from veo_provider.api.problem import Accepted, Problem, Reason
from veo_provider.exceptions import VeoPermanentError, VeoUnknownSubmitError
from veo_provider.hooks.connection import read_connection
from veo_provider.ledger.record import Record, SubmitPhase
from veo_provider.ledger.stores import TASK_STATE_KEY
from veo_provider.raising import error_for, unknown_submit

DEADLY = 12
"""Of a hundred calls so many end in the process's death, half of them before and half after they did their work."""


class Died(BaseException):
    """The process is gone; nothing of it runs any more."""


@dataclass
class World:
    """One task's gateway and store, and whether its process is alive."""

    tape: list[int]
    billed: list[str] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=set)
    """Billed generations after which another one may be bought, because they failed or a person asked for it."""
    wrong: list[str] = field(default_factory=list)
    alive: bool = True

    def next(self) -> int:
        return self.tape.pop() if self.tape else 50

    def call(self, work: Callable[[], Any]) -> Any:
        """Do something that the process may not survive."""
        if not self.alive:
            raise Died
        fate = self.next()
        if fate < DEADLY // 2:
            self.alive = False
            raise Died
        result = work()
        if fate < DEADLY:
            self.alive = False
            raise Died
        return result


class Store(TaskState):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def get(self, key: str, default: Any = None) -> Any:
        return self.world.call(lambda: self._may_fail(lambda: TaskState.get(self, key, default)))

    def set(self, key: str, value: Any, **options: Any) -> None:
        self.world.call(lambda: self._may_fail(lambda: TaskState.set(self, key, value, **options)))

    def _may_fail(self, work: Callable[[], Any]) -> Any:
        fate = self.world.next()
        if fate < 4:
            raise ConnectionError
        result = work()
        if fate < 8:
            raise ConnectionError
        return result


class Hook:
    """The gateway, as the operator sees it."""

    connection = read_connection("veo_default", host="https://gw.example", password="sk")
    request_began = True

    def __init__(self, world: World) -> None:
        self.world = world

    def close(self) -> None:
        pass

    def submit(self, request: Any) -> str:
        return str(self.world.call(lambda: self._submit(request)))

    def _submit(self, request: Any) -> str:
        world, fate = self.world, self.world.next()
        refused = Problem(Reason.RATE_LIMIT, "slow down", transient=True)
        if fate < 15:
            raise error_for(refused)
        if fate < 20:
            raise error_for(Problem(Reason.INVALID_REQUEST, "no"))
        lost = Problem(Reason.NETWORK, "lost", accepted=Accepted.MAYBE)
        if fate < 25:
            raise unknown_submit(lost, request.model, "https://gw.example", 0)
        open_bills = [known for known in world.billed if known not in world.allowed]
        if open_bills:
            world.wrong.append(f"paid again while {open_bills} is alive, finished or unknown")
        generation_id = f"g{len(world.billed)}"
        world.billed.append(generation_id)
        if fate < 32:
            raise unknown_submit(lost, request.model, "https://gw.example", 0)
        return generation_id

    def poll(self, generation_id: str) -> Any:
        return self.world.call(lambda: self._poll(generation_id))

    def _poll(self, generation_id: str) -> Any:
        world, fate = self.world, self.world.next()
        if fate < 12:
            return Problem(Reason.SERVER, "502", transient=True)
        if fate < 15 or generation_id not in world.billed:
            return Problem(Reason.NOT_FOUND, "not yet")
        if generation_id not in world.ended and fate > 35:
            world.ended[generation_id] = "failed" if fate > 85 else "refused" if fate > 80 else "done"
        how = world.ended.get(generation_id)
        if how in ("failed", "refused"):
            world.allowed.add(generation_id)
            kinds = {"failed": (Reason.GENERATION_FAILED, True), "refused": (Reason.CONTENT_POLICY, False)}
            reason, transient = kinds[how]
            problem = Problem(reason, how, transient=transient)
            return Generation(generation_id, Phase.FAILED, "failed", failure=problem)
        videos = (Video(url="https://h/v.mp4"),) if how == "done" else ()
        return Generation(generation_id, Phase.SUCCEEDED if videos else Phase.RUNNING, how or "running", videos=videos)

    def wait(self, plan: Any) -> Any:
        from veo_provider.api.waiting import Outcome, judge

        status = ""
        for _ in range(3):
            seen = self.poll(plan.generation_id)
            if outcome := judge(plan.generation_id, seen):
                return outcome
            status = status if isinstance(seen, Problem) else seen.status
        return Outcome(plan.generation_id, Reason.DEADLINE, "late", status=status)


def _try(world: World, ti: Task, number: int, **arguments: Any) -> BaseException | str:
    """One try on a worker that waits by itself; its request has another date each time."""
    task = operator(f"It is {number} o'clock", deferrable=False, **arguments)
    task.__dict__["hook"] = Hook(world)
    world.alive = True
    try:
        return task.execute(ti.context)
    except (Exception, Died) as error:  # noqa: BLE001
        return error


def _record(store: Store) -> Record | None:
    text = store.values.get(TASK_STATE_KEY)
    return Record.read(json.loads(text), "") if text else None


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veo_provider.operators.submitting.time.sleep", lambda _: None)


tapes = st.lists(st.integers(0, 99), min_size=60, max_size=160)
thorough = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


# A generation has failed, and the process dies while it takes the next intent back.
# fmt: off
TAKEN_BACK = [
    6, 8, 12, 0, 6, 8, 12, 8, 12, 15, 12, 8, 12, 0, 86, 6, 0, 12, 8, 12,
    32, 12, 8, 12, 8, 12, 8, 12, 8, 12, 0, 0, 0, 0, 0, 0, 0, 6, 0, 6,
    8, 12, 0, 0, 0, 0, 4, 6, 8, 12, 6, 6, 8, 12, 8, 12, 8, 12, 0, 0,
]
# fmt: on


@thorough
@example(TAKEN_BACK)
@given(tapes)
def test_retries_never_pay_twice(tape: list[int]) -> None:
    world = World(tape)
    store = Store(world)
    ti = Task(task_state_store=store, max_tries=9)
    result: BaseException | str = ""
    for number in range(8):
        result = _try(world, ti, number)
        # Airflow may retry what has ended well, and never what has failed for good. Now and then it executes the
        # same try again.
        if isinstance(result, VeoPermanentError):
            break
        ti = ti.executed_again() if world.next() < 25 else ti.retried()
    event(f"paid {len(world.billed)}, ended with {type(result).__name__}")
    assert world.wrong == []
    if isinstance(result, str):
        assert result == world.billed[-1]
        assert world.ended.get(result) == "done"
    # Whatever is paid for is in the record, or in the error, or nobody can know it and that is said.
    record = _record(store)
    last = world.billed[-1] if world.billed else None
    known = record.generation_id if record else None
    if last is not None and last not in world.allowed and known != last and last not in str(result):
        assert record is not None
        assert record.phase is SubmitPhase.SUBMITTING
        assert isinstance(result, (VeoUnknownSubmitError, Died, Exception))
        assert isinstance(_try(World([]), _alive(ti), 99), VeoUnknownSubmitError)


def _alive(ti: Task) -> Task:
    """The same task with a store that no longer fails."""
    plain = TaskState()
    plain.values = dict(ti.task_state_store.values)
    return Task(task_state_store=plain, try_number=ti.try_number + 1, max_tries=ti.max_tries)


def _cleared(ti: Task, world: World, store: Store) -> Task:
    """Clear it; another one may be bought after what was made of a request with another date, a changed one."""
    record = _record(store)
    # Of what was handed over nobody knows the request, so while it isn't done a clear takes it up.
    if record is not None and (record.phase is SubmitPhase.DONE or (record.generation_id and record.digest)):
        world.allowed.add(str(record.generation_id))
    return ti.cleared()


@thorough
@given(tapes)
def test_clears_pay_only_for_what_they_ask(tape: list[int]) -> None:
    """A clear allows another purchase after a success, or with another request; never after an unknown submit."""
    world = World(tape)
    store = Store(world)
    ti = Task(task_state_store=store, max_tries=2)
    for number in range(8):
        result = _try(world, ti, number)
        if world.next() < 40:
            ti = _cleared(ti, world, store)
        elif isinstance(result, VeoPermanentError):
            break
        else:
            ti = ti.executed_again() if world.next() < 25 else ti.retried()
    assert world.wrong == []


@thorough
@given(tapes)
def test_clears_that_keep_pay_once(tape: list[int]) -> None:
    """With ``on_clear="keep"`` only a failure of the generation is followed by another one."""
    world = World(tape)
    ti = Task(task_state_store=Store(world), max_tries=2)
    for number in range(8):
        _try(world, ti, number, on_clear="keep")
        fate = world.next()
        ti = ti.cleared() if fate < 40 else ti.executed_again() if fate < 55 else ti.retried()
    assert world.wrong == []


@thorough
@given(tapes)
def test_ids_that_a_person_hands_over_pay_nothing(tape: list[int]) -> None:
    """For one try one of its own, or one that nobody knows: what a clear means afterwards stays the same."""
    world = World(tape)
    store = Store(world)
    ti = Task(task_state_store=store, max_tries=2)
    for number in range(8):
        fate, paid = world.next(), len(world.billed)
        given_id = "" if fate < 50 else "mistyped" if fate < 65 or not paid else world.billed[fate % paid]
        before = _record(store)
        _try(world, ti, number, generation_id=given_id)
        assert not given_id or len(world.billed) == paid
        record = _record(store)
        taken = record is not None and record.generation_id == given_id and record != before
        if taken and world.ended.get(given_id) not in ("failed", "refused"):
            # Whoever hands over one that is alive, or finished, gives the others up.
            world.allowed.update(world.billed)
            world.allowed.discard(given_id)
        ti = _cleared(ti, world, store) if world.next() < 60 else ti.retried()
    assert world.wrong == []
