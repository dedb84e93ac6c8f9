# SPDX-License-Identifier: Apache-2.0
"""Calls that fall silent or take too long are ended, the others aren't."""

from __future__ import annotations

import asyncio

import pytest

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
        return "ended"
    return "whole"


@pytest.mark.parametrize(
    ("pauses", "fate"),
    [
        ((0.2,) * 6, "whole"),
        ((0.2, 2.4), "ended"),
        ((1.2, 0.2), "whole"),  # the connection may take its time too
        ((2.4,), "ended"),
        ((0.4,) * 14, "ended"),
    ],
)
async def test_which_calls_are_ended(pauses: tuple[float, ...], fate: str) -> None:
    watch = Watch(connect=0.8, silence=0.8, total=4.0)
    seen = await asyncio.gather(call(watch, *pauses), *(call(watch, 0.2, 0.2) for _ in range(5)))
    assert seen == [fate, *["whole"] * 5]


async def test_it_watches_again_after_a_rest() -> None:
    watch = Watch(connect=0.0, silence=0.1, total=1.0)
    assert await call(watch, 0.01) == "whole"
    await asyncio.sleep(0.3)
    assert watch._timer is None
    assert await call(watch, 0.4) == "ended"
