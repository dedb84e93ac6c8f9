# SPDX-License-Identifier: Apache-2.0
"""The gateway as an Airflow hook for the triggerer: it polls, and never submits."""

from __future__ import annotations

import asyncio
import math
import random
import time
from functools import partial
from typing import Self

from airflow.providers.common.compat.sdk import BaseHook

from veo_provider.api.asking import Asking
from veo_provider.api.generation import Generation
from veo_provider.api.waiting import Outcome, Seen, Sleep, WaitPlan, waiting
from veo_provider.hooks.sharing import SharedConnection, shared_connection
from veo_provider.hooks.veo import VeoHook, tell
from veo_provider.raising import generation_of


class VeoAsyncHook(BaseHook):
    """
    Ask the gateway from a trigger, on ``aiohttp``. It can't submit.

    Use it with ``async with``, in one event loop. All hooks of a connection in that loop share one session.

    :param veo_conn_id: the connection, of type ``veo``.
    """

    def __init__(self, veo_conn_id: str = VeoHook.default_conn_name) -> None:
        super().__init__()
        self.veo_conn_id = veo_conn_id
        self._asking: Asking | None = None
        self._entered: SharedConnection | None = None
        self._entries = 0

    async def __aenter__(self) -> Self:
        self._entered = shared_connection(self.veo_conn_id)
        self._entered.enter()
        self._entries += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        shared = self._shared
        self._entries -= 1
        if not self._entries:
            self._entered = None
        await shared.leave()

    @property
    def _shared(self) -> SharedConnection:
        if self._entered is None:
            raise RuntimeError("use it with: async with VeoAsyncHook(...) as hook")
        return self._entered

    async def poll(self, generation_id: str, by: float = math.inf) -> Seen:
        """
        Ask for a generation; as :meth:`VeoHook.poll`, but after a pause where the gateway has asked for one.

        :param generation_id: the gateway's id.
        :param by: epoch seconds; no pause lasts longer.
        """
        if self._asking is None or self._asking.generation_id != generation_id:
            self._asking = Asking(generation_id)
        return await self._shared.poll(self._asking, by)

    async def get_generation(self, generation_id: str) -> Generation:
        """Ask for a generation; as :meth:`VeoHook.get_generation`."""
        return generation_of(generation_id, await self.poll(generation_id))

    async def wait(self, plan: WaitPlan) -> Outcome:
        """Wait for a generation without blocking the event loop; as :meth:`VeoHook.wait`."""
        flow = waiting(plan, time.time, random.random, partial(tell, self), self._shared.pace)
        step = next(flow)
        while not isinstance(step, Outcome):
            if isinstance(step, Sleep):
                await asyncio.sleep(step.seconds)
                step = next(flow)
            else:
                step = flow.send(await self.poll(plan.generation_id, plan.deadline))
        return step
