# SPDX-License-Identifier: Apache-2.0
"""Finds generations and their videos in Airflow's database, newest first."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import Row, Select, Text, and_, cast, false, or_, select, tuple_
from sqlalchemy.orm import Session

from veo_provider.api.calls import id_problem
from veo_provider.operators.xcoms import GENERATION_XCOM, VIDEOS_XCOM
from veo_provider.ui.facts import TaskKey, Video, describe, read_facts, read_videos, states_of

MAX_SCANNED = 2000
"""Rows that one request looks through for those in the state that is asked for."""

MAX_LOOKED_UP = 120
"""Of these, those whose videos it looks up to know their state."""

MAX_ELSEWHERE = 500
MAX_OF_TRANSFER = 100
"""Generations that a transfer's own tab begins with; the database is asked for each of them by its id."""

_OWNER = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)
_ORDER = (XComModel.timestamp, XComModel.dag_run_id, XComModel.task_id, XComModel.map_index)


@dataclass(frozen=True)
class Scope:
    """
    Which generations are wanted; ``None`` leaves a field open.

    :param dag_id: of which DAG, with the three that follow.
    :param map_index: -1 for a task that isn't mapped.
    """

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None

    def clauses(self) -> Iterator[Any]:
        """Yield it as conditions on XComs."""
        for column, value in zip(_OWNER, (self.dag_id, self.run_id, self.task_id, self.map_index), strict=True):
            if value is not None:
                yield column == value


@dataclass(frozen=True)
class Cursor:
    """Where a page ends: what comes after it is older."""

    at: datetime
    dag_run_id: int
    task_id: str
    map_index: int

    def __str__(self) -> str:
        values = [self.at.isoformat(), self.dag_run_id, self.task_id, self.map_index]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()

    @classmethod
    def read(cls, text: str) -> Self:
        """
        Read what :meth:`__str__` has made.

        :raises ValueError: it is something else.
        """
        try:
            at, dag_run_id, task_id, map_index = json.loads(base64.urlsafe_b64decode(text))
            when = datetime.fromisoformat(at)
            made = cls(when.astimezone(UTC), dag_run_id, task_id, map_index)
        except (OverflowError, TypeError, ValueError) as error:
            raise ValueError(f"no cursor: {error}") from None
        kinds = [type(value) for value in (dag_run_id, task_id, map_index)]
        if kinds != [int, str, int] or when.tzinfo is None or max(abs(dag_run_id), abs(map_index)) >= 2**31:
            raise ValueError("no cursor")
        if not task_id.isprintable() or len(task_id) > 250:
            raise ValueError("no cursor")
        return made


@dataclass(frozen=True)
class Page:
    """
    A page of generations.

    :param generations: what is said of each.
    :param cursor: where the next page begins; ``None`` after the last.
    """

    generations: list[dict[str, Any]]
    cursor: Cursor | None


def list_generations(
    session: Session, dag_ids: Collection[str], scope: Scope, state: str | None, after: Cursor | None, limit: int
) -> Page:
    """
    Return a page of generations. A page may have fewer than ``limit`` and yet not be the last.

    :param session: of the metadata database.
    :param dag_ids: the DAGs that may be read.
    :param scope: which generations are wanted.
    :param state: only those in this state.
    :param after: where the page before ended.
    :param limit: how many at most.
    """
    found: list[dict[str, Any]] = []
    if after is None and None not in (scope.dag_id, scope.run_id, scope.task_id):
        found += _of_transfer(session, dag_ids, scope, state)
    wanted = limit if state is None else MAX_SCANNED
    rows = session.execute(_generations(dag_ids, scope, after).limit(wanted)).all()
    end = _after(rows[-1]) if len(rows) == wanted else None
    fitting = [row for row in rows if state is None or state in _states(row)]
    if len(fitting) > MAX_LOOKED_UP:
        fitting = fitting[:MAX_LOOKED_UP]
        end = _after(fitting[-1])
    for start in range(0, len(fitting), limit):
        some = fitting[start : start + limit]
        videos = _videos_of(session, dag_ids, some)
        for row in some:
            found += _describe([row], videos, state)
            if len(found) >= limit:
                return Page(found, _after(row))
    return Page(found, end)


def dags_with_facts(session: Session, dag_ids: Collection[str]) -> dict[str, set[str]]:
    """Return the DAGs that have generated or stored anything, and which of the two XComs they have."""
    keys = XComModel.key.in_((GENERATION_XCOM, VIDEOS_XCOM))
    found: dict[str, set[str]] = {}
    for dag_id, key in session.execute(
        select(XComModel.dag_id, XComModel.key).where(keys, XComModel.dag_id.in_(dag_ids)).distinct()
    ):
        found.setdefault(dag_id, set()).add(key)
    return found


def find_video(session: Session, owner: TaskKey, index: int) -> Video | None:
    """
    Return a video that a task instance has recorded.

    :param session: of the metadata database.
    :param owner: the task instance.
    :param index: which of its videos.
    """
    scope = Scope(**owner.as_dict())
    for value in session.scalars(select(XComModel.value).where(XComModel.key == VIDEOS_XCOM, *scope.clauses())):
        for video in read_videos(owner, value):
            if video.index == index:
                return video
    return None


