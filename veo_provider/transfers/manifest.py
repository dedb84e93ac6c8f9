# SPDX-License-Identifier: Apache-2.0
"""A document beside each stored video: what was asked for, what it cost, and what is there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from veo_provider.transfers.stored import Destination, Marks, StoredVideo

SUFFIX = ".manifest.json"
VERSION = 1
_TIMES = ("submitted_at", "ended_at")


def refusals(destination: Destination, names: Iterable[str]) -> list[str]:
    """
    Say which manifests can't be written because something else has their name.

    :param destination: the store.
    :param names: the videos' names.
    """
    return [
        f"{destination.uri(name + SUFFIX)} holds something that isn't a manifest of this provider: remove it, or allow "
        "it to be replaced"
        for name in names
        if not _is_ours(destination.read_small(name + SUFFIX))
    ]


def write_manifests(
    destination: Destination, stored: Iterable[tuple[str, Marks, StoredVideo]], facts: Mapping[str, Any]
) -> None:
    """
    Write a manifest beside each video; a retry writes it again.

    :param destination: the store.
    :param stored: of each video its name, its marks and what is known of it.
    :param facts: the XCom ``veo_generation``, as far as it could be found.
    """
    asked = facts.get("request") if isinstance(facts.get("request"), dict) else {}
    for name, marks, video in stored:
        document = {
            "manifest_version": VERSION,
            "provider_version": version("airflow-provider-veo"),
            **video.as_dict(),
            "count": marks.count,
            "stored_by": dict(zip(("dag_id", "task_id", "run_id", "map_index"), marks.task, strict=True)),
            "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "request": asked or None,
            "model": (asked or {}).get("model"),
            "seed": (asked or {}).get("seed"),
            "cost_usd": facts.get("cost_usd", "unknown"),
            **{name: facts.get(name) for name in _TIMES},
        }
        text = json.dumps(document, indent=1, ensure_ascii=False)
        destination.write_small(name + SUFFIX, text.encode(), "application/json")


def _is_ours(data: bytes | None) -> bool:
    """Whether this is a manifest of ours, or nothing at all."""
    if data is None:
        return True
    try:
        document = json.loads(data)
    except ValueError:
        return False
    return isinstance(document, dict) and "manifest_version" in document
