# SPDX-License-Identifier: Apache-2.0
"""Parameters become one validated request, before anything is paid for (contract, section 2)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from veo_provider.api.images import read_image, shorten_image, shorten_values
from veo_provider.api.models import MODELS, is_fast
from veo_provider.api.text import parse_json, printable

DURATIONS = (4, 6, 8)
ASPECT_RATIOS = ("16:9", "9:16")
RESOLUTIONS = ("720p", "1080p")
PERSON_GENERATION = ("allow_adult", "dont_allow", "allow_all")
MAX_SAMPLES = 4
MAX_SEED = 4_294_967_295

WIRE_NAMES = {
    "model": "model",
    "prompt": "prompt",
    "duration_seconds": "durationSeconds",
    "aspect_ratio": "aspectRatio",
    "resolution": "resolution",
    "sample_count": "sampleCount",
    "generate_audio": "generateAudio",
    "image": "image",
    "last_frame_image": "lastFrameImage",
    "person_generation": "personGeneration",
    "add_watermark": "addWatermark",
    "seed": "seed",
}
"""Python name to wire name."""

IMAGE_FIELDS = ("image", "last_frame_image")
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class VeoRequest:
    """
    One validated request for a generation. Make it with :func:`parse_request`.

    :param prompt: what the video shows.
    :param model: one of :data:`~veo_provider.api.models.MODELS`, or another id that the gateway knows.
    :param duration_seconds: 4, 6 or 8 seconds.
    :param aspect_ratio: ``16:9`` or ``9:16``.
    :param resolution: ``720p`` or ``1080p``.
    :param sample_count: 1 to 4 videos; multiplies the price.
    :param generate_audio: whether the video has sound; fast models always make it.
    :param image: the first frame.
    :param last_frame_image: the last frame, veo-3.1 models only.
    :param person_generation: ``allow_adult``, ``dont_allow`` or ``allow_all``.
    :param add_watermark: whether the gateway adds its watermark.
    :param seed: 0 to 4294967295.
    :param extra_parameters: other wire fields, passed through as they are.
    :param warnings: what is allowed and probably not meant.
    """

    prompt: str
    model: str
    duration_seconds: int
    aspect_ratio: str
    resolution: str
    sample_count: int
    generate_audio: bool | None = None
    image: str | None = field(default=None, repr=False)
    last_frame_image: str | None = field(default=None, repr=False)
    person_generation: str | None = None
    add_watermark: bool | None = None
    seed: int | None = None
    extra_parameters: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def wire(self, last_frame_field: str = "lastFrameImage") -> dict[str, Any]:
        """
        Return the JSON body: what is set, under its wire name.

        :param last_frame_field: the wire name of the last frame; one gateway of the family reads ``lastFrame``.
        """
        named = {wire: getattr(self, name) for name, wire in WIRE_NAMES.items()}
        named[last_frame_field] = named.pop("lastFrameImage")
        return {name: value for name, value in named.items() if value is not None} | dict(self.extra_parameters)

    def summary(self) -> dict[str, Any]:
        """Return the request fit to be shown: JSON values, images and signed URLs shortened, the prompt whole."""
        values = {name: getattr(self, name) for name in WIRE_NAMES}
        for name in IMAGE_FIELDS:
            values[name] = shorten_image(values[name]) if values[name] else None
        values["extra_parameters"] = shorten_values(self.extra_parameters) or None
        return {name: value for name, value in values.items() if value is not None}


class RequestError(ValueError):
    """
    The parameters don't make a request.

    :param problems: everything that is wrong, one sentence each.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The request was not sent: " + "; ".join(problems) + ".")
        self.problems = problems


def left_out(value: Any) -> bool:
    """Whether a value isn't given: a template that renders to nothing, or to ``None``, leaves it out."""
    return value is None or (isinstance(value, str) and value.strip() in ("", "None"))


def parse_request(values: Mapping[str, Any]) -> VeoRequest:
    """
    Parse and check the author's parameters; templated ones come as text and are parsed strictly.

    :param values: by Python name, see :class:`VeoRequest`.
    :raises RequestError: naming every problem with the allowed values.
    """
    parser = _Parser(values)
    fields: dict[str, Any] = {
        "prompt": parser.text("prompt", required=True),
        "model": parser.text("model", required=True),
        "duration_seconds": parser.integer("duration_seconds", DURATIONS, required=True),
        "aspect_ratio": parser.choice("aspect_ratio", ASPECT_RATIOS, required=True),
        "resolution": parser.choice("resolution", RESOLUTIONS, required=True),
        "sample_count": parser.integer("sample_count", range(1, MAX_SAMPLES + 1), required=True),
        "generate_audio": parser.boolean("generate_audio"),
        "image": parser.image("image"),
        "last_frame_image": parser.image("last_frame_image"),
        "person_generation": parser.choice("person_generation", PERSON_GENERATION),
        "add_watermark": parser.boolean("add_watermark"),
        "seed": parser.integer("seed", range(MAX_SEED + 1)),
        "extra_parameters": parser.extra_parameters(),
    }
    parser.problems += _model_rules(fields)
    parser.problems += [f"{name}: no such parameter" for name in values if name not in fields]
    if parser.problems:
        raise RequestError(parser.problems)
    return VeoRequest(**fields, warnings=tuple(_warnings(fields)))


