# SPDX-License-Identifier: Apache-2.0
"""What tests need of Airflow's inside, from where each version has it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


def _first(*places: str) -> Any:
    """The first of these that there is."""
    for place in places:
        module, _, name = place.rpartition(".")
        with suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(module), name)
    raise ImportError(f"none of {places}")


attach = _first("airflow.sdk.io.attach", "airflow.io.store.attach")
deserialize = _first("airflow.sdk.serde.deserialize", "airflow.serialization.serde.deserialize")
serialize = _first("airflow.sdk.serde.serialize", "airflow.serialization.serde.serialize")
NoStatsLogger = _first(
    "airflow.sdk._shared.observability.metrics.base_stats_logger.NoStatsLogger",
    "airflow.metrics.base_stats_logger.NoStatsLogger",
)
OutletEventAccessors = _first(
    "airflow.sdk.execution_time.context.OutletEventAccessors", "airflow.utils.context.OutletEventAccessors"
)
SandboxedEnvironment = _first(
    "airflow.sdk.definitions._internal.templater.SandboxedEnvironment", "airflow.templates.SandboxedEnvironment"
)


def outlet_events(accessors: Any) -> list[dict[str, Any]]:
    """What Airflow will make events of: their ``extra``, the asset's ``uri``, and the ``alias`` that they came by."""
    with suppress(ImportError):
        from airflow.sdk.execution_time.task_runner import _serialize_outlet_events

        made: Any = list(_serialize_outlet_events(accessors))
        return [
            {"extra": one["extra"], "uri": one["dest_asset_key"]["uri"], "alias": one.get("source_alias_name")}
            for one in made
        ]
    events = []
    for uri, accessor in accessors._dict.items():
        by_alias = [
            {"extra": one["extra"], "uri": one["dest_dataset_uri"], "alias": one["source_alias_name"]}
            for one in accessor.dataset_alias_events
        ]
        events += by_alias or [{"extra": accessor.extra, "uri": uri, "alias": None}]
    return events


@contextmanager
def metrics_into(backend: Any) -> Iterator[None]:
    """Let Airflow's metrics go into a backend of ours."""
    stats = importlib.import_module("airflow.providers.common.compat.sdk").Stats
    module: Any = importlib.import_module(stats.__module__)
    if hasattr(module, "_factory"):
        kept = module._factory, module._export_legacy_names
        module.initialize(factory=lambda: backend, export_legacy_names=False)
        yield
        module.initialize(factory=kept[0] or NoStatsLogger, export_legacy_names=kept[1])
    else:
        kept = stats.instance, getattr(stats, "_instance_pid", None)
        stats.instance, stats._instance_pid = backend, os.getpid()
        yield
        stats.instance, stats._instance_pid = kept
