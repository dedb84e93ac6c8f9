# SPDX-License-Identifier: Apache-2.0
"""What many triggers of one connection share: its look-up, its session and its limit."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support.virtual_time import in_virtual_time
from tests.unit.hooks.shared_gateway import CONN_ID, DONE, RUNNING, Gateway, listening
from veo_provider.api.generation import Generation
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.waiting import WaitPlan
from veo_provider.exceptions import VeoTransientError
from veo_provider.hooks import airflow_connection, sharing
from veo_provider.hooks.veo import VeoAsyncHook


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
    monkeypatch.setattr(sharing, "FAILED_LOOK_UP_SECONDS", 60.0)
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
async def test_an_answer_may_take_longer_than_its_bytes(connect: Callable[..., None]) -> None:
    async with listening(Gateway(between=3.0)) as gateway, VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url, read_timeout=4, connect_timeout=2)
        began = time.time()
        assert isinstance(await hook.poll("g"), Generation)
        assert time.time() - began > 60


@in_virtual_time
async def test_a_gateway_that_falls_silent_is_given_up(connect: Callable[..., None]) -> None:
    async with VeoAsyncHook(CONN_ID) as hook:
        for gateway in (Gateway(seconds=1000), Gateway(between=1000)):
            async with listening(gateway):
                connect(gateway.url, read_timeout=4, connect_timeout=2)
                hook._shared._looked_up_at = 0.0
                began = time.time()
                seen = await hook.poll("g")
                assert isinstance(seen, Problem)
                assert (seen.reason, seen.transient) == (Reason.NETWORK, True)
                assert 4 <= time.time() - began <= 8


@in_virtual_time
async def test_no_turn_is_a_problem_that_passes(connect: Callable[..., None]) -> None:
    async with listening(Gateway(seconds=31)) as gateway:
        connect(gateway.url, max_concurrent_polls=1)
        first, second = await asyncio.gather(_poll(), _poll())
        late = next(one[0] for one in (first, second) if isinstance(one[0], Problem))
        assert late.transient
        assert "No turn in 30 s" in late.message
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
