# SPDX-License-Identifier: Apache-2.0
"""Where a page ends, as it goes to the browser and comes back."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from veo_provider.ui.listing import Cursor

NOW = datetime(2026, 11, 24, 8, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("task_id", ["t", "group.täsk", "x" * 250])
def test_it_comes_back_as_it_went(task_id: str) -> None:
    made = Cursor(NOW, 7, task_id, -1)
    assert Cursor.read(str(made)) == made


def test_any_zone_is_the_same_moment() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=5)))
    assert Cursor.read(str(Cursor(there, 7, "t", 3))) == Cursor(NOW, 7, "t", 3)


@pytest.mark.parametrize(
    "values",
    [
        ["0001-01-01T00:00:00+23:59", 1, "t", -1],
        ["9999-12-31T23:59:59-23:59", 1, "t", -1],
        ["2026-01-01T00:00:00", 1, "t", -1],
        ["2026-01-01T00:00:00+00:00", 1, "t\x00", -1],
        ["2026-01-01T00:00:00+00:00", 1, "\ud800", -1],
        ["2026-01-01T00:00:00+00:00", 1, "t" * 251, -1],
        ["2026-01-01T00:00:00+00:00", 2**31, "t", -1],
        ["2026-01-01T00:00:00+00:00", 1, "t", True],
        ["2026-01-01T00:00:00+00:00", 1, "t"],
        [7, 1, "t", -1],
        {},
    ],
    ids=str,
)
def test_what_was_made_by_hand_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        Cursor.read(base64.urlsafe_b64encode(json.dumps(values).encode()).decode())
