# SPDX-License-Identifier: Apache-2.0
"""Every route of the page against every role, over HTTP."""

from __future__ import annotations

import pytest

from tests.integration.ui.conftest import Page

OF_CATS = "dag_id=cats&run_id=r%2B1&task_id=store&map_index=-1&index=0"
# What each role is answered: nobody, who may read another DAG, who may read this one, and who may read all.
ROLES = (None, "only-dogs", "only-cats", "viewer", "admin")
TABLE = {
    "/": (401, 200, 200, 200, 200),
    "/static/page.js": (401, 200, 200, 200, 200),
    "/static/page.css": (401, 200, 200, 200, 200),
    "/static/other.js": (401, 404, 404, 404, 404),
    "/api/generations": (401, 200, 200, 200, 200),
    "/api/generations?dag_id=cats": (401, 404, 200, 200, 200),
    "/api/generations?dag_id=unknown": (401, 404, 404, 404, 404),
    "/api/generations?dag_id=cats&state=nonsense": (401, 422, 422, 422, 422),
    f"/api/video?{OF_CATS}": (401, 404, 302, 302, 302),
    f"/api/video?{OF_CATS}&poster=true": (401, 404, 302, 302, 302),
    f"/api/video?{OF_CATS.replace('store', 'unknown')}&poster=true": (401, 404, 404, 404, 404),
    f"/api/video?{OF_CATS.replace('store', 'unknown')}": (401, 404, 404, 404, 404),
    f"/api/video?{OF_CATS.replace('cats', '')}": (401, 404, 404, 404, 404),
    "/openapi.json": (404,) * 5,
    "/docs": (404,) * 5,
}


@pytest.mark.parametrize("path", TABLE)
def test_routes_against_roles(path: str, page: Page) -> None:
    assert tuple(page.get(path, role).status_code for role in ROLES) == TABLE[path]


def test_the_table_has_every_route() -> None:
    from fastapi.routing import APIRoute

    from veo_provider.ui.app import make_app

    routes = {route.path for route in make_app().routes if isinstance(route, APIRoute)}
    assert routes == {"/", "/static/{name}", "/api/generations", "/api/video"}


def test_a_user_sees_the_dags_that_he_may_read(page: Page) -> None:
    def seen(user: str) -> set[str]:
        return {one["dag_id"] for one in page.generations(user)}

    assert (seen("only-cats"), seen("only-dogs"), seen("viewer")) == ({"cats"}, {"dogs"}, {"cats", "dogs"})
    assert page.get("/api/generations", "only-dogs").json()["dags"] == ["dogs"]
    # An empty field is no field, and no way around the rights.
    assert {one["dag_id"] for one in page.generations("only-dogs", dag_id="", run_id="")} == {"dogs"}


def test_a_generation_of_a_forbidden_dag_lends_no_facts(page: Page) -> None:
    # The task of "dogs" has stored a video that "cats" has generated.
    (mine,) = page.generations("only-dogs", dag_id="dogs", run_id="r+1", task_id="store_cats")
    assert (mine["dag_id"], mine["generation_id"], mine["request"]) == ("dogs", "g-s3", {})
    (all_of_it,) = page.generations("viewer", dag_id="dogs", run_id="r+1", task_id="store_cats")
    assert (all_of_it["dag_id"], all_of_it["request"]["prompt"]) == ("cats", "The film g-s3")
    assert all_of_it["stored"][0]["task_id"] == "store_cats"


def test_a_dag_whose_xcoms_may_not_be_read_is_not_there(page: Page) -> None:
    assert {one["dag_id"] for one in page.generations("blind-cats")} == {"dogs"}
    assert page.get("/api/generations", "blind-cats").json()["dags"] == ["dogs"]
    assert page.get("/api/generations", "blind-cats", params={"dag_id": "cats"}).status_code == 404
    assert page.video("cats", "store", "blind-cats").status_code == 404
    (mine,) = page.generations("blind-cats", dag_id="dogs", run_id="r+1", task_id="store_cats")
    assert (mine["dag_id"], mine["request"]) == ("dogs", {})


def test_a_video_of_two_dags_plays_from_the_one_that_may_be_read(page: Page) -> None:
    assert page.video("dogs", "store_cats", "only-dogs").status_code == 302
    assert page.video("cats", "store", "only-dogs").status_code == 404


def test_a_false_token_is_refused(page: Page) -> None:
    assert page.get("/api/generations", None, headers={"Authorization": "Bearer x.y.z"}).status_code == 403
