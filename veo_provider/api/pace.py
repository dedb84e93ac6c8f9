# SPDX-License-Identifier: Apache-2.0
"""What a process has learned of how long generations take, so that it needn't ask while none can have ended."""

from __future__ import annotations

from collections import deque

REMEMBERED = 20
MAX_MODELS = 100
CAUTION = 0.9


class Pace:
    """
    The times of the latest generations, by model.

    The fastest of them counts, less a tenth: so a model that becomes faster is noticed, and one that becomes
    slower is polled a little more than needed until the faster ones are forgotten.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {}

    def note(self, model: str, seconds: float) -> None:
        """Note that a generation by this model was seen to have ended so many seconds after its submit."""
        if model not in self._seconds and len(self._seconds) >= MAX_MODELS:
            return
        self._seconds.setdefault(model, deque(maxlen=REMEMBERED)).append(seconds)

    def usual(self, model: str | None) -> float:
        """Return the seconds after a submit from which on an end is likely; 0 if nothing is known of the model."""
        known = self._seconds.get(model or "")
        return CAUTION * min(known) if known else 0.0
