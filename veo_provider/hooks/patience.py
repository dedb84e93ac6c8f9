# SPDX-License-Identifier: Apache-2.0
"""Repeats what costs nothing: a GET that failed for a reason that may pass."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from veo_provider.exceptions import VeoNetworkError, VeoRateLimitedError, VeoServerError

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for which a worker asks again before it gives the try up; each try of a task costs a process."""

FIRST_PAUSE = 1.0
MAX_PAUSE = 10.0


def patiently(get: Callable[[], T], log: logging.Logger | Any) -> T:
    """
    Get something, again and again while the network or the gateway fails, but no longer than a minute.

    :param get: gets it; it must be safe to repeat.
    :param log: the task's logger.
    :raises VeoError: the last one, or the first that won't pass.
    """
    give_up_at = time.monotonic() + PATIENCE
    pause = FIRST_PAUSE
    while True:
        try:
            return get()
        except (VeoNetworkError, VeoRateLimitedError, VeoServerError) as error:
            wait = max(pause, error.retry_after or 0.0)
            if time.monotonic() + wait > give_up_at:
                raise
            log.warning("Asking once more in %.0f s: %s", wait, error)
            time.sleep(wait)
            pause = min(2 * pause, MAX_PAUSE)
