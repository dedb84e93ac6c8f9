# SPDX-License-Identifier: Apache-2.0
"""Waits for one generation on the triggerer, so that no worker slot waits."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from veo_provider.api.problem import Reason
from veo_provider.api.waiting import Outcome, WaitPlan
from veo_provider.triggers.event import to_payload


class VeoGenerationTrigger(BaseTrigger):
    """
    Poll one generation until it has ended or the deadline has come, then fire one event.

    It never submits (a trigger runs again at every restart of the triggerer), never reads a video, and never
    raises: what goes wrong is an event with a reason code, from which the worker raises the real exception.

    :param generation_id: the gateway's id.
    :param veo_conn_id: the connection; looked up on the triggerer, so that no key is stored with the trigger.
    :param deadline: epoch seconds at which to give up waiting. A restart doesn't move it.
    :param poll_interval: seconds between two polls.
    :param first_poll_at: epoch seconds before which there is no poll.
    :param submitted_at: epoch seconds of the submit, if it was ours: a gateway may not know an id at once.
    :param model: by which model: until its usual time, as this triggerer knows it, there are fewer polls. ``None``
        keeps to ``poll_interval``.
    """

    def __init__(
        self,
        generation_id: str,
        veo_conn_id: str,
        deadline: float,
        poll_interval: float,
        first_poll_at: float,
        submitted_at: float | None = None,
        model: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.generation_id = generation_id
        self.veo_conn_id = veo_conn_id
        self.deadline = deadline
        self.poll_interval = poll_interval
        self.first_poll_at = first_poll_at
        self.submitted_at = submitted_at
        self.model = model

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; ids and numbers only."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "generation_id": self.generation_id,
            "veo_conn_id": self.veo_conn_id,
            "deadline": self.deadline,
            "poll_interval": self.poll_interval,
            "first_poll_at": self.first_poll_at,
            "submitted_at": self.submitted_at,
            "model": self.model,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire one event with the outcome."""
        try:
            # The first import takes a third of a second, which every other trigger would wait for.
            hooks = await asyncio.to_thread(importlib.import_module, "veo_provider.hooks.veo_async")
            async with hooks.VeoAsyncHook(self.veo_conn_id) as hook:
                outcome = await hook.wait(
                    WaitPlan(
                        self.generation_id,
                        self.deadline,
                        self.poll_interval,
                        self.first_poll_at,
                        self.submitted_at,
                        self.model,
                    )
                )
        except Exception as error:  # Airflow would drop the type and print the text unmasked
            self.log.exception("Waiting for generation %s broke off", self.generation_id)
            outcome = Outcome(
                self.generation_id,
                Reason.INTERNAL,
                f"Waiting broke off with {type(error).__name__}; the generation goes on at the gateway. The "
                "triggerer's log has the details",
            )
        yield TriggerEvent(to_payload(outcome))

    async def on_kill(self) -> None:
        """Say that the generation goes on: this gateway can't cancel, and nobody may have asked for it."""
        self.log.warning(
            "No longer waiting for generation %s. It goes on at the gateway and is billed; a clear of its task takes "
            "it up again",
            self.generation_id,
        )
