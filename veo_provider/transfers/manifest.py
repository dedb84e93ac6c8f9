# SPDX-License-Identifier: Apache-2.0
"""A document beside each stored video: what was asked for, what it cost, and what is there."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from veo_provider.operators.xcoms import GENERATION_XCOM
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
        if not _is_ours(destination.read_text(name + SUFFIX))
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
        destination.write_text(name + SUFFIX, json.dumps(document, indent=1, ensure_ascii=False))


def find_facts(ti: Any, task_ids: Iterable[str], generation_id: str, log: logging.Logger | Any) -> Mapping[str, Any]:
    """
    Return what the task that generated a video has said of it, if that is one of the tasks right before this one.

    :param ti: the transfer's task instance.
    :param task_ids: the tasks right before it.
    :param generation_id: the generation.
    :param log: the task's logger.
    """
    for task_id in sorted(task_ids):
        # Of a mapped task first the one of the same index: there may be hundreds.
        for which in ({"map_indexes": [ti.map_index]}, {}):
            try:
                found = ti.xcom_pull(task_ids=[task_id], key=GENERATION_XCOM, **which)
            except Exception as error:  # noqa: BLE001 - an XCom backend raises classes of its own
                log.warning("The XCom %s of %s couldn't be read: %s", GENERATION_XCOM, task_id, type(error).__name__)
                continue
            for facts in found if isinstance(found, list) else [found]:
                if isinstance(facts, dict) and facts.get("generation_id") == generation_id:
                    return facts
    log.info("No task right before this one has said what generation %s was made of", generation_id)
    return {}


def _is_ours(text: str | None) -> bool:
    """Whether a text is a manifest of ours, or nothing at all."""
    if text is None:
        return True
    try:
        document = json.loads(text)
    except ValueError:
        return False
    return isinstance(document, dict) and "manifest_version" in document
