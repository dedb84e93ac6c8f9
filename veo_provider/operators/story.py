# SPDX-License-Identifier: Apache-2.0
"""What a task says of its generation: in the log, and as facts in the XCom ``veo_generation``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from veo_provider.api.generation import Generation
from veo_provider.api.problem import Reason
from veo_provider.api.text import mapping
from veo_provider.exceptions import VeoError, VeoProtocolError
from veo_provider.operators.metrics import Metrics
from veo_provider.operators.xcoms import GENERATION_XCOM
from veo_provider.triggers.event import from_payload

if TYPE_CHECKING:
    import logging

    from airflow.providers.common.compat.sdk import Context

    from veo_provider.api.request import VeoRequest
    from veo_provider.api.waiting import Outcome, Seen
    from veo_provider.hooks.connection import VeoConnection


class Story:
    """
    Collects the facts of one try and tells them.

    :param context: the task's context.
    :param log: the task's logger.
    """

    def __init__(self, context: Context, log: logging.Logger | Any) -> None:
        self.ti = context["ti"]
        self.log = log
        self.facts: dict[str, Any] = {}
        self._metrics = Metrics(self.ti)
        self._failure_counted = False

    @classmethod
    def resumed(cls, context: Context, log: logging.Logger | Any) -> Self:
        """Take the facts up that the same try pushed before it deferred."""
        story = cls(context, log)
        ti = story.ti
        try:
            facts = ti.xcom_pull(task_ids=ti.task_id, key=GENERATION_XCOM, map_indexes=ti.map_index)
        except Exception as error:  # noqa: BLE001 - as in push()
            log.warning("The XCom %s couldn't be read: %s", GENERATION_XCOM, type(error).__name__)
            facts = None
        story.facts = dict(facts) if isinstance(facts, dict) else {}
        return story

    def asked(self, connection: VeoConnection, request: VeoRequest | None) -> None:
        """Note where to and what is asked for."""
        self.facts |= {"veo_conn_id": connection.conn_id, "base_url": connection.base_url}
        if request is not None:
            self.facts["request"] = request.summary()
            cost = connection.prices.estimate(request)
            # Never 0 where nobody knows.
            self.facts["cost_usd"] = "unknown" if cost is None else cost

    def asked_before(self, model: str) -> None:
        """Note that an earlier try asked for something else, of which only the model is known."""
        self.facts |= {"request": {"model": model} if model else {}, "cost_usd": "unknown"}

    def begin(self, generation_id: str, submitted_at: float | None, *, is_new: bool) -> None:
        """Note the generation id, as soon as there is one."""
        self.facts |= {"generation_id": generation_id, "status": "submitted", "reason": None}
        if submitted_at is not None:
            self.facts["submitted_at"] = self.facts["status_at"] = _iso(submitted_at)
        if is_new:
            self._count_submit()
        else:
            self.log.info("Taking up generation %s: nothing is submitted", generation_id)
        self.push()

    def waits(self, seen: Seen) -> None:
        """Push what the gateway says before the waiting; what it says later is in the trigger's log."""
        if isinstance(seen, Generation):
            self.facts |= {"status": seen.status or "waiting", "status_at": _iso(time.time())}
        self.push()

    def read(self, event: Any) -> Outcome:
        """Read the trigger's event, and refuse that of another generation."""
        expected = self.facts.get("generation_id")
        try:
            outcome = from_payload(event)
        except (ValueError, TypeError) as error:
            # Triggerer and worker may have different versions; as an ordinary error it would be retried.
            raise VeoProtocolError(f"The trigger's event can't be read: {error}", generation_id=expected) from None
        if expected not in (None, outcome.generation_id):
            raise VeoProtocolError(f"The event is of generation {outcome.generation_id}, not of {expected}")
        return outcome

    def end(self, outcome: Outcome) -> None:
        """Tell how it went: the triggerer's own log may be lost."""
        start = _epoch(self.facts.get("submitted_at"))
        steps = [
            f"{status or 'waiting'} {f'after {at - start:.0f} s' if start else f'at {_iso(at)}'}"
            for status, at in outcome.history
        ]
        if steps:
            self.log.info(
                "Generation %s was seen as %s (%d polls)", outcome.generation_id, ", ".join(steps), outcome.polls
            )
        self.facts |= {
            "generation_id": outcome.generation_id,
            "status": outcome.status,
            "status_at": _iso(outcome.history[-1][1] if outcome.history else time.time()),
            "reason": outcome.reason.value if outcome.reason else None,
            "message": outcome.message,
            "videos": outcome.videos,
            "filtered": outcome.filtered,
            "ended_at": _iso(time.time()),
        }
        if outcome.reason is None:
            took = f" after {time.time() - start:.0f} s" if start else ""
            asked = self._request.get("sample_count", outcome.videos)
            short = f" of the {asked} asked for" if 0 < outcome.videos < asked else ""
            say = self.log.warning if outcome.filtered or short else self.log.info
            say("Generation %s is done%s: %s%s", outcome.generation_id, took, outcome.message, short)
            self._count_success(outcome, time.time() - start if start else None)
        else:
            self._count_failure(outcome.reason)
        self._metrics.count("veo.polls", outcome.polls)

    def failed(self, error: VeoError, *, buys: bool) -> None:
        """
        Note why there is no video.

        :param error: why.
        :param buys: this try wanted to submit, and hasn't: a generation that the error names is an earlier one's.
        """
        lost = error.reason is Reason.UNKNOWN_SUBMIT
        generation_id = None if buys else error.generation_id or self.facts.get("generation_id")
        known = self.facts.get("status") or ("submitted" if generation_id else "not submitted")
        self.facts |= {
            "generation_id": generation_id,
            "status": "unknown" if lost else known,
            "reason": error.reason.value,
            "message": str(error),
        }
        self._count_failure(error.reason)

    def push(self) -> None:
        """Push the facts; that they can't be is no reason to fail a task that has paid."""
        try:
            self.ti.xcom_push(key=GENERATION_XCOM, value=self.facts)
        except Exception as error:  # noqa: BLE001
            self.log.warning("The XCom %s couldn't be pushed: %s", GENERATION_XCOM, type(error).__name__)

    @property
    def _request(self) -> Mapping[str, Any]:
        """What was asked for, as far as it is known: an XCom holds whatever somebody has put there."""
        return mapping(self.facts.get("request"))

    def _count_submit(self) -> None:
        self._metrics.about(self._request.get("model"))
        self._metrics.count("veo.submitted")
        cost = self.facts.get("cost_usd")
        self._metrics.count("veo.cost_cents", 100 * cost if isinstance(cost, (int, float)) else 0)

    def _count_success(self, outcome: Outcome, seconds: float | None) -> None:
        self._metrics.about(self._request.get("model"))
        self._metrics.count("veo.succeeded")
        self._metrics.count("veo.filtered", outcome.filtered)
        self._metrics.count("veo.video_seconds", outcome.videos * self._request.get("duration_seconds", 0))
        if seconds is not None:
            self._metrics.time("veo.wait", seconds)

    def _count_failure(self, reason: Reason) -> None:
        """Count it once: how a generation ended becomes the error of its task."""
        if not self._failure_counted:
            self._metrics.about(self._request.get("model"))
            self._metrics.count("veo.failed", detail=reason.value)
        self._failure_counted = True


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")


def _epoch(iso: Any) -> float | None:
    return datetime.fromisoformat(iso).timestamp() if isinstance(iso, str) else None
