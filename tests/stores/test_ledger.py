# SPDX-License-Identifier: Apache-2.0
"""The ledger's folder on Google's and Microsoft's stores: of many processes one may send."""

from __future__ import annotations

from dataclasses import replace

from tests.support.races import INTENT, TASK, race_of_threads, stored
from veo_provider.ledger.folder import FolderLedger
from veo_provider.ledger.record import SubmitPhase
from veo_provider.ledger.reuse import ReuseIndex


def test_a_record_is_kept_and_followed(root: str) -> None:
    ledger = FolderLedger(f"{root}/veo", TASK)
    assert ledger.read() is None
    assert ledger.claim(INTENT, None)
    assert not ledger.claim(replace(INTENT, nonce="late"), None)
    submitted = replace(INTENT, phase=SubmitPhase.SUBMITTED, generation_id="g")
    ledger.write(submitted)
    assert stored(FolderLedger(f"{root}/veo", TASK).read()) == submitted
    second = replace(INTENT, nonce="m", number=2, try_number=2, earlier=("g",))
    assert ledger.claim(second, submitted)
    assert stored(ledger.read()) == second


def test_of_many_threads_one_may_send(root: str) -> None:
    race_of_threads(f"{root}/veo")


def test_what_may_be_reused_is_found(root: str) -> None:
    index = ReuseIndex(f"{root}/veo")
    assert index.find("d") is None
    index.add("d", "g")
    assert ReuseIndex(f"{root}/veo").find("d") == "g"
