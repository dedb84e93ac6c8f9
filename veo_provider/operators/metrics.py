# SPDX-License-Identifier: Apache-2.0
"""What is counted, through Airflow's own metrics: StatsD or OpenTelemetry, as the deployment has set it up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

COUNTED = {
    "veo.submitted": "generations: requests that the gateway has taken, and bills",
    "veo.cost_cents": "US cents: their estimated cost, where the connection has a price",
    "veo.succeeded": "tries that ended with a video",
    "veo.failed": "tries that ended without one; the reason is appended: veo.failed.content_policy",
    "veo.filtered": "videos that a safety filter has taken out of a generation that has others",
    "veo.video_seconds": "seconds of video that tries ended with",
    "veo.polls": "polls of the generations that have ended",
    "veo.stored": "videos that a transfer has stored",
    "veo.stored_bytes": "bytes of them",
    "veo.media_differs": "stored videos that aren't what was asked for",
}
TIMED = {"veo.wait": "from the submit until the task knows the end, in milliseconds"}

log = logging.getLogger(__name__)


class Metrics:
    """
    Counts for one task. Whatever goes wrong with that is no reason to fail a task that has paid.

    :param task: what has a ``dag_id`` and a ``task_id``, which become tags.
    """

    def __init__(self, task: Any) -> None:
        self._tags = {"dag_id": str(task.dag_id), "task_id": str(task.task_id)}

    def about(self, model: Any) -> None:
        """Add the model to the tags, if it is known."""
        if model:
            self._tags["model"] = str(model)

    def count(self, name: str, by: float = 1, detail: str = "") -> None:
        """Count; nothing if ``by`` is 0."""
        assert name in COUNTED, name

        def send(stats: Any) -> None:
            if round(by) > 0:
                stats.incr(f"{name}.{detail}" if detail else name, round(by), tags=dict(self._tags))

        self._safely(send)

    def time(self, name: str, seconds: float) -> None:
        """Note how long something took."""
        assert name in TIMED, name
        self._safely(lambda stats: stats.timing(name, timedelta(seconds=seconds), tags=dict(self._tags)))

    def _safely(self, send: Callable[[Any], object]) -> None:
        try:
            from airflow.providers.common.compat.sdk import Stats

            send(Stats)
        except Exception:
            log.debug("A metric wasn't sent", exc_info=True)
