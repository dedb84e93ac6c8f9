# SPDX-License-Identifier: Apache-2.0
"""A price list, and what a request costs by it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.api.test_request import ANYTHING, BASE
from veo_provider.api.prices import Prices, read_prices
from veo_provider.api.request import parse_request

MODEL = BASE["model"]
FAST = "veo-3.1-fast-generate-preview"


def cost(price: Any, **values: Any) -> float | None:
    model = values.get("model", MODEL)
    prices, problems = read_prices({model: price})
    assert problems == []
    return prices.estimate(parse_request(BASE | values))


@pytest.mark.parametrize(
    ("price", "values", "dollars"),
    [
        (0.4, {}, 3.2),
        (0.4, {"duration_seconds": 4, "sample_count": 3}, 4.8),
        (0.1, {"duration_seconds": 6}, 0.6),
        (0, {}, 0.0),
        (1, {}, 8.0),
        ({"audio": 0.4, "no_audio": 0.2}, {"generate_audio": True}, 3.2),
        ({"audio": 0.4, "no_audio": 0.2}, {"generate_audio": False}, 1.6),
        ({"audio": 0.4, "no_audio": 0.2}, {}, 3.2),
        ({"audio": 0.2, "no_audio": 0.4}, {}, 3.2),
        ({"no_audio": 0.2}, {}, None),
        ({"audio": 0.4}, {}, None),
        ({"no_audio": 0.2}, {"generate_audio": True}, None),
        ({"audio": 0.4}, {"generate_audio": False}, None),
        ({"audio": 0.4, "no_audio": 0.2}, {"model": FAST, "generate_audio": False}, 3.2),
        ({"no_audio": 0.2}, {"model": FAST, "generate_audio": False}, None),
        ({"720p": 0.1, "1080p": 0.3}, {}, 0.8),
        ({"720p": 0.1, "1080p": 0.3}, {"resolution": "1080p"}, 2.4),
        ({"1080p": 0.3}, {}, None),
        ({"720p": {"audio": 0.4, "no_audio": 0.2}, "1080p": 0.5}, {"generate_audio": False}, 1.6),
        ({"720p": {"audio": 0.4}}, {"generate_audio": False}, None),
        (0.0000001, {"duration_seconds": 4}, 0.0),
        (0.33333333, {"duration_seconds": 4}, 1.333333),
    ],
)
def test_an_estimate(price: Any, values: dict[str, Any], dollars: float | None) -> None:
    assert cost(price, **values) == dollars


def test_a_model_without_a_price_is_not_free() -> None:
    assert Prices().estimate(parse_request(BASE)) is None
    prices, _ = read_prices({"veo-4": 1})
    assert prices.estimate(parse_request(BASE)) is None
    assert prices.estimate(parse_request(BASE | {"model": "veo-4"})) == 8.0


@pytest.mark.parametrize("value", [None, {}, "{}"])
def test_no_prices(value: Any) -> None:
    assert read_prices(value) == (Prices(), [])


def test_text_from_the_form() -> None:
    table = {MODEL: {"720p": {"audio": 0.4}}}
    assert read_prices(json.dumps(table)) == read_prices(table)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0.4", "JSON object"),
        ("veo=0.4", "JSON object"),
        ('{"veo": 1' + "0" * 5000 + "}", "JSON object"),
        ([0.4], "JSON object"),
        (0.4, "JSON object"),
        ({"veo": True}, "0 to 1000000"),
        ({"veo": -0.1}, "0 to 1000000"),
        ({"veo": math.nan}, "0 to 1000000"),
        ({"veo": math.inf}, "0 to 1000000"),
        ({"veo": 1e308}, "0 to 1000000"),
        ({"veo": 10**5000}, "0 to 1000000"),
        ({"veo": "0.4"}, "0 to 1000000"),
        ({"veo": None}, "0 to 1000000"),
        ({"veo": [0.4]}, "0 to 1000000"),
        ({"veo": {"audio": "dear"}}, "0 to 1000000"),
        ({"veo": {"audio": {"720p": 0.4}}}, "0 to 1000000"),
        ({"veo": {"720p": {"audio": False}}}, "'veo' at 720p"),
        ({"veo": {}}, "audio and no_audio"),
        ({"veo": {"sound": 0.4}}, "audio and no_audio"),
        ({"veo": {"4k": 0.4}}, "audio and no_audio"),
        ({"veo": {"audio": 0.4, "720p": 0.4}}, "audio and no_audio"),
        ({"veo": {"720p": {}}}, "audio and no_audio"),
        ({"veo": {"720p": {"1080p": 0.4}}}, "audio and no_audio"),
    ],
)
def test_a_price_list_that_is_wrong(value: Any, words: str) -> None:
    prices, problems = read_prices(value)
    assert prices == Prices()
    assert len(problems) == 1
    assert words in problems[0]
    assert len(problems[0]) < 300


def test_every_problem_is_named_and_what_is_right_is_kept() -> None:
    prices, problems = read_prices({"a": -1, MODEL: 0.4, "b": {"720p": "x", "1080p": {"loud": 1}}, "c" * 5000: None})
    assert [problem.split(":")[0][:11] for problem in problems] == ["'a'", "'b' at 720p", "'b' at 1080", "'cccccccccc"]
    assert max(map(len, problems)) < 300
    assert prices.estimate(parse_request(BASE)) == 3.2


@given(ANYTHING | st.dictionaries(st.text(max_size=3), ANYTHING))
def test_no_price_list_crashes(value: Any) -> None:
    prices, problems = read_prices(value)
    assert all(problem.isprintable() for problem in problems)
    assert all(0 <= price < math.inf for price in prices.per_second.values())
