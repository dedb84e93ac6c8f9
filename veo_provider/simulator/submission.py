# SPDX-License-Identifier: Apache-2.0
"""Reads the body of a submit: what was asked for, what the gateway makes of it, and what is wrong with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from veo_provider.simulator.images import look_at

MODELS = (
    "veo-3.0-fast-generate-001",
    "veo-3.1-fast-generate-preview",
    "veo-3.0-generate-preview",
    "veo-3.1-generate-preview",
)
LARGEST_SEED = 2**32 - 1
RATIOS = ("16:9", "9:16")
SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
_PASSED_THROUGH = frozenset({"negativePrompt", "enhancePrompt", "resizeMode", "compressionQuality"})
# Simulated: the order of magnitude of public price lists, dollars for a second of video (silent, with sound).
_PRICES = {True: (0.15, 0.15), False: (0.20, 0.40)}


class Refusal(Exception):
    """The body cannot be a request at all, in either mode."""


@dataclasses.dataclass(frozen=True)
class Field:
    """
    One field the gateway coerces.

    :param wire: its name in the body.
    :param good: whether a value is one the gateway understands.
    :param fallback: what it becomes if missing or bad.
    :param rule: the rule in words, for strict mode.
    """

    wire: str
    good: Callable[[Any], bool]
    fallback: Any
    rule: str


def _integer(lowest: int, highest: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and lowest <= value <= highest


def _member(*allowed: Any) -> Callable[[Any], bool]:
    # The types are compared too: JSON's true is no 1, and 8.0 is no 8.
    return lambda value: any(type(value) is type(one) and value == one for one in allowed)


_FIELDS = (
    Field("durationSeconds", _member(4, 6, 8), 4, "must be one of the integers 4, 6, 8"),
    Field("aspectRatio", _member(*RATIOS), "16:9", "must be 16:9 or 9:16"),
    Field("resolution", _member(*SIZES), "1080p", "must be 720p or 1080p"),
    Field("sampleCount", _integer(1, 4), 1, "must be an integer from 1 to 4"),
    Field(
        "personGeneration",
        _member("allow_adult", "dont_allow", "allow_all"),
        "allow_all",
        "must be allow_adult, dont_allow or allow_all",
    ),
    Field("generateAudio", _member(True, False), False, "must be a boolean"),
    Field("addWatermark", _member(True, False), None, "must be a boolean"),
    Field("seed", _integer(0, LARGEST_SEED), None, f"must be an integer from 0 to {LARGEST_SEED}"),
)
# The contract wants these sent always; the others may be absent even in strict mode.
_EXPLICIT = frozenset({"durationSeconds", "aspectRatio", "resolution", "sampleCount"})


@dataclasses.dataclass(frozen=True)
class Submission:
    """
    A request as the gateway understood it.

    :param received: the body, with its images shortened.
    :param values: model, prompt and the coerced fields by wire name.
    :param coerced: the fields that were bad, or missing though they decide the price, with what they became.
    :param ignored: the fields nobody reads.
    :param problems: what strict mode refuses.
    :param late: what the generation fails with, minutes later, in the default mode.
    """

    received: dict[str, Any]
    values: dict[str, Any]
    coerced: dict[str, Any]
    ignored: list[str]
    problems: list[str]
    late: str | None

    @property
    def model(self) -> str:
        """The model asked for."""
        return str(self.values["model"])

    @property
    def prompt(self) -> str:
        """The prompt as received."""
        return str(self.values["prompt"])

    @property
    def samples(self) -> int:
        """How many videos to make."""
        return int(self.values["sampleCount"])

    @property
    def seconds(self) -> int:
        """Length of each."""
        return int(self.values["durationSeconds"])

    @property
    def audio(self) -> bool:
        """Whether there is sound; fast models always have it."""
        return is_fast(self.model) or bool(self.values["generateAudio"])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        width, height = SIZES[self.values["resolution"]]
        return (width, height) if self.values["aspectRatio"] == "16:9" else (height, width)

    @property
    def cost(self) -> dict[str, Any]:
        """What would have been billed."""
        total = self.seconds * self.samples
        price = _PRICES[is_fast(self.model)][self.audio]
        return {
            "seconds": self.seconds,
            "samples": self.samples,
            "video_seconds": total,
            "usd": round(total * price, 4),
            "prices": "simulated",
        }


def is_fast(model: str) -> bool:
    """
    Return whether this is one of the fast models.

    :param model: its name.
    """
    return "fast" in model


def read_submission(body: Any, last_frame_field: str) -> Submission:
    """
    Read a submit.

    :param body: the parsed JSON.
    :param last_frame_field: the wire name of the last frame here.
    """
    if not isinstance(body, dict):
        raise Refusal("the body is not a JSON object")
    values: dict[str, Any] = {}
    for name in ("model", "prompt"):
        if not isinstance(body.get(name), str) or not body[name].strip():
            raise Refusal(f"field {name} is required")
        values[name] = body[name]
    received, problems, late = dict(body), [], []
    coerced: dict[str, Any] = {}
    for field in _FIELDS:
        value = body.get(field.wire)
        if not field.good(value):
            value = field.fallback
            if field.wire in body or field.wire in _EXPLICIT:
                coerced[field.wire] = value
                problems.append(f"{field.wire} {field.rule}, not {body.get(field.wire)!r}")
        values[field.wire] = value
    for name in ("image", last_frame_field):
        if name in body:
            received[name], problem = look_at(body[name])
            if problem:
                late.append(f"{name}: {problem}")
    if last_frame_field in body:
        if "image" not in body:
            late.append(f"{last_frame_field} without image is not supported")
        if "veo-3.1" not in values["model"]:
            late.append(f"{last_frame_field} is not supported by {values['model']}")
    read = {"model", "prompt", "image", last_frame_field, *(field.wire for field in _FIELDS)}
    ignored = sorted(set(body) - read - _PASSED_THROUGH)
    problems += [f"field {name} is not understood" for name in ignored if name == "metadata" or "_" in name]
    for name in ignored:
        if isinstance(body[name], str) and len(body[name]) > 200:
            # An image under a wrong name, most likely: the ledger must stay readable.
            received[name] = body[name][:40] + "..."
    return Submission(received, values, coerced, ignored, problems + late, late[0] if late else None)
