# SPDX-License-Identifier: Apache-2.0
"""Compares what was billed with what was stored and said. Knows nothing of Airflow: it gets facts and counts them.

The gateway's own ledger has the last word about money, the bucket about videos. Every prompt begins with a label
that names the task instance that sent it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

UNKNOWN = "VeoUnknownSubmitError"
_LABEL = re.compile(r"^chaos/(\S+)/(\d+)(?: |$)")

Owner = tuple[str, int]
"""Run id and map index: whoever is to have one video, and to pay for it once."""


def label(run_id: str, map_index: int) -> str:
    """What a prompt begins with."""
    return f"chaos/{run_id}/{map_index}"


def owner_of(prompt: str) -> Owner | None:
    """Whose prompt this is."""
    match = _LABEL.match(prompt)
    return (match[1], int(match[2])) if match else None


@dataclass(frozen=True)
class Ended:
    """How one task instance is left: its state, and what its tries said, the errors of the last one apart."""

    state: str | None
    tries: int
    error: str = ""
    """What the last try said in errors; of a task that isn't failed, nothing."""


@dataclass(frozen=True)
class Stored:
    """An object in the bucket: whose video it says it is, and whether it has the bytes of that video."""

    generation_id: str
    whole: bool


@dataclass(frozen=True)
class Evidence:
    """All that is known of one scenario when nothing moves any more, or the time is up."""

    owners: tuple[Owner, ...]
    submits: tuple[Mapping[str, Any], ...]
    generate: Mapping[Owner, Ended]
    store: Mapping[Owner, Ended]
    stored: Mapping[Owner, Stored]

    def of(self, owner: Owner) -> Evidence:
        """What concerns one of them."""
        mine = tuple(one for one in self.submits if owner_of(str(one["request"].get("prompt"))) == owner)
        return replace(self, owners=(owner,), submits=mine)


@dataclass
class Verdict:
    """The counts, and in words whatever isn't as it must be."""

    videos: int = 0
    billed: int = 0
    stored: int = 0
    lost: list[str] = field(default_factory=list)
    paid_twice: list[str] = field(default_factory=list)
    unknown: list[Owner] = field(default_factory=list)
    named: list[Owner] = field(default_factory=list)
    """Paid and not stored, but a failed task's error has the id."""
    unpaid: list[Owner] = field(default_factory=list)
    """Failed before anything was paid."""
    hung: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    tries: int = 0
    """Tries of the generating tasks beyond the first."""

    @property
    def faults(self) -> list[str]:
        """Everything that must never be."""
        return [*self.paid_twice, *self.lost, *self.hung, *self.wrong]


_OVER = frozenset({"success", "failed", "upstream_failed", "skipped"})


def judge(evidence: Evidence) -> Verdict:
    """Count, and name what is wrong."""
    verdict = Verdict(videos=len(evidence.owners))
    bills: dict[Owner, list[Mapping[str, Any]]] = defaultdict(list)
    for submit in evidence.submits:
        if not submit["billed"]:
            continue
        verdict.billed += 1
        owner = owner_of(str(submit["request"].get("prompt")))
        if owner in evidence.owners and owner is not None:
            bills[owner].append(submit)
        else:
            verdict.wrong.append(f"generation {submit['generation_id']} was paid for by nobody that was asked to")
    for owner in evidence.owners:
        _judge_one(owner, bills[owner], evidence, verdict)
    return verdict


def _judge_one(owner: Owner, bills: list[Mapping[str, Any]], evidence: Evidence, verdict: Verdict) -> None:
    who = label(*owner)
    generate = evidence.generate.get(owner, Ended(None, 0))
    store = evidence.store.get(owner, Ended(None, 0))
    verdict.tries += max(0, generate.tries - 1)
    ids = [str(bill["generation_id"]) for bill in bills]
    if len(ids) > 1:
        verdict.paid_twice.append(f"{who} paid for {len(ids)} generations: {', '.join(ids)}")
    hangs = bool({generate.state, store.state} - _OVER)
    if hangs:
        verdict.hung.append(f"{who} hangs: generate is {generate.state}, store is {store.state}")
    found = evidence.stored.get(owner)
    if found is not None and not found.whole:
        verdict.wrong.append(f"{who}: the stored object isn't the video of {found.generation_id}")
    if found is not None and found.generation_id not in ids:
        verdict.wrong.append(f"{who}: stored {found.generation_id}, which it didn't pay for")
    kept = {found.generation_id} if found is not None and found.whole else set()
    verdict.stored += len(kept)
    failed = [ended.error for ended in (generate, store) if ended.state == "failed"]
    nameless = generate.state == "failed" and UNKNOWN in generate.error
    if nameless:
        verdict.unknown.append(owner)
    elif failed and not ids:
        verdict.unpaid.append(owner)
    elif not ids and not hangs:
        verdict.wrong.append(f"{who} ended as {generate.state} without having paid for anything")
    for generation_id in ids:
        if generation_id in kept:
            continue
        if any(generation_id in error for error in failed):
            verdict.named.append(owner)
        elif not nameless and not hangs:
            verdict.lost.append(
                f"{who}: generation {generation_id} is billed, not stored, and no failed task names it "
                f"(generate is {generate.state}, store is {store.state})"
            )


COLUMNS = ("fault", "injected", "videos", "billed", "stored", "lost", "paid twice", "left unknown", "hung", "retries")


def row(fault: str, injected: int, verdict: Verdict) -> tuple[str, ...]:
    """One line of the table."""
    counts = (
        injected,
        verdict.videos,
        verdict.billed,
        verdict.stored,
        len(verdict.lost),
        len(verdict.paid_twice),
        len(verdict.unknown),
        len(verdict.hung),
        verdict.tries,
    )
    return (fault, *map(str, counts))


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """The rows under their headings."""
    lines = [COLUMNS, *rows]
    widths = [max(len(line[number]) for line in lines) for number in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    )
