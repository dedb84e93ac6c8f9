# SPDX-License-Identifier: Apache-2.0
"""The table: what a task knows of its earlier submit, and what it does now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from veo_provider.api.generation import Generation, Phase, Video
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.waiting import Seen
from veo_provider.ledger.decision import Action, Try, decide
from veo_provider.ledger.record import Record, SubmitPhase

NOW = 1_000_000.0
RECORD = Record(
    phase=SubmitPhase.SUBMITTED,
    nonce="n",
    try_number=1,
    max_tries=2,
    digest="d",
    sent_at=NOW - 60,
    model="m",
    base_url="https://gw",
    conn_id="veo_default",
    generation_id="g",
)
RETRY = Try(try_number=2, max_tries=2, digest="d", base_url="https://gw", now=NOW, dead_after=3600)
SAME = replace(RETRY, try_number=1)
CLEAR = replace(RETRY, try_number=3, max_tries=5)

SUBMITTING = replace(RECORD, phase=SubmitPhase.SUBMITTING, generation_id=None)
REFUSED = replace(SUBMITTING, phase=SubmitPhase.REFUSED)
DONE = replace(RECORD, phase=SubmitPhase.DONE)
OLD = replace(RECORD, sent_at=NOW - 4000)

ALIVE = Generation("g", Phase.RUNNING, "processing")
LATE_LINK = Generation("g", Phase.SUCCEEDED, "succeeded")
FINISHED = Generation("g", Phase.SUCCEEDED, "succeeded", videos=(Video(url="https://h/v.mp4"),))
FAILED = Generation("g", Phase.FAILED, "failed", failure=Problem(Reason.GENERATION_FAILED, "high load", transient=True))
REFUSED_PROMPT = Generation("g", Phase.FAILED, "failed", failure=Problem(Reason.CONTENT_POLICY, "no"))
GONE = Generation("g", Phase.SUCCEEDED, "succeeded", expired=True)
FILTERED = Generation("g", Phase.SUCCEEDED, "succeeded", filtered_count=1)
UNKNOWN_ID = Problem(Reason.NOT_FOUND, "no such task")
AWAY = Problem(Reason.SERVER, "502", transient=True)
NO_KEY = Problem(Reason.AUTHENTICATION, "401")


def changed(current: Try) -> Try:
    return replace(current, digest="another")


def another(current: Try) -> Try:
    return replace(current, run_started_at=NOW - 59)


@dataclass(frozen=True)
class Row:
    name: str
    record: Record | None
    current: Try
    seen: Seen | None
    action: Action
    warns: bool = False


ROWS = [
    Row("the first try", None, replace(RETRY, try_number=1), None, Action.SUBMIT),
    Row("a retry that finds nothing", None, RETRY, None, Action.SUBMIT),
    # An intent without a verdict.
    Row("unknown, retried", SUBMITTING, RETRY, None, Action.REFUSE_UNKNOWN),
    Row("unknown, cleared", SUBMITTING, CLEAR, None, Action.REFUSE_UNKNOWN),
    Row("unknown, cleared, changed", SUBMITTING, changed(CLEAR), None, Action.REFUSE_UNKNOWN),
    Row("unknown, resubmit", SUBMITTING, replace(RETRY, resubmits=True), None, Action.SUBMIT, warns=True),
    Row(
        "unknown, resubmit, same try",
        SUBMITTING,
        replace(SAME, resubmits=True),
        None,
        Action.STAND_BACK,
    ),
    Row("refused, retried", REFUSED, RETRY, None, Action.SUBMIT),
    Row("refused, cleared", REFUSED, CLEAR, None, Action.SUBMIT),
    # A record of the same try, which Airflow executes a second time, or of a later one.
    Row("same try", RECORD, SAME, None, Action.ASK),
    Row("same try, alive", RECORD, SAME, ALIVE, Action.TAKE_UP),
    Row("same try, finished", RECORD, SAME, FINISHED, Action.TAKE_UP),
    Row("same try, failed", RECORD, SAME, FAILED, Action.SUBMIT),
    Row("same try, unknown", SUBMITTING, SAME, None, Action.STAND_BACK),
    Row("same try, refused", REFUSED, SAME, None, Action.SUBMIT),
    Row("same try, done", DONE, SAME, None, Action.HAND_BACK),
    Row("a later try's record", replace(RECORD, try_number=7), RETRY, ALIVE, Action.TAKE_UP),
    Row("a later try's record, unknown", replace(SUBMITTING, try_number=7), RETRY, None, Action.STAND_BACK),
    # A record from before the run began, so of another run of the same name.
    *(
        Row(f"another's record, {record.phase}", record, another(SAME), None, Action.REFUSE_FOREIGN)
        for record in (RECORD, SUBMITTING, REFUSED, DONE)
    ),
    Row("another's record, of a later try", replace(RECORD, try_number=7), another(RETRY), None, Action.REFUSE_FOREIGN),
    Row("same try, the run began before", RECORD, replace(SAME, run_started_at=NOW - 61), None, Action.ASK),
    Row("cleared, so the run began anew", DONE, another(CLEAR), None, Action.SUBMIT, warns=True),
    # Submitted, and retried by Airflow.
    Row("retried", RECORD, RETRY, None, Action.ASK),
    Row("retried, alive", RECORD, RETRY, ALIVE, Action.TAKE_UP),
    Row("retried, finished", RECORD, RETRY, FINISHED, Action.TAKE_UP),
    Row("retried, finished without a link", RECORD, RETRY, LATE_LINK, Action.TAKE_UP),
    Row("retried, failed", RECORD, RETRY, FAILED, Action.SUBMIT),
    Row("retried, refused by a filter", RECORD, RETRY, REFUSED_PROMPT, Action.TAKE_UP),
    Row("retried, filtered", RECORD, RETRY, FILTERED, Action.TAKE_UP),
    Row("retried, result gone", RECORD, RETRY, GONE, Action.TAKE_UP),
    Row("retried, id not found", RECORD, RETRY, UNKNOWN_ID, Action.TAKE_UP),
    Row("retried, old id not found", OLD, RETRY, UNKNOWN_ID, Action.TAKE_UP),
    Row("retried, gateway away", RECORD, RETRY, AWAY, Action.TAKE_UP),
    Row("retried, key refused", RECORD, RETRY, NO_KEY, Action.TAKE_UP),
    Row("retried, never ending", OLD, RETRY, ALIVE, Action.TAKE_UP),
    Row("retried, changed", RECORD, changed(RETRY), None, Action.ASK),
    Row("retried, changed, alive", RECORD, changed(RETRY), ALIVE, Action.TAKE_UP, warns=True),
    Row("retried, changed, failed", RECORD, changed(RETRY), FAILED, Action.SUBMIT),
    Row("retried, request can't be made", RECORD, replace(RETRY, digest=None), ALIVE, Action.TAKE_UP),
    Row("retried, another gateway", RECORD, replace(RETRY, base_url="https://other"), None, Action.REFUSE_ELSEWHERE),
    # Submitted, and cleared.
    Row("cleared", RECORD, CLEAR, None, Action.ASK),
    Row("cleared, alive", RECORD, CLEAR, ALIVE, Action.TAKE_UP),
    Row("cleared, finished", RECORD, CLEAR, FINISHED, Action.TAKE_UP),
    Row("cleared, failed", RECORD, CLEAR, FAILED, Action.SUBMIT),
    Row("cleared, refused by a filter", RECORD, CLEAR, REFUSED_PROMPT, Action.SUBMIT),
    Row("cleared, filtered", RECORD, CLEAR, FILTERED, Action.SUBMIT),
    Row("cleared, result gone", RECORD, CLEAR, GONE, Action.SUBMIT),
    Row("cleared, id not found", RECORD, CLEAR, UNKNOWN_ID, Action.TAKE_UP),
    Row("cleared, old id not found", OLD, CLEAR, UNKNOWN_ID, Action.SUBMIT, warns=True),
    Row("cleared, never ending", OLD, CLEAR, ALIVE, Action.SUBMIT, warns=True),
    Row("cleared, old and finished", OLD, CLEAR, FINISHED, Action.TAKE_UP),
    Row("cleared, old, link never came", OLD, CLEAR, LATE_LINK, Action.SUBMIT, warns=True),
    Row("cleared, old, gateway away", OLD, CLEAR, AWAY, Action.TAKE_UP),
    Row("cleared, old, key refused", OLD, CLEAR, NO_KEY, Action.TAKE_UP),
    Row("cleared, changed", RECORD, changed(CLEAR), None, Action.SUBMIT, warns=True),
    Row(
        "cleared, another gateway",
        RECORD,
        changed(replace(CLEAR, base_url="https://o")),
        None,
        Action.SUBMIT,
        warns=True,
    ),
    Row("cleared, changed, on_clear=keep", RECORD, changed(replace(CLEAR, keeps=True)), ALIVE, Action.TAKE_UP),
    Row("cleared, failed, on_clear=keep", RECORD, replace(CLEAR, keeps=True), FAILED, Action.SUBMIT),
    Row("cleared, request can't be made", RECORD, replace(CLEAR, digest=None), ALIVE, Action.TAKE_UP),
    # Done.
    Row("done, retried", DONE, RETRY, None, Action.HAND_BACK),
    Row("done, retried, changed", DONE, changed(RETRY), None, Action.HAND_BACK, warns=True),
    Row("done, retried, another gateway", DONE, replace(RETRY, base_url="https://o"), None, Action.HAND_BACK),
    Row("done, cleared", DONE, CLEAR, None, Action.SUBMIT, warns=True),
    Row("done, cleared, changed", DONE, changed(CLEAR), None, Action.SUBMIT, warns=True),
    Row("done, cleared, on_clear=keep", DONE, replace(CLEAR, keeps=True), None, Action.HAND_BACK),
    Row(
        "done, cleared, changed, on_clear=keep",
        DONE,
        changed(replace(CLEAR, keeps=True)),
        None,
        Action.HAND_BACK,
        warns=True,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_decision(row: Row) -> None:
    decision = decide(row.record, row.current, row.seen)
    assert (decision.action, decision.warns) == (row.action, row.warns)
    if row.record is not None and row.record.generation_id and row.action is not Action.REFUSE_FOREIGN:
        # Whoever reads the log knows which generation is left, or taken up.
        assert decision.action is Action.REFUSE_ELSEWHERE or "generation g" in decision.why


SEEN: list[Any] = [None, ALIVE, FINISHED, LATE_LINK, FAILED, REFUSED_PROMPT, GONE, FILTERED, UNKNOWN_ID, AWAY, NO_KEY]


@pytest.mark.parametrize("seen", SEEN, ids=str)
@pytest.mark.parametrize("phase", list(SubmitPhase))
def test_no_retry_buys_while_a_bill_may_be_open(phase: SubmitPhase, seen: Seen | None) -> None:
    """Whatever else changes between two tries: only a refusal, or a failure of the generation, leads to a submit."""
    record = replace(
        RECORD, phase=phase, generation_id=None if phase in (SubmitPhase.SUBMITTING, SubmitPhase.REFUSED) else "g"
    )
    for digest in ("d", "another", None):
        for base_url in ("https://gw", "https://other"):
            for age in (0, 10_000_000):
                current = replace(RETRY, digest=digest, base_url=base_url, now=NOW + age)
                submits = decide(record, current, seen).action is Action.SUBMIT
                assert not submits or phase is SubmitPhase.REFUSED or seen is FAILED
