# SPDX-License-Identifier: Apache-2.0
"""When a submit that the gateway surely didn't accept is sent again."""

from __future__ import annotations

from veo_provider.api.problem import Reason
from veo_provider.api.waiting import MAX_RETRY_AFTER

FIRST_PAUSE = 2.0
MAX_PAUSE = 60.0
MAX_SENDS_WITHOUT_CHANNEL = 5
"""A model without a channel may be gone for good (contract: "a few times")."""


def pause_before_resend(reason: Reason, retry_after: float | None, sends: int, jitter: float) -> float | None:
    """
    Say how long to wait before the same request is sent again.

    :param reason: why the gateway, or the network, refused it.
    :param retry_after: seconds that the gateway asks to wait.
    :param sends: how often it has been sent so far, at least 1.
    :param jitter: a number from 0 to 1, so that tasks that were refused together don't come back together.
    :returns: seconds; ``None``: not again.
    """
    if reason is Reason.MODEL_UNAVAILABLE and sends >= MAX_SENDS_WITHOUT_CHANNEL:
        return None
    pause: float = min(MAX_PAUSE, FIRST_PAUSE * 2 ** min(sends - 1, 10)) * (0.75 + 0.5 * jitter)
    return max(pause, min(retry_after or 0.0, MAX_RETRY_AFTER))
