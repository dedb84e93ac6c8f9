# SPDX-License-Identifier: Apache-2.0
"""What many triggers of one connection share: its look-up, its session, its limit and its pauses."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.virtual_time import in_virtual_time
from veo_provider.api.generation import Generation
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.waiting import MAX_RETRY_AFTER, WaitPlan
from veo_provider.exceptions import VeoTransientError
from veo_provider.hooks import airflow_connection, sharing
from veo_provider.hooks.http_async import SLOT_SECONDS
from veo_provider.hooks.veo import VeoAsyncHook

CONN_ID = "veo_shared"
RUNNING: tuple[int, dict[str, str], Any] = (200, {}, {"id": "g", "status": "processing"})
DONE: tuple[int, dict[str, str], Any] = (200, {}, {"id": "g", "status": "succeeded", "url": "https://h/v.mp4"})


@dataclass
class Gateway:
    """Answers each poll by a function of its key, and counts."""

    answer: Callable[[str], tuple[int, dict[str, str], Any]] = lambda _key: RUNNING
    seconds: float = 0.0
    url: str = ""
    connections: int = 0
    open: int = 0
    at_a_time: int = 0
    most_at_a_time: int = 0
    keys: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                key = head.decode().partition("Bearer ")[2].partition("\r\n")[0]
                self.keys.append(key)
                self.times.append(time.time())
                self.at_a_time += 1
                self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
                await asyncio.sleep(self.seconds)
                self.at_a_time -= 1
                status, headers, document = self.answer(key)
                body = json.dumps(document).encode()
                lines = {"Content-Length": len(body), "Content-Type": "application/json", **headers}
                text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
                writer.write(f"HTTP/1.1 {status} X\r\n{text}\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def listening(gateway: Gateway) -> AsyncIterator[Gateway]:
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    gateway.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield gateway
    finally:
        server.close()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def make(url: str, key: str = "sk-first", **extra: Any) -> None:
        fields = {"conn_type": "veo", "host": url, "password": key, "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(fields))

    return make


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the look-ups; each yields to the loop, as a real one does."""
    made: list[str] = []
    real: Callable[[str], Awaitable[Any]] = vars(sharing)["get_async_connection"]

    async def counted(conn_id: str) -> Any:
        made.append(conn_id)
        await asyncio.sleep(0.01)
        return await real(conn_id)

    monkeypatch.setattr(sharing, "get_async_connection", counted)
    return made


async def _until(there: Callable[[], bool]) -> None:
    """Wait until something is so, however slow the machine is; the test's own limit ends it."""
    while not there():  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.01)


async def _poll(rounds: int = 1) -> list[Any]:
    async with VeoAsyncHook(CONN_ID) as hook:
        return [await hook.poll("g") for _ in range(rounds)]


async def test_many_share_one_look_up_and_few_connections(connect: Callable[..., None], look_ups: list[str]) -> None:
    async with listening(Gateway(seconds=0.01)) as gateway:
        connect(gateway.url, max_concurrent_polls=8)
        everything = await asyncio.gather(*(_poll(3) for _ in range(100)))
        assert all(isinstance(seen, Generation) for one in everything for seen in one)
        assert len(gateway.keys) == 300
        assert len(look_ups) == 1
        assert gateway.connections <= 8
        assert gateway.most_at_a_time == 8
        # The session is closed after the last user.
        await _until(lambda: gateway.open == 0)


async def test_the_session_is_made_anew_after_the_last_has_gone(connect: Callable[..., None]) -> None:
    async with listening(Gateway()) as gateway:
        connect(gateway.url)
        await _poll()
        await asyncio.gather(_poll(2), _poll(2))
        assert len(gateway.keys) == 5
        assert gateway.connections <= 3


async def test_it_stays_open_while_others_come_and_go(connect: Callable[..., None], look_ups: list[str]) -> None:
    async with listening(Gateway()) as gateway, AsyncExitStack() as stack:
        connect(gateway.url)
        first = await stack.enter_async_context(VeoAsyncHook(CONN_ID))
        await first.poll("g")
        for _ in range(5):
            await _poll()
        await first.poll("g")
        assert (gateway.connections, len(look_ups)) == (1, 1)


async def test_one_that_is_cancelled_takes_nothing_with_it(connect: Callable[..., None]) -> None:
    async with listening(Gateway(seconds=0.2)) as gateway:
        connect(gateway.url, max_concurrent_polls=1)
        tasks = [asyncio.create_task(_poll()) for _ in range(4)]
        await _until(lambda: len(gateway.keys) == 1)
        tasks[0].cancel()
        tasks[2].cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in ended] == [True, False, True, False]
        assert all(isinstance(ended[i][0], Generation) for i in (1, 3))  # type: ignore[index]


