# SPDX-License-Identifier: Apache-2.0
"""Calls that fall silent or take too long are ended, the others aren't."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.virtual_time import VirtualLoop, in_virtual_time
from veo_provider.hooks.watch import Watch


async def call(watch: Watch, *pauses: float) -> str:
    """Hear something after each pause."""
    try:
        async with asyncio.timeout(None) as limit:
            watch.begin(limit)
            try:
                for pause in pauses:
                    await asyncio.sleep(pause)
                    watch.heard(limit)
            finally:
                watch.end(limit)
    except TimeoutError:
        return f"ended at {asyncio.get_running_loop().time():g}"
    return "whole"


@pytest.mark.parametrize(
    ("pauses", "fate"),
    [
        ((2.9,) * 13, "whole"),
        ((5.9,), "whole"),  # the connection may take its time too
        ((100.0,), "ended at 7"),
        ((1.0, 100.0), "ended at 6"),
        ((1.0, 3.0), "whole"),
        ((2.9,) * 100, "ended at 41"),
    ],
)
@in_virtual_time
async def test_which_calls_are_ended(pauses: tuple[float, ...], fate: str) -> None:
    watch = Watch(connect=2.0, silence=4.0, total=40.0)
    seen = await asyncio.gather(call(watch, *pauses), *(call(watch, 2.0, 2.0) for _ in range(5)))
    assert seen == [fate, *["whole"] * 5]


@pytest.mark.parametrize("seconds", [5.0, 500.0])
@in_virtual_time
async def test_a_loop_that_stood_still_ends_no_call(seconds: float) -> None:
    """What came meanwhile wasn't read yet: with each blocked triggerer all calls would be ended."""
    watch = Watch(connect=2.0, silence=4.0, total=40.0)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.call_later(2.5, loop.stand_still, seconds)
    sound, silent, _ = await asyncio.gather(call(watch, 3.0, 3.0), call(watch, 3.0, 6.0), call(watch))
    assert sound == "whole"
    # 4 s of silence after what was heard at 3, when the loop went on, and up to one look.
    assert silent in (f"ended at {seconds + 7.5:g}", f"ended at {seconds + 8.5:g}")


@in_virtual_time
async def test_it_may_stand_still_more_than_once() -> None:
    watch = Watch(connect=2.0, silence=4.0, total=40.0)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    for began in (2.5, 110.0, 220.0):
        loop.call_later(began, loop.stand_still, 100.0)
    sound = asyncio.create_task(call(watch, *[2.0] * 18))
    await asyncio.sleep(104.0)
    # Begun after the first, and ended 6 s later without the second.
    assert await call(watch, 1000.0) in ("ended at 210", "ended at 211")
    assert await sound == "whole"


@pytest.mark.parametrize("heard", [True, False])
@in_virtual_time
async def test_what_happens_before_a_late_look_has_no_longer_limit(heard: bool) -> None:
    """Whatever waked meanwhile runs in the same round of the loop as the look, and perhaps before it."""
    watch = Watch(connect=2.0, silence=4.0, total=40.0)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    another = asyncio.create_task(call(watch, 0.9, 700.0) if heard else call(watch, 2.0, 2.0))
    await asyncio.sleep(0.5)
    loop.call_soon(loop.stand_still, 600.0)
    begun = asyncio.create_task(call(watch, 1000.0))
    await begun
    assert await begun in ("ended at 606.5", "ended at 607.5")
    assert await another in (("ended at 605.5", "ended at 606.5") if heard else ("whole",))


@in_virtual_time
async def test_it_watches_again_after_a_rest() -> None:
    watch = Watch(connect=0.0, silence=4.0, total=40.0)
    assert await call(watch, 1.0) == "whole"
    await asyncio.sleep(1000)
    assert watch._timer is None
    assert await call(watch, 100.0) == "ended at 1006"
