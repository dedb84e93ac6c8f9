# SPDX-License-Identifier: Apache-2.0
"""Runs a simulator: two listeners on 127.0.0.1, in the foreground or in a thread of a test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from veo_provider.simulator.app import make_api, make_store
from veo_provider.simulator.drawing import require_library
from veo_provider.simulator.faults import read_faults
from veo_provider.simulator.gateway import Gateway
from veo_provider.simulator.job import Job
from veo_provider.simulator.options import SimulatorOptions

HOST = "127.0.0.1"  # Not an option: a simulator with a known key must not be reachable from elsewhere.
_BACKLOG = 1024
_STOP_SECONDS = 0.05
_ACCEPT_ROUNDS = 10
_PATIENCE_SECONDS = 30.0

T = TypeVar("T")


@contextlib.asynccontextmanager
async def listening(options: SimulatorOptions) -> AsyncIterator[Gateway]:
    """
    Listen on both origins for as long as the context lasts.

    :param options: how the simulator behaves.
    """
    require_library()
    gateway = Gateway(options)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(gateway.clips.close)
        verbose = logging.getLogger("veo_provider.simulator") if options.verbose else None
        for name, app, port in (
            ("results", make_store(gateway), options.result_port),
            ("api", make_api(gateway), options.port),
        ):
            runner = web.AppRunner(app, access_log=verbose, handler_cancellation=True, shutdown_timeout=_STOP_SECONDS)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            listener = socket.create_server((HOST, port))
            server = await asyncio.get_running_loop().create_server(
                _counting(gateway, name, runner), sock=listener, backlog=_BACKLOG
            )
            stack.push_async_callback(_close, server, listener.fileno())
            origin = f"http://{HOST}:{listener.getsockname()[1]}"
            if name == "api":
                gateway.origin = origin
            else:
                gateway.signer.origin = origin
        yield gateway


async def _close(server: asyncio.Server, listener: int) -> None:
    # A connection accepted a moment ago gets its protocol some rounds later, and asyncio forgets to close
    # one whose server is gone by then: its client would wait for ever. So accepting ends first.
    asyncio.get_running_loop().remove_reader(listener)
    for _ in range(_ACCEPT_ROUNDS):
        await asyncio.sleep(0)
    server.close()


def _counting(gateway: Gateway, name: str, runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
    server = runner.server
    if server is None:
        raise RuntimeError("the runner is not set up")

    def connected() -> asyncio.Protocol:
        gateway.ledger.connections[name] += 1
        return server()

    return connected


class Simulator:
    """
    A simulator in a thread of this process, for tests: ``with Simulator(SimulatorOptions(...)) as simulator:``.

    :param options: how it behaves.
    """

    def __init__(self, options: SimulatorOptions | None = None) -> None:
        self.options = options or SimulatorOptions()
        self.url = ""
        self.result_url = ""
        self.api_key = self.options.api_keys[0]
        self._thread: threading.Thread | None = None
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._gateway: Gateway | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Start the thread and wait until both origins listen."""
        if self._thread is not None:
            raise RuntimeError("the simulator is running already")
        self._ready = Future()
        self._thread = threading.Thread(target=self._run, name="veo-simulator", daemon=True)
        self._thread.start()
        try:
            self._ready.result(_PATIENCE_SECONDS)
        except BaseException:
            self._thread = None
            raise

    def stop(self) -> None:
        """End the thread and close every connection, stalled ones too."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = self._gateway = None

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)  # start() raises it in the thread that asked.

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with listening(self.options) as gateway:
            self._gateway = gateway
            self.url, self.result_url = gateway.origin, gateway.signer.origin
            self._ready.set_result(None)
            await self._stop.wait()

    def _ask(self, function: Callable[[Gateway], T]) -> T:
        gateway, loop = self._gateway, self._loop
        if gateway is None or loop is None:
            raise RuntimeError("the simulator is not running")

        async def call() -> T:
            return function(gateway)

        return asyncio.run_coroutine_threadsafe(call(), loop).result(_PATIENCE_SECONDS)

    def ledger(self) -> dict[str, Any]:
        """Return a copy of the ledger, as ``GET /__ledger`` does."""
        report: dict[str, Any] = self._ask(lambda gateway: json.loads(json.dumps(gateway.ledger.report())))
        return report

    def inject(self, faults: dict[str, Any] | list[dict[str, Any]]) -> None:
        """
        Add faults, as ``POST /__faults`` does.

        :param faults: one fault or a list of them.
        """
        read = read_faults(faults)
        self._ask(lambda gateway: gateway.faults.faults.extend(read))

    def clear_faults(self) -> None:
        """Drop the faults still to come."""
        self._ask(lambda gateway: gateway.faults.faults.clear())

    def reset(self) -> None:
        """Forget generations, faults and the ledger."""
        self._ask(lambda gateway: gateway.reset())

    def end(self, generation_id: str) -> None:
        """
        End a generation, one with ``sim:never`` too, so that a test decides what happens before.

        Waits until its clip is drawn: the next poll sees the end.

        :param generation_id: whose time is over.
        :raises LookupError: the gateway knows none with this id.
        :raises TimeoutError: the clip isn't drawn within half a minute.
        """
        job = self._ask(lambda gateway: _known(gateway, generation_id))
        if job.clip is not None and not wait([job.clip], _PATIENCE_SECONDS).done:
            raise TimeoutError(f"the clip of {generation_id} isn't drawn after {_PATIENCE_SECONDS:g} s")
        self._ask(lambda _: job.end())

    def video(self, generation_id: str, index: int = 0) -> bytes:
        """
        Return a result's bytes, to compare with what was stored. Waits for nothing.

        :param generation_id: whose video.
        :param index: which of its videos.
        """

        def read(gateway: Gateway) -> bytes:
            job = _known(gateway, generation_id)
            if index >= len(job.videos):
                raise LookupError(f"no video {index} of {generation_id}")
            return b"".join(job.videos[index].read())

        return self._ask(read)


def _known(gateway: Gateway, generation_id: str) -> Job:
    job = gateway.job(generation_id)
    if job is None:
        raise LookupError(f"no generation {generation_id}")
    return job