async def test_a_changed_key_is_used_when_the_connection_is_looked_up_again(
    connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(Gateway()) as gateway, VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url)
        await hook.poll("g")
        connect(gateway.url, key="sk-second")
        await hook.poll("g")
        monkeypatch.setattr(sharing, "LOOK_UP_SECONDS", 0.0)
        await hook.poll("g")
        assert gateway.keys == ["sk-first", "sk-first", "sk-second"]


async def test_a_refused_key_is_looked_up_at_once(
    connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "FORCED_LOOK_UP_SECONDS", 0.0)

    def only_second(key: str) -> tuple[int, dict[str, str], Any]:
        return RUNNING if key == "sk-second" else (401, {}, {"error": {"message": "Invalid token"}})

    async with listening(Gateway(only_second)) as gateway, VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url)
        refused = await hook.poll("g")
        assert isinstance(refused, Problem)
        assert refused.reason is Reason.AUTHENTICATION
        connect(gateway.url, key="sk-second")
        assert isinstance(await hook.poll("g"), Generation)
        assert gateway.keys == ["sk-first", "sk-first", "sk-second"]


async def test_calls_on_their_way_end_on_the_old_session(
    connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "LOOK_UP_SECONDS", 0.0)
    unclosed: list[object] = []
    # A session that is left to the garbage collector says so here.
    asyncio.get_running_loop().set_exception_handler(lambda _, said: unclosed.append(said))
    async with listening(Gateway(seconds=0.2)) as gateway:
        connect(gateway.url)
        async with VeoAsyncHook(CONN_ID):  # the connection stays in use
            slow = [asyncio.create_task(_poll()) for _ in range(3)]
            await _until(lambda: len(gateway.keys) == 3)
            connect(gateway.url, key="sk-second")
            assert isinstance((await _poll())[0], Generation)
            assert all(isinstance(one[0], Generation) for one in await asyncio.gather(*slow))
            assert sorted(gateway.keys) == ["sk-first"] * 3 + ["sk-second"]
            await _until(lambda: gateway.open == 1)
        await _until(lambda: gateway.open == 0)
    gc.collect()
    assert unclosed == []


async def test_a_connection_that_cannot_be_looked_up_again_is_used_on(
    connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "LOOK_UP_SECONDS", 0.0)
    async with listening(Gateway()) as gateway, VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url)
        await hook.poll("g")
        monkeypatch.delenv(f"AIRFLOW_CONN_{CONN_ID.upper()}")
        assert isinstance(await hook.poll("g"), Generation)
        connect("ftp://wrong")
        assert isinstance(await hook.poll("g"), Generation)


async def test_a_failed_look_up_is_not_repeated_by_everybody(
    look_ups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(conn_id: str) -> Any:
        look_ups.append(conn_id)
        raise ConnectionError

    monkeypatch.setattr(sharing, "get_async_connection", away)
    seen = [one[0] for one in await asyncio.gather(*(_poll() for _ in range(50)))]
    assert all(isinstance(one, Problem) and one.transient for one in seen)
    assert len(look_ups) == 1


async def test_a_connection_that_comes_back_is_waited_for(connect: Callable[..., None]) -> None:
    """Airflow 3.3 says "not defined" also when its API server, or a backend of secrets, is away for a moment."""
    async with listening(Gateway(lambda _: DONE)) as gateway, VeoAsyncHook(CONN_ID) as hook:
        now = time.time()
        wait = asyncio.create_task(hook.wait(WaitPlan("g", now + 20, 0.05, now)))
        await asyncio.sleep(0.3)
        assert not wait.done()
        connect(gateway.url)
        assert (await wait).reason is None


async def test_one_may_be_entered_again(connect: Callable[..., None]) -> None:
    async with listening(Gateway()) as gateway:
        connect(gateway.url)
        async with VeoAsyncHook(CONN_ID) as hook:
            async with hook:
                await hook.poll("g")
            assert isinstance(await hook.poll("g"), Generation)
        await _until(lambda: gateway.open == 0)
        with pytest.raises(RuntimeError, match="async with"):
            await hook.poll("g")


async def test_a_connection_that_is_not_found_is_an_error_that_may_pass() -> None:
    async with VeoAsyncHook("nowhere") as hook:
        with pytest.raises(VeoTransientError, match="connection 'nowhere'") as caught:
            await hook.get_generation("g")
    assert caught.value.generation_id == "g"


async def test_it_has_to_be_entered() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await VeoAsyncHook(CONN_ID).poll("g")


@in_virtual_time
async def test_one_429_pauses_everybody(connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "SPREAD_SECONDS", 0.1)
    busy = [(429, {"Retry-After": "1"}, {"error": {"message": "slow down"}})]
    async with listening(Gateway(lambda _: busy.pop() if busy else RUNNING)) as gateway, VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url)
        refused = await hook.poll("g")
        assert isinstance(refused, Problem)
        assert refused.reason is Reason.RATE_LIMIT
        seen = await asyncio.gather(*(hook.poll("g") for _ in range(10)))
        assert all(isinstance(one, Generation) for one in seen)
        assert gateway.times[1] - gateway.times[0] >= 1.0
        # A deadline isn't put off by a pause.
        busy.append((429, {"Retry-After": "100"}, {}))
        await hook.poll("g")
        began = time.time()
        assert isinstance(await hook.poll("g", by=began + 0.3), Generation)
        assert time.time() - began < 0.4


