# SPDX-License-Identifier: Apache-2.0
"""From what a task knows of its earlier submit to what it does now: one decision, without a socket or a store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from veo_provider.api.problem import Problem, Reason
from veo_provider.api.waiting import Seen
from veo_provider.ledger.record import Record, SubmitPhase


class Action(StrEnum):
    """What to do, in the words of the log: "This try has to ..."."""

    SUBMIT = "submit"
    ASK = "ask for it"
    """Ask the gateway for the recorded generation, and decide again."""
    TAKE_UP = "take it up"
    """Go on with the recorded generation: finish at once if it has ended, wait for it if it hasn't."""
    HAND_BACK = "hand it back"
    """The task has already succeeded with it: succeed again, whatever the gateway still knows."""
    REFUSE_UNKNOWN = "refuse: nobody knows what became of the submit"
    """An earlier submit may have been billed, and nobody has said that a second bill is fine."""
    REFUSE_FOREIGN = "refuse: the record isn't its own"
    """The record is of another run of the same name, which has been deleted."""
    STAND_BACK = "stand back"
    """Another process of this try may be sending just now."""
    REFUSE_ELSEWHERE = "refuse: the connection leads elsewhere"
    """The generation is at another gateway than the connection leads to."""


@dataclass(frozen=True)
class Try:
    """
    What this try knows of itself.

    :param try_number: Airflow's.
    :param max_tries: Airflow's. Greater than the record's: a person, or a machine, has cleared the task since.
    :param digest: of the request as it would be sent; ``None`` if it can't be made just now.
    :param base_url: where it would be sent to.
    :param now: epoch seconds.
    :param resubmits: the author accepts a second bill after an unknown submit.
    :param keeps: a clear buys nothing while there is a generation that is alive or finished.
    :param dead_after: seconds after which, for a clear, a generation without an end counts as dead.
    :param run_started_at: epoch seconds of the DAG run's start, where records outlive their runs.
    """

    try_number: int
    max_tries: int
    digest: str | None
    base_url: str
    now: float
    resubmits: bool = False
    keeps: bool = False
    dead_after: float = 7200.0
    run_started_at: float | None = None


@dataclass(frozen=True)
class Decision:
    """
    What to do, and why.

    :param action: what.
    :param why: in words, for the log.
    :param warns: whether it may cost money that somebody didn't expect, or differs from what was asked for.
    """

    action: Action
    why: str
    warns: bool = False


def is_foreign(record: Record, try_number: int, run_started_at: float | None) -> bool:
    """Tell whether a record is of a deleted run of the same name: of no earlier try, and sent before the run began."""
    return record.try_number >= try_number and record.sent_at < (run_started_at or 0)


def decide(record: Record | None, current: Try, seen: Seen | None = None) -> Decision:
    """
    Decide what a try does about the submit of an earlier one.

    A retry never buys what is already paid for, even if the request has changed since: prompts hold dates and
    try numbers. Only a clear asks for something new.

    The record may also be of this very try: Airflow sometimes fails a try while its process is still queued to come
    back, and then executes it again under the same number. That is a retry like any other, except that the other
    process may be at it just now.

    :param record: what the ledger holds; ``None``: this task has never sent anything.
    :param current: this try.
    :param seen: what the gateway says of the recorded generation, once :attr:`Action.ASK` was answered.
    """
    if record is None:
        return Decision(Action.SUBMIT, "nothing was submitted before")
    if is_foreign(record, current.try_number, current.run_started_at):
        return Decision(Action.REFUSE_FOREIGN, f"it is of {_when(record.sent_at)}, before this run began")
    if record.phase is SubmitPhase.REFUSED:
        return Decision(Action.SUBMIT, f"the gateway refused the submit of try {record.try_number}")
    if record.phase is SubmitPhase.SUBMITTING:
        if record.try_number >= current.try_number:
            return Decision(Action.STAND_BACK, f"another process of try {record.try_number} may be sending just now")
        return _after_unknown(record, current)
    cleared = current.max_tries > record.max_tries
    # Of what was adopted nobody knows the request: a clear of it is no wish for another.
    changed = bool(record.digest) and current.digest not in (None, record.digest)
    if record.phase is SubmitPhase.DONE:
        return _after_success(record, current, cleared=cleared, changed=changed)
    moved = record.base_url != current.base_url
    if cleared and (changed or moved) and not current.keeps:
        what = "its request has changed" if changed else "its connection leads elsewhere"
        return Decision(Action.SUBMIT, f"the task was cleared and {what}; {_left(record)}", warns=True)
    if moved:
        return Decision(Action.REFUSE_ELSEWHERE, f"it was submitted to {record.base_url}, not to {current.base_url}")
    if seen is None:
        return Decision(Action.ASK, f"try {record.try_number} submitted generation {record.generation_id}")
    if cleared:
        return _after_clear(record, current, seen)
    return _after_retry(record, seen, changed=changed)


def _after_unknown(record: Record, current: Try) -> Decision:
    if current.resubmits:
        why = (
            f"the submit of try {record.try_number} may have been billed, and on_unknown_submit='resubmit' accepts that"
        )
        return Decision(Action.SUBMIT, why, warns=True)
    return Decision(Action.REFUSE_UNKNOWN, f"the submit of try {record.try_number} may have been billed")


def _after_success(record: Record, current: Try, *, cleared: bool, changed: bool) -> Decision:
    if cleared and not current.keeps:
        return Decision(Action.SUBMIT, f"the task was cleared after a success; {_left(record)}", warns=True)
    why = "the task was cleared with on_clear='keep'" if cleared else "the task had succeeded and was retried"
    if changed:
        why += ", with a request that has changed"
    return Decision(Action.HAND_BACK, f"{why}: generation {record.generation_id} again", warns=changed)


def _after_clear(record: Record, current: Try, seen: Seen) -> Decision:
    old = current.now - record.sent_at > current.dead_after
    gone = isinstance(seen, Problem) and seen.reason is Reason.NOT_FOUND
    if not isinstance(seen, Problem) and seen.problem is not None:
        return Decision(Action.SUBMIT, f"the task was cleared, and generation {record.generation_id} has failed")
    unended = gone or (not isinstance(seen, Problem) and not seen.is_final)
    if old and unended:
        why = (
            f"the task was cleared, and generation {record.generation_id} has had no end since {_when(record.sent_at)}"
        )
        return Decision(Action.SUBMIT, why, warns=True)
    return Decision(Action.TAKE_UP, f"the task was cleared, and generation {record.generation_id} is still there")


def _after_retry(record: Record, seen: Seen, *, changed: bool) -> Decision:
    problem = None if isinstance(seen, Problem) else seen.problem
    if problem is not None and problem.transient:
        return Decision(Action.SUBMIT, f"generation {record.generation_id} of try {record.try_number} has failed")
    why = f"try {record.try_number} submitted generation {record.generation_id} at {_when(record.sent_at)}"
    if changed:
        why += "; the request has changed since, and a retry never buys again: clear the task for another video"
    return Decision(Action.TAKE_UP, why, warns=changed)


def _left(record: Record) -> str:
    return f"generation {record.generation_id} is left to itself"


def _when(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
