# SPDX-License-Identifier: Apache-2.0
"""Ends calls that take too long or fall silent, with one timer for all of them."""

from __future__ import annotations

import asyncio

LOOKS = 4
"""How often within the shortest limit the calls are looked at."""


class Watch:
    """
    Watches the calls of one session.

    A timer for each call and each read of it, as ``aiohttp`` has them, is a fifth of what a poll costs. Time by which
    a look comes late, because somebody blocked the event loop, isn't counted in any of the limits: what the gateway
    sent meanwhile is there, only not read yet.

    :param connect: seconds until there must be a connection.
    :param silence: seconds without a byte, after that, before a call is ended.
    :param total: seconds that a call may take in all.
    """

    def __init__(self, connect: float, silence: float, total: float) -> None:
        self._connect = connect
        self._silence = silence
        self._total = total
        self._calls: dict[asyncio.Timeout, list[float]] = {}
        """Of each call: when it must have ended, and when something was last heard of it."""
        self._timer: asyncio.TimerHandle | None = None
        self._stood_still = 0.0
        """Seconds by which looks came late in all."""

    def begin(self, limit: asyncio.Timeout) -> None:
        """Watch a call. ``limit``: the timeout around it, without a time of its own."""
        now = self._now()
        self._calls[limit] = [now + self._total, now + self._connect]
        if self._timer is None:
            self._look_again()

    def heard(self, limit: asyncio.Timeout) -> None:
        """Note that something came."""
        if limit in self._calls:
            self._calls[limit][1] = self._now()

    def end(self, limit: asyncio.Timeout) -> None:
        """No longer watch a call."""
        self._calls.pop(limit, None)

    def _now(self) -> float:
        now = asyncio.get_running_loop().time()
        # Behind a look that is late nobody knows yet by how much.
        return (now if self._timer is None else min(now, self._timer.when())) - self._stood_still

    def _look(self, due: float) -> None:
        self._timer = None
        self._stood_still += max(0.0, asyncio.get_running_loop().time() - due)
        now = self._now()
        for limit, (latest, heard_at) in list(self._calls.items()):
            if now > latest or now > heard_at + self._silence:
                del self._calls[limit]
                limit.reschedule(0)
        if self._calls:
            self._look_again()

    def _look_again(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + min(self._silence, self._total) / LOOKS
        self._timer = loop.call_at(due, self._look, due)
