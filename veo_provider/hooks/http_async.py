# SPDX-License-Identifier: Apache-2.0
"""Calls over ``aiohttp``, for the triggerer."""

from __future__ import annotations

import asyncio
import ssl
import time

import aiohttp
import certifi
from yarl import URL

from veo_provider.api.answer_reader import AnswerReader
from veo_provider.api.calls import Answer, Call
from veo_provider.api.errors import unanswered
from veo_provider.api.problem import Problem, Reason
from veo_provider.hooks.connection import VeoConnection
from veo_provider.hooks.unpacking import ACCEPTED, PIECE, Unpacker
from veo_provider.hooks.watch import Watch

SLOT_SECONDS = 30.0
"""How long a call waits for its turn: less than the margin by which Airflow's own deadline comes later."""


class AsyncHttp:
    """
    Sends calls to one connection's gateway, so many at a time as it allows. It never submits: a trigger runs again
    at every restart.

    :param connection: where to, and with which key.
    """

    def __init__(self, connection: VeoConnection) -> None:
        self.connection = connection
        self._session: aiohttp.ClientSession | None = None
        self._watch = Watch(connection.connect_timeout, connection.read_timeout, connection.call_timeout)
        self._opening = asyncio.Lock()
        self._slots = asyncio.Semaphore(connection.max_concurrent_polls)
        self._calls = 0
        self._retired = False

    async def close(self) -> None:
        """Close the connections that are kept alive."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def retire(self) -> None:
        """Close them as soon as no call needs them any more."""
        self._retired = True
        if not self._calls:
            await self.close()

    async def send(self, call: Call, known: Answer | None = None) -> Answer | Problem:
        """
        Send one call, once.

        :param call: the call.
        :param known: an answer that is returned if the same comes again.
        :returns: the answer, whatever it says; a problem if there was none.
        """
        self._calls += 1
        try:
            if self._slots.locked():
                async with asyncio.timeout(SLOT_SECONDS):
                    await self._slots.acquire()
            else:
                await self._slots.acquire()
            try:
                return await self._send(call, known)
            finally:
                self._slots.release()
        except TimeoutError:
            words = f"{self.connection.max_concurrent_polls} polls are on their way and the gateway is slow"
            return Problem(Reason.NETWORK, f"No turn in {SLOT_SECONDS:g} s: {words}", transient=True)
        finally:
            self._calls -= 1
            if self._retired and not self._calls:
                await self.close()

    async def _send(self, call: Call, known: Answer | None) -> Answer | Problem:
        base_url = self.connection.base_url
        try:
            session = await self._kept_alive()
            url = URL(base_url + call.path, encoded=True)
            async with asyncio.timeout(None) as limit:
                self._watch.begin(limit)
                try:
                    async with session.request(call.method, url, allow_redirects=False) as response:
                        key = self.connection.api_key
                        reader = AnswerReader(response.status, response.headers, call.kind, key, known)
                        await self._read_into(reader, response, limit)
                finally:
                    self._watch.end(limit)
        except Exception as error:  # noqa: BLE001 - whatever a library raises over one answer, the next may be sound
            return unanswered(call.kind, base_url, error, request_began=False, key=self.connection.api_key)
        return reader.answer(time.time())

    async def _read_into(self, reader: AnswerReader, response: aiohttp.ClientResponse, limit: asyncio.Timeout) -> None:
        unpacker = Unpacker(response.headers)
        ended = False
        while not ended:
            # Whatever is there, without an iterator of its own for each answer.
            chunk = await response.content.readany()
            ended = not chunk
            self._watch.heard(limit)
            for piece in unpacker.feed(chunk):
                if not reader.feed(piece):
                    return
                if len(piece) == PIECE:
                    # There may be a thousand times as much behind it, and other triggers wait.
                    await asyncio.sleep(0)

    async def _kept_alive(self) -> aiohttp.ClientSession:
        if self._session is None:
            async with self._opening:
                if self._session is None:
                    self._session = await self._open()
        return self._session

    async def _open(self) -> aiohttp.ClientSession:
        connection = self.connection
        # Reading certificates takes milliseconds that every other trigger would wait for.
        trust = await asyncio.to_thread(ssl.create_default_context, cafile=connection.ca_bundle or certifi.where())
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust, limit=connection.max_concurrent_polls),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connection.connect_timeout),
            headers={"Authorization": f"Bearer {connection.api_key}", **ACCEPTED},
            auto_decompress=False,
            # Looked up once: it means reading the whole environment.
            proxy=connection.proxy_for(connection.base_url),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
