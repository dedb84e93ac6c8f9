# SPDX-License-Identifier: Apache-2.0
"""Makes a task process kill itself at a named point, once, if a file says so. Imported by the chaos DAGs alone.

A file ``armed/POINT@RUN@TASK@MAPINDEX`` (or ``armed/POINT@any-N`` for whoever comes first) in the folder named by
``VEO_CHAOS`` arms a point; its text says who dies: the ``task``, its ``supervisor``, or ``both``. Whoever fires
moves it to ``fired`` first, so it fires once, and the tests can count.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = "VEO_CHAOS"
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Point:
    """
    Where a process may die.

    :param where: ``module:name`` or ``module:Class.name`` of the function to wrap.
    :param when: before it, or after it (whether it returns or raises).
    :param within: only while this function runs.
    :param pause: seconds to wait first, for others to do their part.
    :param after_bytes: only once its results have this length together.
    :param state: only if its second argument is this task state.
    """

    where: str
    when: str
    within: str | None = None
    pause: float = 0.0
    after_bytes: int = 0
    state: str | None = None


_SUBMIT = "veo_provider.hooks.veo:VeoHook.submit"
_OPERATOR = "veo_provider.operators.veo:VeoGenerateOperator"
_FINALIZE = "airflow.sdk.execution_time.task_runner:finalize"

# In the order in which a task meets them.
POINTS: dict[str, Point] = {
    "before the intent": Point("veo_provider.ledger.stores:TaskStateLedger.claim", BEFORE),
    "after the intent": Point("veo_provider.ledger.stores:TaskStateLedger.claim", AFTER),
    # The headers are out, the body isn't: the gateway can't have accepted it.
    "half sent": Point("veo_provider.hooks.http_sync:_WatchedBody.read", BEFORE, within=_SUBMIT, pause=0.5),
    # All is out, and the gateway has the time to accept it.
    "sent, unanswered": Point("urllib3.connection:HTTPConnection.getresponse", BEFORE, within=_SUBMIT, pause=1.0),
    "answered, id unwritten": Point(_SUBMIT, AFTER),
    "id written": Point("veo_provider.operators.bookkeeping:Book.keep", AFTER),
    "before the deferral": Point("veo_provider.operators.running:defer_for", BEFORE),
    "end of execute": Point(f"{_OPERATOR}.execute", AFTER),
    "deferral recorded": Point(_FINALIZE, BEFORE, state="deferred"),
    "back from the trigger": Point(f"{_OPERATOR}.execute_complete", BEFORE),
    "before done is written": Point("veo_provider.operators.bookkeeping:Book.done", BEFORE),
    "done written": Point("veo_provider.operators.bookkeeping:Book.done", AFTER),
    "end of execute_complete": Point(f"{_OPERATOR}.execute_complete", AFTER),
    "success recorded": Point(_FINALIZE, BEFORE, state="success"),
    "before the upload": Point("veo_provider.transfers.s3:S3Destination.write", BEFORE),
    "inside the upload": Point("veo_provider.api.result:VideoStream.read", AFTER, after_bytes=17_000_000),
    "uploaded": Point("veo_provider.transfers.s3:S3Destination.write", AFTER),
    "end of the transfer": Point("veo_provider.transfers.veo_to_s3:VeoToS3Operator.execute", AFTER),
}
# A task that dies between these can't know whether the gateway has accepted its request.
UNKNOWABLE = ("after the intent", "half sent", "sent, unanswered", "answered, id unwritten")
OF_THE_TRANSFER = ("before the upload", "inside the upload", "uploaded", "end of the transfer")


def arm(folder: Path, point: str, target: str, whom: str = "task") -> None:
    """Arm a point for ``RUN@TASK@MAPINDEX``, or for ``any-N``."""
    if point not in POINTS:
        raise ValueError(f"no point {point!r}")
    for name in ("armed", "fired"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "armed" / f"{point}@{target}").write_text(whom)


def fired(folder: Path) -> list[str]:
    """What has fired so far."""
    return sorted(path.name for path in (folder / "fired").glob("*"))


def disarm(folder: Path) -> list[str]:
    """Take back what hasn't fired; return it."""
    armed = sorted((folder / "armed").glob("*"))
    for path in armed:
        path.unlink(missing_ok=True)
    return [path.name for path in armed]


def install() -> None:
    """Wrap the functions of all points, in this process, once."""
    if FOLDER not in os.environ:
        return
    for name, point in POINTS.items():
        if point.within is not None:
            _wrap(point.within, f"inside {point.within}", _track)
        _wrap(point.where, name, functools.partial(_dying, name, point))


_inside: set[str] = set()


def _wrap(where: str, mark: str, make: Callable[..., Callable[..., Any]]) -> None:
    module, _, path = where.partition(":")
    holder: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        holder = getattr(holder, parent)
    function = getattr(holder, name)
    marks: set[str] = getattr(function, "chaos", set())
    if mark in marks:
        return
    wrapper = functools.wraps(function)(make(function, where))
    wrapper.chaos = marks | {mark}  # type: ignore[attr-defined]
    setattr(holder, name, wrapper)


def _track(function: Callable[..., Any], where: str) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        _inside.add(where)
        try:
            return function(*args, **kwargs)
        finally:
            _inside.discard(where)

    return wrapper


def _dying(name: str, point: Point, function: Callable[..., Any], where: str) -> Callable[..., Any]:
    seen = 0

    def due(args: tuple[Any, ...]) -> bool:
        if point.within is not None and point.within not in _inside:
            return False
        return point.state is None or str(getattr(args[1], "value", args[1])) == point.state

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        if point.when == BEFORE and due(args):
            _die_if_armed(name, point, args)
        try:
            result = function(*args, **kwargs)
            seen += len(result) if point.after_bytes else 0
        finally:
            if point.when == AFTER and seen >= point.after_bytes and due(args):
                _die_if_armed(name, point, args)
        return result

    return wrapper


def _die_if_armed(name: str, point: Point, args: tuple[Any, ...]) -> None:
    folder = Path(os.environ[FOLDER])
    ti = _task_instance(args)
    if ti is None:
        return
    mine = folder / "armed" / f"{name}@{ti.run_id}@{ti.task_id}@{ti.map_index}"
    for path in [mine, *sorted((folder / "armed").glob(f"{name}@any-*"))]:
        try:
            whom = path.read_text()
            path.rename(folder / "fired" / f"{path.name}@{ti.run_id}@{ti.map_index}@{ti.try_number}")
        except FileNotFoundError:
            continue
        time.sleep(point.pause)
        if whom in ("supervisor", "both"):
            os.kill(os.getppid(), signal.SIGKILL)
        if whom in ("task", "both"):
            os.kill(os.getpid(), signal.SIGKILL)
        return


def _task_instance(args: tuple[Any, ...]) -> Any:
    from airflow.sdk import get_current_context

    if args and hasattr(args[0], "run_id"):
        return args[0]
    try:
        return get_current_context()["ti"]
    except Exception:  # noqa: BLE001 - outside of a task nobody dies
        return None
