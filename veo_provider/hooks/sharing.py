# SPDX-License-Identifier: Apache-2.0
"""What all triggers of one event loop share for one connection: its look-up, its session, its pauses."""

from __future__ import annotations

import asyncio
import math
import random
import time
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from asgiref.sync import sync_to_async

from veo_provider.api.asking import Asking
from veo_provider.api.pace import Pace
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.waiting import MAX_PAUSE, MAX_RETRY_AFTER, Seen
from veo_provider.exceptions import VeoConfigurationError
from veo_provider.hooks.airflow_connection import NO_KEY, from_airflow, not_found
from veo_provider.hooks.http_async import AsyncHttp

LOOK_UP_SECONDS = 15.0
"""How long a connection isn't looked up again: one look-up takes the triggerer some tens of milliseconds."""

FAILED_LOOK_UP_SECONDS = 2.0
FORCED_LOOK_UP_SECONDS = 1.0
SPREAD_SECONDS = 5.0
"""Over how many seconds the polls are spread that a pause has held up."""

_all: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedConnection]] = WeakKeyDictionary()


def shared_connection(conn_id: str) -> SharedConnection:
    """Return what is shared for a connection in the running event loop."""
    of_loop = _all.setdefault(asyncio.get_running_loop(), {})
    if conn_id not in of_loop:
        of_loop[conn_id] = SharedConnection(conn_id)
    return of_loop[conn_id]


class SharedConnection:
    """
    One connection, as all its users in one event loop see it.

    The session is made for the first call and closed when the last user has gone. A changed connection gets
    another session, and the calls that are on their way end on the old one.

    :param conn_id: id of the Airflow connection.
    """

    def __init__(self, conn_id: str) -> None:
        self.pace = Pace()
        self._conn_id = conn_id
        self._users = 0
        self._http: AsyncHttp | None = None
        self._looked_up_at = -math.inf
        self._failure = NO_KEY
        self._looking_up = asyncio.Lock()
        self._paused_until = 0.0
        self._refusals = 0

    def enter(self) -> None:
        """Count one more user."""
        self._users += 1

    async def leave(self) -> None:
        """Count one user less, and close the session after the last."""
        self._users -= 1
        if not self._users and self._http is not None:
            # Taken away first: a new user may come while it is being closed.
            http, self._http, self._looked_up_at = self._http, None, -math.inf
            await http.close()

    async def poll(self, asking: Asking, by: float) -> Seen:
        """
        Ask for a generation once; after a pause, if the gateway has asked for one.

        :param asking: the generation, and what is known of it.
        :param by: epoch seconds; no pause lasts longer.
        """
        await self._sit_out(by)
        http = await self._current(LOOK_UP_SECONDS)
        seen = await self._ask(http, asking)
        if isinstance(seen, Problem) and seen.reason is Reason.AUTHENTICATION:
            # The key may have been changed since the last look.
            fresh = await self._current(FORCED_LOOK_UP_SECONDS)
            return seen if fresh is http else await self._ask(fresh, asking)
        return seen

    async def _sit_out(self, by: float) -> None:
        # Whoever wakes first may be refused again, and the pause is longer then.
        while (end := min(self._paused_until, by)) > time.time():  # noqa: ASYNC110 - nothing tells when a time comes
            await asyncio.sleep(min(end + random.random() * SPREAD_SECONDS, by) - time.time())  # noqa: S311

    async def _ask(self, http: AsyncHttp | Problem, asking: Asking) -> Seen:
        if isinstance(http, Problem):
            return http
        began = time.time()
        answer = await http.send(asking.call, asking.known)
        seen = answer if isinstance(answer, Problem) else asking.read(answer)
        self._heed(seen, began)
        return seen

    def _heed(self, seen: Seen, began: float) -> None:
        """Pause everybody's polls if the gateway asks for it; longer each time, if it doesn't say how long."""
        if not isinstance(seen, Problem) or not (seen.reason is Reason.RATE_LIMIT or seen.retry_after):
            self._refusals = 0
            return
        # What was on its way when the pause began says nothing new.
        if began >= self._paused_until:
            self._refusals += 1
        asked = min(seen.retry_after, MAX_RETRY_AFTER) if seen.retry_after else min(2.0**self._refusals, MAX_PAUSE)
        self._paused_until = max(self._paused_until, time.time() + asked)

    async def _current(self, max_age: float) -> AsyncHttp | Problem:
        """Return what sends, to the connection as it was at most so many seconds ago."""
        if self._http is not None and time.monotonic() - self._looked_up_at < max_age:
            return self._http
        async with self._looking_up:
            # Somebody else may have looked it up meanwhile.
            age = time.monotonic() - self._looked_up_at
            if age >= (max_age if self._http else FAILED_LOOK_UP_SECONDS):
                problem = await self._look_up()
                self._looked_up_at = time.monotonic()
                self._failure = problem or NO_KEY
            # A connection that can't be looked up again is used on: the generation goes on, too.
            return self._http or self._failure

    async def _look_up(self) -> Problem | None:
        old = self._http
        # In a thread, from which Airflow's masking of secrets may ask the loop: 3.0 refuses it in the loop itself.
        check = sync_to_async(from_airflow)
        try:
            found = await get_async_connection(self._conn_id)
            connection = await check(self._conn_id, found, known=old.connection if old else None)
        except VeoConfigurationError as error:
            return Problem(error.reason, error.message)
        except AirflowNotFoundException:
            # As any other look-up that fails; the worker has read it before it deferred.
            return Problem(Reason.INTERNAL, not_found(self._conn_id), transient=True)
        except Exception as error:  # noqa: BLE001 - Airflow's API server may be restarting
            words = f"The connection {self._conn_id!r} couldn't be looked up: {type(error).__name__}"
            return Problem(Reason.INTERNAL, words, transient=True)
        if connection.api_key and (old is None or old.connection != connection):
            self._http = AsyncHttp(connection)
            if old is not None:
                await old.retire()
        return None
