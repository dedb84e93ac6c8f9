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
from veo_provider.api.problem import Problem
from veo_provider.hooks.connection import VeoConnection

CHUNK = 64 * 1024


class AsyncHttp:
    """
    Sends calls to one connection's gateway. It never submits: a trigger runs again at every restart.

    :param connection: where to, and with which key.
    """

    def __init__(self, connection: VeoConnection) -> None:
        self.connection = connection
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections that are kept alive."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, call: Call) -> Answer | Problem:
        """
        Send one call, once.

        :returns: the answer, whatever it says; a problem if there was none.
        """
        connection = self.connection
        try:
            session = await self._kept_alive()
            async with session.request(
                call.method,
                URL(connection.base_url + call.path, encoded=True),
                headers={"Authorization": f"Bearer {connection.api_key}", "Accept": "application/json"},
                allow_redirects=False,
                proxy=connection.proxy_for(connection.base_url),
            ) as response:
                reader = AnswerReader(response.status, response.headers, call.kind)
                async for chunk in response.content.iter_chunked(CHUNK):
                    if not reader.feed(chunk):
                        break
        except Exception as error:  # noqa: BLE001 - whatever a library raises over one answer, the next may be sound
            return unanswered(call.kind, connection.base_url, error, request_began=False)
        return reader.answer(time.time())

    async def _kept_alive(self) -> aiohttp.ClientSession:
        if self._session is None:
            connection = self.connection
            # Reading certificates takes milliseconds that every other trigger would wait for.
            trust = await asyncio.to_thread(ssl.create_default_context, cafile=connection.ca_bundle or certifi.where())
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=trust),
                timeout=aiohttp.ClientTimeout(
                    total=connection.call_timeout,
                    sock_connect=connection.connect_timeout,
                    sock_read=connection.read_timeout,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session