@in_virtual_time
async def test_whoever_wakes_from_a_pause_heeds_the_next_one(
    connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = iter([*(number / 10 for number in range(10)), *[0.5] * 20])
    monkeypatch.setattr(random, "random", lambda: next(steps))
    busy: list[tuple[int, dict[str, str], Any]] = [(429, {"Retry-After": "1"}, {})] * 3
    async with listening(Gateway(lambda _: busy.pop() if busy else RUNNING)) as gateway, VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url)
        await hook.poll("g")
        seen = await asyncio.gather(*(hook.poll("g") for _ in range(10)))
        # Of those whom the first pause held up one was refused, and the others waited on.
        assert sum(isinstance(one, Problem) for one in seen) == 2
        assert len(gateway.times) == 11
        assert gateway.times[2] - gateway.times[1] >= 1.0
        assert gateway.times[3] - gateway.times[2] >= 1.0


@in_virtual_time
async def test_pauses_grow_while_the_gateway_refuses(
    connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    async def skip(_self: sharing.SharedConnection, _by: float) -> None:
        asked.append(_self._paused_until - time.time())
        _self._paused_until = min(_self._paused_until, time.time())

    monkeypatch.setattr(sharing.SharedConnection, "_sit_out", skip)
    answers: list[tuple[int, dict[str, str], Any]] = [(429, {}, {})] * 7 + [RUNNING, (429, {}, {}), RUNNING]
    async with listening(Gateway(lambda _: answers.pop(0))) as gateway, VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url)
        for _ in range(10):
            await hook.poll("g")
    assert [round(seconds) for seconds in asked[1:8]] == [2, 4, 8, 16, 32, 60, 60]
    assert round(asked[9]) == 2


@in_virtual_time
async def test_many_refusals_at_once_are_one(connect: Callable[..., None]) -> None:
    async with listening(Gateway(lambda _: (429, {}, {}), seconds=0.1)) as gateway, VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url)
        await asyncio.gather(*(hook.poll("g") for _ in range(10)))
        assert len(gateway.times) == 10
        assert 1 < hook._shared._paused_until - time.time() <= 2


@in_virtual_time
async def test_a_pause_has_an_end(connect: Callable[..., None]) -> None:
    answer: tuple[int, dict[str, str], Any] = (429, {"Retry-After": "86400"}, {})
    async with listening(Gateway(lambda _: answer)) as gateway, VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url)
        await hook.poll("g")
        assert 0 < hook._shared._paused_until - time.time() <= MAX_RETRY_AFTER


@in_virtual_time
async def test_no_turn_is_a_problem_that_passes(connect: Callable[..., None]) -> None:
    async with listening(Gateway(seconds=SLOT_SECONDS + 1)) as gateway:
        connect(gateway.url, max_concurrent_polls=1)
        first, second = await asyncio.gather(_poll(), _poll())
        late = next(one[0] for one in (first, second) if isinstance(one[0], Problem))
        assert late.transient
        assert "No turn" in late.message
        assert len(gateway.keys) == 1


@in_virtual_time
async def test_what_one_wait_learns_the_next_one_uses(connect: Callable[..., None]) -> None:
    """The first asks from its start on; the second knows that nothing ends that soon."""
    ends_at = 0.0

    def by_time(_key: str) -> tuple[int, dict[str, str], Any]:
        return DONE if time.time() >= ends_at else RUNNING

    async with listening(Gateway(by_time)) as gateway, VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url)
        polls = []
        for model in ("m", "m", "another"):
            now = time.time()
            ends_at = now + 40.0
            plan = WaitPlan("g", now + 300, 1.0, now + 1.0, now, model=model)
            outcome = await hook.wait(plan)
            assert outcome.reason is None
            polls.append(outcome.polls)
            assert time.time() - ends_at < 10.0
    assert polls[0] > 12
    assert polls[1] < polls[0] / 2
    assert polls[2] > 12


async def test_secrets_are_masked_outside_of_the_loop(
    connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow 3.0 asks the triggerer's loop for it, and refuses to wait for the answer in that loop."""
    masked: list[str] = []

    def mask(secret: str) -> None:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        masked.append(secret)

    monkeypatch.setattr(airflow_connection, "mask_secret", mask)
    async with listening(Gateway()) as gateway:
        connect(gateway.url)
        async with VeoAsyncHook(CONN_ID) as hook:
            assert isinstance(await hook.poll("g"), Generation)
    assert masked == ["sk-first"]
