# SPDX-License-Identifier: Apache-2.0
"""What a request costs by a price list of the user's own: no gateway of the family tells its prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from veo_provider.api.models import is_fast
from veo_provider.api.request import RESOLUTIONS, VeoRequest
from veo_provider.api.text import parse_json, printable

MAX_PRICE = 1_000_000
"""Dollars per second. It keeps every estimate finite."""

_SOUND = {"audio": True, "no_audio": False}
_FORM = (
    f"give one number, or an object of {' and '.join(_SOUND)}, or an object of {' and '.join(RESOLUTIONS)} "
    "with either of them inside"
)


@dataclass(frozen=True)
class Prices:
    """
    A price list. Make it with :func:`read_prices`.

    :param per_second: US dollars per second of video, by model, resolution and whether it has sound.
    """

    per_second: Mapping[tuple[str, str, bool], float] = field(default_factory=dict, hash=False)

    def estimate(self, request: VeoRequest) -> float | None:
        """
        Return what a request costs, in US dollars; ``None``, and never 0, where no price is known.

        Fast models always make sound. Where another model is left to decide, because ``generate_audio`` isn't
        given, the dearer price counts, and none is known as long as one of the two isn't.

        :param request: a checked request.
        """
        audio = True if is_fast(request.model) else request.generate_audio
        sounds = (True, False) if audio is None else (audio,)
        keys = [(request.model, request.resolution, sound) for sound in sounds]
        known = [self.per_second[key] for key in keys if key in self.per_second]
        if len(known) < len(keys):
            return None
        return round(max(known) * request.duration_seconds * request.sample_count, 6)


def read_prices(value: Any) -> tuple[Prices, list[str]]:
    """
    Read a price list: a JSON object, or its text, of model ids and prices.

    :param value: as the author gave it; ``None`` is an empty list.
    :returns: the prices that can be read, and all that is wrong with the others.
    """
    models = {} if value is None else parse_json(value) if isinstance(value, str) else value
    if not isinstance(models, dict):
        return Prices(), ['it must be a JSON object of model ids and dollars per second, such as {"veo-...": 0.4}']
    table: dict[tuple[str, str, bool], float] = {}
    problems: list[str] = []
    for model, price in models.items():
        for where, resolutions, inner in _by_resolution(model, price):
            by_sound = inner if isinstance(inner, dict) else dict.fromkeys(_SOUND, inner)
            if not by_sound or not _SOUND.keys() >= by_sound.keys():
                problems.append(f"{where}: {_FORM}")
                continue
            for sound, number in by_sound.items():
                if _is_price(number):
                    table |= {(model, resolution, _SOUND[sound]): float(number) for resolution in resolutions}
                else:
                    problems.append(f"{where}: a price must be a number of US dollars from 0 to {MAX_PRICE}")
    return Prices(table), list(dict.fromkeys(problems))


def _by_resolution(model: str, price: Any) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    where = printable(repr(model), 80)
    if isinstance(price, dict) and price and price.keys() <= set(RESOLUTIONS):
        for resolution, inner in price.items():
            yield f"{where} at {resolution}", (resolution,), inner
    else:
        yield where, RESOLUTIONS, price


def _is_price(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MAX_PRICE