def _model_rules(fields: Mapping[str, Any]) -> list[str]:
    if not fields["last_frame_image"]:
        return []
    problems = []
    if not fields["image"]:
        problems.append("last_frame_image: it needs image, the first frame, too")
    model = fields["model"]
    if model in MODELS and not model.startswith("veo-3.1-"):
        allowed = [name for name in MODELS if name.startswith("veo-3.1-")]
        problems.append(f"last_frame_image: only veo-3.1 models take one ({', '.join(allowed)}), not {model}")
    return problems


def _warnings(fields: Mapping[str, Any]) -> list[str]:
    model, warnings = fields["model"], []
    if model not in MODELS:
        warnings.append(f"model {model!r} is none of {', '.join(MODELS)}: its rules are not checked")
    if is_fast(model) and fields["generate_audio"] is False:
        warnings.append(f"{model} ignores generate_audio=False: fast models always make sound")
    if fields["resolution"] == "1080p" and fields["duration_seconds"] != 8:
        warnings.append("Google documents 1080p for 8 seconds only; the gateway may refuse it, or answer in 720p")
    return warnings


class _Parser:
    """Reads one value after the other and keeps every problem instead of stopping at the first."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.problems: list[str] = []

    def _get(self, name: str, allowed: str, required: bool) -> Any:
        value = self.values.get(name)
        if left_out(value):
            if required:
                self.problems.append(f"{name}: missing; give {allowed}")
            return None
        return value

    def _refuse(self, name: str, value: Any, allowed: str) -> None:
        # A signed URL may be anywhere inside these.
        shown = _type(value) if name in (*IMAGE_FIELDS, "extra_parameters") else _shown(value)
        self.problems.append(f"{name}: {shown} is not {allowed}")

    def text(self, name: str, *, required: bool = False) -> str | None:
        value = self._get(name, "text that is not blank", required)
        if value is None:
            return None
        if not isinstance(value, str):
            self._refuse(name, value, "text")
            return None
        if value != value.encode(errors="replace").decode():
            self._refuse(name, value, "text that UTF-8 can hold (it has half of a surrogate pair)")
            return None
        return value if name == "prompt" else value.strip()

    def choice(self, name: str, allowed: tuple[str, ...], *, required: bool = False) -> str | None:
        words = "one of " + ", ".join(allowed)
        value = self._get(name, words, required)
        if value is None:
            return None
        if not isinstance(value, str) or value.strip() not in allowed:
            self._refuse(name, value, words)
            return None
        return value.strip()

    def integer(self, name: str, allowed: tuple[int, ...] | range, *, required: bool = False) -> int | None:
        words = (
            f"a whole number from {allowed[0]} to {allowed[-1]}"
            if isinstance(allowed, range)
            else "one of " + ", ".join(map(str, allowed))
        )
        value = self._get(name, words, required)
        if value is None:
            return None
        number = value
        if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,20}\s*", value):
            number = int(value)
        if isinstance(number, bool) or not isinstance(number, int) or number not in allowed:
            self._refuse(name, value, words)
            return None
        return number

    def boolean(self, name: str) -> bool | None:
        value = self._get(name, "true or false", required=False)
        if isinstance(value, str) and value.strip().lower() in _BOOLEANS:
            return _BOOLEANS[value.strip().lower()]
        if value is not None and not isinstance(value, bool):
            self._refuse(name, value, "true or false")
            return None
        return value

    def image(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None:
            value, problems = read_image(name, value)
            self.problems += problems
        return value

    def extra_parameters(self) -> dict[str, Any]:
        name, words = "extra_parameters", "an object of wire names and JSON values"
        value = self._get(name, words, required=False)
        if isinstance(value, str):
            parsed = parse_json(value)
            value = value if parsed is None else parsed
        if value is None:
            return {}
        try:
            text = json.dumps(value, allow_nan=False, ensure_ascii=False)
            text.encode()
            plain = json.loads(text)
        except UnicodeEncodeError:
            words += " that UTF-8 can hold (it has half of a surrogate pair)"
            plain = None
        except Exception:  # noqa: BLE001 - the author's own classes may raise anything
            plain = None
        if not isinstance(plain, dict):
            self._refuse(name, value, words)
            return {}
        self.problems += [f"extra_parameters: {problem}" for problem in _key_problems(plain)]
        return plain


def _key_problems(parameters: Mapping[str, Any]) -> list[str]:
    """Find keys that would override an argument or one another: many gateways read names without their case."""
    taken = {_folded(wire) for wire in (*WIRE_NAMES.values(), "lastFrame", "metadata")}
    problems = []
    seen: dict[str, str] = {}
    for key in parameters:
        first = seen.setdefault(_folded(key), key)
        if _folded(key) in taken:
            problems.append(f"{_shown(key)} has an argument of its own or is never sent")
        elif first != key:
            problems.append(f"{_shown(first)} and {_shown(key)} are the same to a gateway; give one of them")
    return problems


def _folded(key: str) -> str:
    return key.replace("_", "").casefold()


def _shown(value: Any) -> str:
    try:
        return printable(repr(value), 80)
    except Exception:  # noqa: BLE001 - a whole number of 5000 digits has no text, and a class may raise anything
        return _type(value)


def _type(value: Any) -> str:
    return f"a value of type {type(value).__name__}"
