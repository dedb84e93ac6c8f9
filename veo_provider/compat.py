# SPDX-License-Identifier: Apache-2.0
"""What older versions of Airflow lack, and words of Airflow's own. Nothing else in the package asks for a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow import __version__

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

AIRFLOW = tuple(int(part) for part in __version__.split(".")[:2])

TASK_STATE = AIRFLOW >= (3, 3)
"""Whether a task's context has a ``task_state_store``, where a submit is recorded without a folder."""

TRIGGER_ON_KILL = AIRFLOW >= (3, 3)
"""Whether a trigger hears that its task was ended by a person."""

PAGE = AIRFLOW >= (3, 1)
"""Whether the UI takes pages and tabs from plugins."""

CLASSES_IN_XCOMS = AIRFLOW >= (3, 3)
"""Whether a class may say itself that XComs carry it; elsewhere ``[core] allowed_deserialization_classes`` must."""

TRIGGER_FAILED = "__fail__"
"""Airflow's name for what comes after a deferral that it has ended itself."""

TRIGGER_TIMEOUTS = ("Trigger timeout", "Trigger/execution timeout")
"""Airflow's words for the end by its own limit; the last are 2.11's."""


def never_expire() -> Any:
    """Return what keeps a task state for ever."""
    if not TASK_STATE:
        return None
    from airflow.sdk.execution_time.context import NEVER_EXPIRE

    return NEVER_EXPIRE


def connection_of(path: ObjectStoragePath) -> str | None:
    """Return the id of the connection by which a path reaches its store."""
    # Before 3.2 it is one of the options.
    found: str | None = getattr(path, "conn_id", None) or path.storage_options.get("conn_id")
    return found