def _generations(dag_ids: Collection[str], scope: Scope, after: Cursor | None) -> Select[Any]:
    query = (
        select(*_ORDER, XComModel.dag_id, XComModel.run_id, XComModel.value, TaskInstance.state)
        .join(TaskInstance, and_(*(getattr(TaskInstance, column.key) == column for column in _OWNER)))
        .where(XComModel.key == GENERATION_XCOM, XComModel.dag_id.in_(dag_ids), *scope.clauses())
        .order_by(*(column.desc() for column in _ORDER))
    )
    if after is None:
        return query
    values = (after.at, after.dag_run_id, after.task_id, after.map_index)
    return query.where(tuple_(*_ORDER) < tuple_(*values, types=[column.type for column in _ORDER]))


def _of_transfer(session: Session, dag_ids: Collection[str], scope: Scope, state: str | None) -> list[dict[str, Any]]:
    """Return the generations whose videos a task instance has stored: they may be of another task, run or DAG."""
    videos: dict[str, list[Video]] = {}
    newest_first = _videos(dag_ids).where(*scope.clauses()).order_by(XComModel.timestamp.desc())
    for video in _read(session.execute(newest_first.limit(MAX_OF_TRANSFER)).all()):
        if video.generation_id in videos or len(videos) < MAX_OF_TRANSFER:
            videos.setdefault(video.generation_id, []).append(video)
    if not videos:
        return []
    rows = session.execute(_generations(dag_ids, Scope(), None).where(_names(videos)).limit(MAX_ELSEWHERE)).all()
    newest = {_id_of(row): row for row in reversed(rows)}
    found = _describe([row for gid, row in newest.items() if gid in videos], videos, state)
    # Its own task may have been deleted, or belong to a DAG that this user may not read.
    bare = [describe(kept[0].owner, {"generation_id": gid}, "success", kept) for gid, kept in videos.items()]
    return found + [one for one in bare if one["generation_id"] not in newest and state in (None, one["state"])]


def _videos_of(session: Session, dag_ids: Collection[str], rows: Collection[Row[Any]]) -> dict[str, list[Video]]:
    """Return the videos of generations by their ids: those stored beside them, or else anywhere."""
    wanted = {gid for row in rows if (gid := _id_of(row))}
    runs = {row.dag_run_id for row in rows}
    found: dict[str, list[Video]] = {}
    # A run may have stored thousands: a mapped transfer has the index of what it stores.
    beside = XComModel.map_index.in_({row.map_index for row in rows} | {-1})
    _sort_in(found, wanted, session.execute(_videos(dag_ids).where(XComModel.dag_run_id.in_(runs), beside)).all())
    missing = [row for row in rows if (gid := _id_of(row)) and gid not in found and "succeeded" in _states(row)]
    if missing:
        later = XComModel.timestamp > min(row.timestamp for row in missing)
        ids = {_id_of(row) for row in missing}
        query = _videos(dag_ids).where(or_(XComModel.dag_run_id.in_(runs), later), _names(ids))
        newest_first = query.order_by(XComModel.timestamp.desc())
        _sort_in(found, ids, session.execute(newest_first.limit(MAX_ELSEWHERE)).all())
    return found


def _sort_in(found: dict[str, list[Video]], wanted: Collection[str], rows: Iterable[Row[Any]]) -> None:
    for video in _read(rows):
        if video.generation_id not in wanted:
            continue
        kept = found.setdefault(video.generation_id, [])
        # Several tasks may have stored the same one.
        if video.index not in {other.index for other in kept}:
            kept.append(video)


def _videos(dag_ids: Collection[str]) -> Select[Any]:
    return select(*_OWNER, XComModel.value).where(XComModel.key == VIDEOS_XCOM, XComModel.dag_id.in_(dag_ids))


def _names(generation_ids: Iterable[str]) -> Any:
    """Return the condition that an XCom's text holds one of the ids."""
    text = cast(XComModel.value, Text)
    spelled = {one for gid in generation_ids if not id_problem(gid) for one in _spellings(gid)}
    return or_(false(), *(text.contains(one, autoescape=True) for one in sorted(spelled)))


def _spellings(generation_id: str) -> set[str]:
    """Return how databases spell an id: in JSON, or in the text of JSON that Airflow's own server makes of an XCom."""
    once = {json.dumps(generation_id, ensure_ascii=plain)[1:-1] for plain in (True, False)}
    return once | {json.dumps(one, ensure_ascii=plain)[1:-1] for one in once for plain in (True, False)}


def _read(rows: Iterable[Row[Any]]) -> Iterator[Video]:
    for row in rows:
        yield from read_videos(_owner(row), row.value)


def _describe(rows: Iterable[Row[Any]], videos: Mapping[str, list[Video]], state: str | None) -> list[dict[str, Any]]:
    described = (describe(_owner(row), row.value, row.state, videos.get(_id_of(row), [])) for row in rows)
    return [one for one in described if state in (None, one["state"])]


def _owner(row: Row[Any]) -> TaskKey:
    return TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index)


def _after(row: Row[Any]) -> Cursor:
    return Cursor(row.timestamp, row.dag_run_id, row.task_id, row.map_index)


def _states(row: Row[Any]) -> set[str]:
    return states_of(read_facts(row.value), row.state)


def _id_of(row: Row[Any]) -> str:
    gid = read_facts(row.value).get("generation_id")
    return gid if isinstance(gid, str) and not id_problem(gid) else ""
