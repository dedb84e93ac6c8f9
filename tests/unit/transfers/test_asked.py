# SPDX-License-Identifier: Apache-2.0
"""In what a video differs from what was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from veo_provider.transfers.asked import differences
from veo_provider.transfers.media import Look, MediaFacts

FACTS = MediaFacts(8.0, 1280, 720, 24.0, audio=True, video_codec="h264", audio_codec="aac")
ASKED = {
    "model": "veo-3.1-generate-preview",
    "duration_seconds": 8,
    "aspect_ratio": "16:9",
    "resolution": "720p",
    "generate_audio": True,
}


@pytest.mark.parametrize(
    ("facts", "asked", "wrong"),
    [
        ({}, {}, []),
        ({"seconds": 8.021}, {}, []),
        ({"seconds": None}, {}, []),
        ({"seconds": 4.0}, {}, ["it is 4 s long, not 8 s"]),
        ({"seconds": 8.5}, {}, []),
        ({"seconds": 7.5}, {}, []),
        ({"seconds": 8.6}, {}, ["it is 8.6 s long, not 8 s"]),
        ({"width": 720, "height": 1280}, {}, ["its picture is 720x1280, which isn't 16:9"]),
        ({"width": 720, "height": 1280}, {"aspect_ratio": "9:16"}, []),
        ({}, {"aspect_ratio": "9:16"}, ["its picture is 1280x720, which isn't 9:16"]),
        ({}, {"resolution": "1080p"}, ["its picture is 1280x720, which isn't 1080p"]),
        ({"width": 1920, "height": 1088}, {"resolution": "1080p"}, []),
        ({"audio": False}, {}, ["it has no sound"]),
        ({"audio": False}, {"generate_audio": None}, []),
        ({}, {"generate_audio": False}, ["it has sound, though none was asked for"]),
        ({}, {"generate_audio": False, "model": "veo-3.0-fast-generate-001"}, []),
        ({"audio": False}, {"generate_audio": None, "model": "veo-3.0-fast-generate-001"}, ["it has no sound"]),
        (
            {"seconds": 4.0, "audio": False, "width": 640, "height": 640},
            {},
            [
                "it is 4 s long, not 8 s",
                "its picture is 640x640, which isn't 16:9",
                "its picture is 640x640, which isn't 720p",
                "it has no sound",
            ],
        ),
    ],
)
def test_differences(facts: dict[str, Any], asked: dict[str, Any], wrong: list[str]) -> None:
    assert differences(Look(replace(FACTS, **facts)), ASKED | asked) == wrong


@pytest.mark.parametrize(
    "request_", [{}, {"duration_seconds": "long", "aspect_ratio": "wide", "resolution": None, "generate_audio": 1}]
)
def test_what_was_not_asked_for_is_not_compared(request_: dict[str, Any]) -> None:
    assert differences(Look(FACTS), request_) == []


@pytest.mark.parametrize("ratio", ["0:9", "16:0", "16:9:1", ":"])
def test_a_ratio_that_is_none(ratio: str) -> None:
    assert differences(Look(FACTS), {"aspect_ratio": ratio}) == []


def test_what_cannot_be_read_is_no_video() -> None:
    assert differences(Look(None, "no picture is in it"), {}) == ["it can't be read as a video (no picture is in it)"]
