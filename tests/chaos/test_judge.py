# SPDX-License-Identifier: Apache-2.0
"""The judge is seen to fail: made-up ledgers in which something is lost, paid for twice, unknown or hanging."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.judge import Ended, Evidence, Owner, Stored, judge, label, owner_of, row, table

ONE: Owner = ("run-1", 0)
TWO: Owner = ("run-1", 1)
DONE = Ended("success", 1)


def submit(owner: Owner, generation_id: str | None, *, billed: bool = True) -> dict[str, Any]:
    prompt = f"{label(*owner)} a clip sim:seconds=3"
    return {"billed": billed, "generation_id": generation_id, "request": {"prompt": prompt}}


def evidence(**changes: Any) -> Evidence:
    """One video, paid for once and stored, but for what is changed."""
    facts: dict[str, Any] = {
        "owners": (ONE,),
        "submits": (submit(ONE, "task_a"),),
        "generate": {ONE: DONE},
        "store": {ONE: DONE},
        "stored": {ONE: Stored("task_a", whole=True)},
    }
    return Evidence(**(facts | changes))


def failed(error: str) -> dict[Owner, Ended]:
    return {ONE: Ended("failed", 4, error)}


NOTHING: dict[str, Any] = {"store": {ONE: Ended("upstream_failed", 0)}, "stored": {}}


def test_a_good_run() -> None:
    verdict = judge(evidence())
    assert verdict.faults == []
    assert (verdict.billed, verdict.stored, verdict.unknown, verdict.tries) == (1, 1, [], 0)


def test_paid_twice() -> None:
    verdict = judge(evidence(submits=(submit(ONE, "task_a"), submit(ONE, "task_b"))))
    assert len(verdict.paid_twice) == 1
    # The other one is nowhere.
    assert len(verdict.lost) == 1
    assert "task_b" in verdict.lost[0]


def test_a_refused_submit_costs_nothing() -> None:
    verdict = judge(evidence(submits=(submit(ONE, None, billed=False), submit(ONE, "task_a"))))
    assert verdict.faults == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"stored": {}}, "both tasks succeeded and there is no object"),
        (NOTHING | {"generate": failed("Process terminated by signal.")}, "the error says nothing"),
        (NOTHING | {"generate": failed("VeoDeadlineError: generation task_b")}, "the error names another"),
        (NOTHING | {"generate": {ONE: Ended("success", 1, "task_a")}}, "only a failed task's error counts"),
        (NOTHING | {"generate": {ONE: Ended("upstream_failed", 0)}}, "nobody has failed over it"),
    ],
)
def test_lost(changes: dict[str, Any], why: str) -> None:
    assert len(judge(evidence(**changes)).lost) == 1, why


@pytest.mark.parametrize("who", ["generate", "store"])
def test_a_failed_task_that_names_its_generation_loses_nothing(who: str) -> None:
    verdict = judge(evidence(**(NOTHING | {who: failed("VeoServerError: generation task_a was not stored")})))
    assert verdict.faults == []
    assert verdict.named == [ONE]


def test_left_unknown() -> None:
    unknown = failed("VeoUnknownSubmitError: Nobody knows the generation")
    verdict = judge(evidence(**(NOTHING | {"generate": unknown})))
    assert (verdict.faults, verdict.unknown) == ([], [ONE])
    # The same words where nothing was billed, and in a transfer, which has nothing to be unsure of.
    assert judge(evidence(**(NOTHING | {"generate": unknown, "submits": ()}))).unknown == [ONE]
    assert len(judge(evidence(stored={}, store=unknown)).lost) == 1


def test_unknown_is_no_excuse_for_paying_twice() -> None:
    unknown = failed("VeoUnknownSubmitError: Nobody knows the generation")
    twice = (submit(ONE, "task_a"), submit(ONE, "task_b"))
    assert len(judge(evidence(**(NOTHING | {"generate": unknown, "submits": twice}))).paid_twice) == 1


@pytest.mark.parametrize("state", ["deferred", "running", "queued", "scheduled", "up_for_retry", None])
def test_hung(state: str | None) -> None:
    verdict = judge(evidence(generate={ONE: Ended(state, 1)}, store={ONE: Ended(None, 0)}, stored={}))
    assert len(verdict.hung) == 1
    # What still moves isn't lost yet.
    assert verdict.lost == []


def test_a_task_that_was_never_made_hangs() -> None:
    assert len(judge(evidence(generate={}, store={}, stored={}, submits=())).hung) == 1


def test_an_object_that_is_not_the_video() -> None:
    verdict = judge(evidence(stored={ONE: Stored("task_a", whole=False)}))
    assert verdict.stored == 0
    assert len(verdict.wrong) == 1
    assert len(verdict.lost) == 1


def test_another_ones_video() -> None:
    verdict = judge(evidence(stored={ONE: Stored("task_z", whole=True)}))
    assert len(verdict.wrong) == 1
    assert len(verdict.lost) == 1


def test_money_spent_by_nobody() -> None:
    stray = {"billed": True, "generation_id": "task_s", "request": {"prompt": "no label"}}
    assert len(judge(evidence(submits=(submit(ONE, "task_a"), stray))).wrong) == 1
    assert len(judge(evidence(submits=(submit(ONE, "task_a"), submit(("run-2", 0), "task_b")))).wrong) == 1


def test_a_success_that_cost_nothing() -> None:
    assert len(judge(evidence(submits=(), stored={})).wrong) == 1


def test_a_failure_that_cost_nothing() -> None:
    verdict = judge(evidence(**(NOTHING | {"generate": failed("VeoQuotaError"), "submits": ()})))
    assert (verdict.faults, verdict.unpaid) == ([], [ONE])


def test_each_is_judged_by_itself() -> None:
    both = evidence(
        owners=(ONE, TWO),
        submits=(submit(ONE, "task_a"), submit(TWO, "task_b"), submit(TWO, "task_c")),
        generate={ONE: DONE, TWO: Ended("success", 3)},
        store={ONE: DONE, TWO: DONE},
        stored={ONE: Stored("task_a", whole=True), TWO: Stored("task_c", whole=True)},
    )
    assert judge(both.of(ONE)).faults == []
    assert len(judge(both.of(TWO)).paid_twice) == 1
    verdict = judge(both)
    assert (verdict.videos, verdict.billed, verdict.stored, verdict.tries) == (2, 3, 2, 2)


def test_one_that_hangs_hides_no_other_loss() -> None:
    both = evidence(
        owners=(("run-1", 10), TWO),
        submits=(submit(TWO, "task_a"), submit(("run-1", 10), "task_b")),
        generate={("run-1", 10): Ended("deferred", 1), TWO: DONE},
        store={TWO: DONE},
        stored={},
    )
    verdict = judge(both)
    assert (len(verdict.lost), len(verdict.hung)) == (1, 1)


def test_labels() -> None:
    assert owner_of(label("manual__2026-01-01T00:00:00+00:00", 12) + " a clip") == (
        "manual__2026-01-01T00:00:00+00:00",
        12,
    )
    assert owner_of("a clip") is None
    assert owner_of("chaos/run/x") is None


def test_the_table() -> None:
    lines = table([row("nothing", 0, judge(evidence())), row("a longer name", 12, judge(evidence(stored={})))])
    assert [line.split()[-8:] for line in lines.splitlines()[1:]] == [
        ["1", "1", "1", "0", "0", "0", "0", "0"],
        ["1", "1", "0", "1", "0", "0", "0", "0"],
    ]
    assert len({len(line) for line in lines.splitlines()}) == 1
