# SPDX-License-Identifier: Apache-2.0
"""The routes of the page. Each asks for the user first, and shows him the DAGs that he may read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from veo_provider.operators.xcoms import GENERATION_XCOM
from veo_provider.ui.access import Reader, ReaderDep
from veo_provider.ui.facts import State, TaskKey, Video
from veo_provider.ui.listing import Cursor, Scope, dags_with_facts, find_video, list_generations
from veo_provider.ui.serving import Server, not_found
from veo_provider.ui.stores import link_seconds

STATIC = Path(__file__).with_name("static")
FILES = {"page.css": "text/css", "page.js": "text/javascript"}
# Videos and their posters come from wherever the user's storage is; everything else from here.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' https: http:; media-src 'self' https: http:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self'"
)

# PostgreSQL takes no NUL in a text.
Id = Annotated[str | None, Query(max_length=250, pattern=r"^[^\x00]*$")]
MapIndex = Annotated[int | None, Query(ge=-1, lt=2**31)]


def make_app() -> FastAPI:
    """Return the app; Airflow mounts it under ``/veo``."""
    app = FastAPI(dependencies=[Depends(Reader)], docs_url=None, redoc_url=None, openapi_url=None)
    server = Server()
    app.middleware("http")(_guard)

    @app.get("/")
    def page() -> Response:
        return FileResponse(STATIC / "page.html", media_type="text/html")

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        return FileResponse(STATIC / name, media_type=FILES[name]) if name in FILES else not_found()

    @app.get("/api/generations")
    def generations(
        reader: ReaderDep,
        dag_id: Id = None,
        run_id: Id = None,
        task_id: Id = None,
        map_index: MapIndex = None,
        state: State | None = None,
        after: Annotated[str | None, Query(max_length=1000)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 24,
    ) -> dict[str, Any]:
        scope = Scope(dag_id or None, run_id or None, task_id or None, map_index)
        try:
            cursor = Cursor.read(after) if after else None
        except ValueError as error:
            raise HTTPException(422, f"after: {error}") from None
        dag_ids = reader.dag_ids()
        if scope.dag_id and not (scope.dag_id in dag_ids and reader.may_read(scope.dag_id)):
            raise HTTPException(404, "There is no such DAG")
        with create_session() as session:
            known = dags_with_facts(session, dag_ids)
        # Whether somebody may read a DAG's XComs is asked for each; it takes a session of its own.
        known = {dag: keys for dag, keys in known.items() if reader.may_read(dag)}
        with create_session() as session:
            found = list_generations(session, set(known), scope, state, cursor, limit)
        return {
            "generations": found.generations,
            "after": None if found.cursor is None else str(found.cursor),
            "dags": sorted(dag for dag, keys in known.items() if GENERATION_XCOM in keys) if cursor is None else None,
            "link_seconds": link_seconds(),
        }

    @app.get("/api/video")
    async def video(
        request: Request,
        reader: ReaderDep,
        dag_id: Id,
        run_id: Id,
        task_id: Id,
        index: Annotated[int, Query(ge=0, lt=2**31)],
        map_index: MapIndex = -1,
        poster: bool = False,
    ) -> Response:
        owner = TaskKey(dag_id or "", run_id or "", task_id or "", -1 if map_index is None else map_index)
        # The database's session ends before a store is asked, which may hang.
        found = await run_in_threadpool(_find, reader, owner, index)
        if found is None:
            return not_found()
        return await server.serve(found, request.headers.get("range"), poster=poster)

    return app


def _find(reader: Reader, owner: TaskKey, index: int) -> Video | None:
    if not owner.dag_id or not reader.may_read(owner.dag_id):
        return None
    with create_session() as session:
        return find_video(session, owner, index)


async def _guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Add what keeps a browser from doing more with an answer than it should."""
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    # Links die, and rights change.
    response.headers["Cache-Control"] = "no-store"
    return response
