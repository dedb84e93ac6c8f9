# SPDX-License-Identifier: Apache-2.0
"""How much the list looks up: without an API server, in a database."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from tests.integration.ui.conftest import facts, row, stored
from tests.support.airflow_home import airflow_environment, new_home
from tests.support.processes import ROOT
from veo_provider.ui import listing
from veo_provider.ui.listing import Cursor, Scope, list_generations

MANY = 300
DAGS = {"mapped", "failing", "submitting", "storing"}
Read = Callable[[], AbstractContextManager[list[Any]]]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, migrated_home: Path) -> Iterator[Session]:
    """A run of 300 mapped videos, 300 failures, and 300 submits whose videos another DAG has stored."""
    home = tmp_path_factory.mktemp("lookups")
    new_home(home, migrated_home)
    rows = []
    for number in range(MANY):
        run: dict[str, Any] = {"run_id": f"r{number}"}
        at: dict[str, Any] = {"map_index": number}
        failed = facts(f"failed-{number}", status="failed", reason="server", videos=0)
        submitted = facts(f"submitted-{number}.", status="submitted", videos=None)
        rows += [
            row("mapped", "generate", number, veo_generation=facts(f"mapped-{number}"), **at),
            row("mapped", "store", MANY, veo_videos=[stored("s3://b/k", f"mapped-{number}")], **at),
            row("failing", "generate", number, "failed", veo_generation=failed, **run),
            row("submitting", "generate", number, veo_generation=submitted, **run),
            row("storing", "store", MANY, veo_videos=[stored("s3://b/k", f"submitted-{number}.")], **run),
        ]
    command = [sys.executable, "-m", "tests.support.rows"]
    environment = airflow_environment(home) | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, env=environment, input=json.dumps(rows), text=True, check=True)
    engine = create_engine(f"sqlite:///{home / 'airflow.db'}")
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Return what lists the XComs ``veo_videos`` that are read meanwhile, and one ``None`` for each time."""
    real = listing._sort_in

    @contextmanager
    def reading() -> Iterator[list[Any]]:
        seen: list[Any] = []

        def sort_in(found: Any, wanted: Any, rows: Any) -> None:
            seen.extend([None, *rows])
            real(found, wanted, rows)

        with monkeypatch.context() as patch:
            patch.setattr(listing, "_sort_in", sort_in)
            yield seen

    return reading


def test_a_filter_looks_nothing_up_for_what_it_throws_away(session: Session, read: Read) -> None:
    with read() as seen:
        for dag_id in ("failing", "mapped"):
            assert list_generations(session, DAGS, Scope(dag_id), "waiting", None, 24).generations == []
    assert seen == []


def test_failures_are_looked_for_nowhere_else(session: Session, read: Read) -> None:
    with read() as seen:
        assert len(list_generations(session, DAGS, Scope("failing"), "failed", None, 24).generations) == 24
    assert seen == [None]


def test_of_a_run_of_hundreds_a_pages_worth_is_read(session: Session, read: Read) -> None:
    with read() as seen:
        page = list_generations(session, DAGS, Scope("mapped"), None, None, 24)
    assert [one["stored"][0]["map_index"] for one in page.generations] == list(range(MANY - 1, MANY - 25, -1))
    assert len(seen) == 1 + 24


@pytest.mark.parametrize(("state", "found"), [("succeeded", MANY), ("submitted", 0), (None, MANY)])
def test_page_by_page_none_is_lost(state: str | None, found: int, session: Session, read: Read) -> None:
    ids: list[str] = []
    after: Cursor | None = None
    while True:
        with read() as seen:
            page = list_generations(session, DAGS, Scope("submitting"), state, after, 24)
        # What stands between "submitted" and "succeeded" has to be looked up, but not all of it at once.
        assert seen.count(None) <= 2 * listing.MAX_LOOKED_UP / 24
        ids += [one["generation_id"] for one in page.generations]
        assert all(one["stored"] for one in page.generations)
        if page.cursor is None:
            break
        after = page.cursor
    assert ids == [f"submitted-{number}." for number in reversed(range(found))]
