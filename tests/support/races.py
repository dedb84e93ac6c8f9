# SPDX-License-Identifier: Apache-2.0
"""Several that want to send for one task at the same moment, by the ledger in a folder."""

from __future__ import annotations

import threading
from dataclasses import replace

from tests.unit.ledger.test_decision import RECORD
from veo_provider.ledger.folder import FolderLedger
from veo_provider.ledger.record import Record, SubmitPhase

INTENT = replace(RECORD, phase=SubmitPhase.SUBMITTING, generation_id=None)
TASK = ("dag", "manual__2026-11-23T00:00:00+00:00", "group.task", "-1")


def stored(record: Record | None) -> Record | None:
    """A record without the place where it was found."""
    return None if record is None else replace(record, where="")


def race_of_threads(root: str) -> None:
    """Of eight that have read nothing, and claim at the same moment, one may send: the one whose intent is there."""
    barrier = threading.Barrier(8)
    won: list[str] = []
    failed: list[Exception] = []

    def race(nonce: str) -> None:
        try:
            ledger = FolderLedger(root, TASK)
            barrier.wait()
            if ledger.claim(replace(INTENT, nonce=nonce), None):
                won.append(nonce)
        except Exception as error:  # noqa: BLE001 - a thread's error is seen by nobody else
            failed.append(error)

    threads = [threading.Thread(target=race, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(won) == 1
    assert stored(FolderLedger(root, TASK).read()) == replace(INTENT, nonce=won[0])
