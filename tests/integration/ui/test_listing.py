# SPDX-License-Identifier: Apache-2.0
"""What the page lists: states, scopes, pages, and what it never shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import get_args

import pytest

from tests.integration.ui.conftest import Page, World, start_page
from tests.support.postgres import Postgres
from veo_provider.ui.facts import State

WHOLE = {
    "g-s3": "succeeded",
    "g-beside": "succeeded",
    "g-no": "filtered",
    "g-bad": "failed",
    "g-run": "waiting",
    "g-sub": "submitted",
    'g"ü\\0': "succeeded",
    'g"ü\\1': "succeeded",
    "?": "succeeded",
    None: "succeeded",
    "g-file": "succeeded",
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def page(request: pytest.FixtureRequest, world: World) -> Iterator[Page]:
    """The page over both databases: they keep JSON, order and compare in ways of their own."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_page")
        return
    home = world.folder / "home-postgresql"
    with Postgres(world.folder / "postgres.log") as postgres:
        yield from start_page(home, None, world.rows, world.env, database=postgres.url)


def test_newest_first_with_their_states(page: Page) -> None:
    assert [(one["generation_id"], one["state"]) for one in page.generations()] == list(WHOLE.items())


@pytest.mark.parametrize("state", get_args(State))
def test_by_state(state: str, page: Page) -> None:
    assert [one["generation_id"] for one in page.generations(state=state)] == [
        gid for gid, known in WHOLE.items() if known == state
    ]


def test_what_is_said_of_a_generation(page: Page) -> None:
    one = page.generations(dag_id="cats", run_id="r+1", task_id="generate")[0]
    assert one["request"] == {
        "prompt": "The film g-s3",
        "model": "veo-3.1-generate-preview",
        "duration_seconds": 8,
    }
    assert (one["cost_usd"], one["submitted_at"]) == (1.2, "2026-11-24T08:00:00+00:00")
    (video,) = one["stored"]
    assert (video["task_id"], video["index"], video["size"], video["name"]) == ("store", 0, 10240, "a b#1?.mp4")
    assert page.generations(dag_id="dogs", state="succeeded")[0]["cost_usd"] is None


def test_any_id_is_found_in_another_run(page: Page) -> None:
    found = {one["task_id"]: one for one in page.generations(dag_id="cats")}
    for number in range(2):
        (video,) = found[f"odd_id_{number}"]["stored"]
        assert (video["dag_id"], video["run_id"], video["task_id"]) == ("dogs", "r2", f"store_{number}")
        (back,) = page.generations(dag_id="dogs", run_id="r2", task_id=f"store_{number}")
        assert (back["task_id"], back["request"]["prompt"][:5]) == (f"odd_id_{number}", "The f")


def test_half_a_character_is_sent_as_none(page: Page) -> None:
    (one,) = page.generations(task_id="half")
    assert (one["generation_id"], one["message"], one["request"]["prompt"]) == ("?", "?", "?")
    assert len(page.generations(dag_id="cats", run_id="r2", task_id="half")) == 1


def test_the_reason_of_a_failure(page: Page) -> None:
    (one,) = page.generations(state="failed")
    assert (one["reason"], one["message"]) == ("server", "<b>no</b>")


def test_a_transfers_own_tab(page: Page) -> None:
    (one,) = page.generations(dag_id="dogs", run_id="r+1", task_id="store")
    assert (one["task_id"], one["generation_id"]) == ("generate", "g-file")
    (bare,) = page.generations(dag_id="dogs", run_id="r+1", task_id="hidden")
    assert (bare["task_id"], bare["generation_id"], bare["state"]) == ("hidden", "g-hidden", "succeeded")
    assert page.generations(dag_id="dogs", run_id="r+1", task_id="hidden", state="failed") == []
    assert page.generations(dag_id="dogs", run_id="r+1", task_id="store", map_index=3) == []


def test_a_task_of_any_run_is_no_transfer(page: Page) -> None:
    # Whose videos those are would have to be looked up for every run there ever was.
    assert page.generations(task_id="store") == []
    assert page.generations(dag_id="dogs", task_id="store") == []
    assert [one["generation_id"] for one in page.generations(task_id="generate")] == ["g-s3", "g-file"]


def test_page_by_page(page: Page) -> None:
    seen: list[str | None] = []
    after: str | None = ""
    while after is not None:
        answer = page.get("/api/generations", params={"limit": 3, "after": after}).json()
        assert len(answer["generations"]) <= 3
        assert (answer["dags"] is None) == bool(after)
        seen += [one["generation_id"] for one in answer["generations"]]
        after = answer["after"]
    assert seen == list(WHOLE)


@pytest.mark.parametrize(
    "query",
    [
        {"after": "nonsense"},
        {"after": "W10="},
        {"after": "WyIyMDI2LTAxLTAxIiwgMSwgInQiLCAtMV0="},
        {"limit": 0},
        {"limit": 101},
        {"map_index": -2},
        {"map_index": 2**31},
        {"map_index": "{MAP_INDEX}"},
        {"dag_id": "x\0y"},
        {"dag_id": "x" * 251},
        {"run_id": "x\0y"},
        {"state": "done"},
    ],
    ids=str,
)
def test_bad_queries_get_an_answer(query: dict[str, str | int], page: Page) -> None:
    assert page.get("/api/generations", params=query).status_code == 422


def test_no_store_and_no_connection_is_named(page: Page) -> None:
    text = json.dumps(page.generations())
    assert not [word for word in ("s3://", "file://", "aws_", "gateway.example", "veo_default") if word in text]
