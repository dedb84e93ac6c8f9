# SPDX-License-Identifier: Apache-2.0
"""The same Airflow DAG with a ledger that forgets: the judge must see that it pays twice."""

from __future__ import annotations

from tests.chaos.crash import install
from tests.chaos.videos import videos_dag
from veo_provider.ledger.stores import NoLedger
from veo_provider.operators import bookkeeping

install()
# A DAG file is imported in a process of its own for each task, so this is the only one that forgets.
vars(bookkeeping)["ledger_for"] = lambda _: NoLedger()

without_ledger = videos_dag("chaos_without_ledger")
