# SPDX-License-Identifier: Apache-2.0
"""Where a task's record is kept: in Airflow's task state, in a folder, or nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.sdk import conf

from veo_provider.api.locations import is_absolute
from veo_provider.compat import never_expire
from veo_provider.ledger.folder import FolderLedger
from veo_provider.ledger.record import Record

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

TASK_STATE_KEY = "veo_submit"
DEFAULT_DEPLOYMENT = "default"
DEFAULT_DEAD_AFTER = 7200.0
MIN_DEAD_AFTER = 600.0
"""Ten minutes is the longest that a generation is reported to take."""


class Ledger(Protocol):
    """
    Keeps the record of one task's latest submit. Whatever a store raises passes through.

    :param crash_safe: whether a later try can read what an earlier one wrote.
    :param outlives_runs: whether records stay when their DAG run is deleted.
    """

    crash_safe: bool
    outlives_runs: bool

    def read(self) -> Record | None:
        """Return the record; ``None`` if this task has never written one."""

    def claim(self, record: Record, after: Record | None) -> bool:
        """
        Write an intent to send.

        :param record: the intent.
        :param after: the record on which it was decided; if there is another one by now, somebody else is at it.
        :returns: whether it stands: only whoever holds the intent may send.
        """

    def write(self, record: Record) -> None:
        """Write what became of the submit whose intent stands."""


class TaskStateLedger:
    """
    The record in Airflow's ``task_state_store`` (3.3 and later), which retries and clears leave alone.

    :param store: the store, as in the task's context.
    """

    crash_safe = True
    outlives_runs = False
    where = f"the task state {TASK_STATE_KEY!r} of this task instance"

    def __init__(self, store: Any) -> None:
        self._store = store

    def read(self) -> Record | None:
        """Return the record."""
        values = self._store.get(TASK_STATE_KEY)
        return None if values is None else Record.read(values, self.where)

    def claim(self, record: Record, after: Record | None) -> bool:
        """
        Write an intent and read it back, unless another process was faster.

        The store takes whatever comes from the task instance that is valid now, and of one try there may be two
        processes. The moment between looking and writing stays open, some milliseconds.
        """
        if _nonce(self.read()) != _nonce(after):
            return False
        self.write(record)
        return _nonce(self.read()) == record.nonce

    def write(self, record: Record) -> None:
        """Write the record; Airflow would drop it after 30 days otherwise."""
        self._store.set(TASK_STATE_KEY, record.as_dict(), retention=never_expire())


class NoLedger:
    """Nothing is kept, so every try submits anew."""

    crash_safe = False
    outlives_runs = False

    def read(self) -> None:
        """Know nothing."""

    def claim(self, record: Record, after: Record | None) -> bool:  # noqa: ARG002
        """Let everybody send."""
        return True

    def write(self, record: Record) -> None:
        """Forget it."""


def _nonce(record: Record | None) -> str | None:
    return None if record is None else record.nonce


def ledger_for(context: Context) -> Ledger:
    """
    Return the ledger of a task: a folder where ``[veo] ledger_path`` names one, else Airflow's own store.

    :param context: the task's context.
    """
    store = context.get("task_state_store")
    without_folder = NoLedger() if store is None else TaskStateLedger(store)
    if (folder := folder_from_config()) is None:
        return without_folder
    ti = context["ti"]
    map_index = getattr(ti, "map_index", None)
    task = (ti.dag_id, ti.run_id, ti.task_id, str(-1 if map_index is None else map_index))
    # The folder may have been named between a try and its retry.
    return FolderLedger(folder, task, before=without_folder.read)


def dead_after() -> float:
    """
    Return the seconds of ``[veo] generation_dead_after``: older without an end is dead, for a clear.

    :raises ValueError: it is no such number, or so small that a clear would buy while a generation is under way.
    """
    text = str(conf.get("veo", "generation_dead_after", fallback="") or "").strip()
    try:
        seconds = float(text or DEFAULT_DEAD_AFTER)
    except ValueError:
        seconds = 0.0
    if not seconds >= MIN_DEAD_AFTER:
        raise ValueError(
            f"[veo] generation_dead_after must be a number of seconds of at least {MIN_DEAD_AFTER:g}, not {text!r}"
        )
    return seconds


def folder_from_config() -> str | None:
    """
    Return the folder for all records of this deployment, from ``[veo] ledger_path`` and ``deployment``.

    :raises ValueError: the folder would be another one for each process.
    """
    path = str(conf.get("veo", "ledger_path", fallback="") or "").strip()
    deployment = str(conf.get("veo", "deployment", fallback="") or "").strip() or DEFAULT_DEPLOYMENT
    if path and not is_absolute(path):
        raise ValueError(f"{path!r} is no absolute path; a local folder is file:///with/three/slashes")
    return f"{path.rstrip('/')}/{deployment}" if path else None
