# SPDX-License-Identifier: Apache-2.0
"""One refusal makes all triggers of a connection pause."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.virtual_time import in_virtual_time
from tests.unit.hooks.shared_gateway import CONN_ID, RUNNING, Gateway, listening
from veo_provider.api.generation import Generation
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.waiting import MAX_RETRY_AFTER
from veo_provider.hooks import sharing
from veo_provider.hooks.veo import VeoAsyncHook


@in_virtual_time
async def test_one_429_pauses_everybody(connect: Callable[..., None]) -> None:
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
        assert time.time() - began <= 0.31


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
async def test_a_pause_is_not_made_shorter(connect: Callable[..., None]) -> None:
    pauses = ["100", "1"]
    gateway = Gateway(lambda _: (429, {"Retry-After": pauses.pop(0)}, {}) if pauses else RUNNING, seconds=0.1)
    async with listening(gateway), VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url)
        await asyncio.gather(hook.poll("g"), hook.poll("g"))
        began = time.time()
        assert isinstance(await hook.poll("g"), Generation)
        assert time.time() - began >= 99


@in_virtual_time
async def test_whoever_is_overloaded_may_ask_for_a_pause_too(connect: Callable[..., None]) -> None:
    away: list[tuple[int, dict[str, str], Any]] = [(503, {"Retry-After": "100"}, {})]
    async with listening(Gateway(lambda _: away.pop() if away else RUNNING)) as gateway, VeoAsyncHook(CONN_ID) as hook:
        connect(gateway.url)
        began = time.time()
        assert isinstance(await hook.poll("g"), Problem)
        assert isinstance(await hook.poll("g"), Generation)
        assert time.time() - began >= 100
