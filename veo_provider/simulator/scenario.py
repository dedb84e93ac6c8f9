# SPDX-License-Identifier: Apache-2.0
"""What is to happen to one generation: the options of the simulator, overruled by directives in the prompt."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from veo_provider.simulator.dialects import DIALECTS, SUBMIT_SHAPES, URL_FIELDS
from veo_provider.simulator.errors import ERRORS
from veo_provider.simulator.failures import DEFAULT_SUPPORT_CODE, FAILURES, Failure
from veo_provider.simulator.options import ID_STYLES, RESULTS, SimulatorOptions
from veo_provider.simulator.submission import RATIOS, SIZES

PREFIX = "sim:"
SLOW_FACTOR = 10
ERROR_FORMS = ("int", "text", "none", "string")


class DirectiveError(ValueError):
    """A directive nobody knows, or with a value that makes no sense."""


@dataclasses.dataclass(frozen=True)
class Scenario:
    """
    One generation's script.

    :param dialect: name of its dialect.
    :param submit_shape: S1 to S5, when not the dialect's own.
    :param url_field: where the result's URL stands, when not the dialect's own place.
    :param results: how results are handed out, when not the dialect's own way.
    :param id_style: what its id looks like.
    :param seconds: how long it takes.
    :param never: it never ends.
    :param filtered: it is refused by the content filter (F5).
    :param support_code: the code in the filter's reason.
    :param filter_samples: so many of its samples are filtered, the others are there.
    :param failure: it fails with this.
    :param error_form: the form of the error (F7): its code an ``int``, a ``text`` or ``none``, or a bare ``string``.
    :param expired: its result is gone (F6).
    :param wipe_seconds: its result is gone so long after the end.
    :param link_seconds: how long a result link is good for.
    :param size_mb: pad each video to this size.
    :param late_url: so many polls see a success without a URL first.
    :param empty_polls: so many polls see nothing at first (F13).
    :param not_found: so many polls don't find it at first.
    :param status_word: the word said while it waits or runs.
    :param url_first: the URL stands before the status in the answer.
    :param submit_error: its submit is answered by this row of ``errors.ERRORS``.
    :param lost_answer: it is accepted and billed; the connection is reset before the answer.
    :param truncated_answer: it is accepted and billed; the answer breaks off.
    :param made_seconds: its videos have another length than was asked for.
    :param made_ratio: their picture has another shape.
    :param made_resolution: it has another size.
    :param made_silent: they have no sound.
    """

    dialect: str
    submit_shape: str | None = None
    url_field: str | None = None
    results: str | None = None
    id_style: str = "task"
    seconds: float = 60.0
    never: bool = False
    filtered: bool = False
    support_code: str = DEFAULT_SUPPORT_CODE
    filter_samples: int = 0
    failure: Failure | None = None
    error_form: str = "int"
    expired: bool = False
    wipe_seconds: float | None = None
    link_seconds: float = 86400.0
    size_mb: float = 0.0
    late_url: int = 0
    empty_polls: int = 0
    not_found: int = 0
    status_word: str | None = None
    url_first: bool = False
    submit_error: str | None = None
    lost_answer: bool = False
    truncated_answer: bool = False
    made_seconds: int | None = None
    made_ratio: str | None = None
    made_resolution: str | None = None
    made_silent: bool = False


Changes = dict[str, Any]
Directive = Callable[[str | None, float], Changes]


def _flag(field: str, wanted: Any = True) -> Directive:
    def read(value: str | None, seconds: float) -> Changes:
        if value is not None:
            raise DirectiveError("takes no value")
        return {field: wanted}

    return read


def _number(field: str, kind: Callable[[str], float]) -> Directive:
    def read(value: str | None, seconds: float) -> Changes:
        try:
            number = kind(value or "")
        except ValueError:
            raise DirectiveError("takes a number") from None
        if not 0 <= number <= 1e9:
            raise DirectiveError("takes a number from 0 on")
        return {field: number}

    return read


def _choice(field: str, allowed: tuple[str, ...]) -> Directive:
    def read(value: str | None, seconds: float) -> Changes:
        if value not in allowed:
            raise DirectiveError(f"takes one of {', '.join(allowed)}")
        return {field: value}

    return read


def _text(field: str) -> Directive:
    def read(value: str | None, seconds: float) -> Changes:
        return {field: value or ""}

    return read


def _filtered(value: str | None, seconds: float) -> Changes:
    return {"filtered": True, "support_code": value or DEFAULT_SUPPORT_CODE}


def _failed(value: str | None, seconds: float) -> Changes:
    # Any other value is the message itself, a prompt's word being unable to hold a blank.
    failure = FAILURES.get(value or "unknown") or Failure((value or "").replace("_", " "))
    return {"failure": failure}


def _slow(value: str | None, seconds: float) -> Changes:
    if value is not None:
        raise DirectiveError("takes no value")
    return {"seconds": seconds * SLOW_FACTOR}


DIRECTIVES: dict[str, Directive] = {
    "dialect": _choice("dialect", tuple(DIALECTS)),
    "submit_shape": _choice("submit_shape", SUBMIT_SHAPES),
    "url_field": _choice("url_field", URL_FIELDS),
    "results": _choice("results", RESULTS),
    "link": _flag("results", "link"),
    "inline": _flag("results", "inline"),
    "content": _flag("results", "content"),
    "content_redirect": _flag("results", "content-redirect"),
    "id": _choice("id_style", ID_STYLES),
    "seconds": _number("seconds", float),
    "slow": _slow,
    "never": _flag("never"),
    "filtered": _filtered,
    "filter_samples": _number("filter_samples", int),
    "failed": _failed,
    "error_form": _choice("error_form", ERROR_FORMS),
    "expired": _flag("expired"),
    "wipe_seconds": _number("wipe_seconds", float),
    "link_seconds": _number("link_seconds", float),
    "size_mb": _number("size_mb", float),
    "late_url": _number("late_url", int),
    "empty_polls": _number("empty_polls", int),
    "not_found": _number("not_found", int),
    "status_word": _text("status_word"),
    "url_first": _flag("url_first"),
    "submit_error": _choice("submit_error", tuple(ERRORS)),
    "lost_answer": _flag("lost_answer"),
    "truncated_answer": _flag("truncated_answer"),
    "made_seconds": _number("made_seconds", int),
    "made_ratio": _choice("made_ratio", RATIOS),
    "made_resolution": _choice("made_resolution", tuple(SIZES)),
    "made_silent": _flag("made_silent"),
}


def without_directives(prompt: str) -> str:
    """
    Return what the prompt says to the model.

    :param prompt: the prompt as received.
    """
    return " ".join(word for word in prompt.split() if not word.startswith(PREFIX))


def make_scenario(options: SimulatorOptions, prompt: str) -> Scenario:
    """
    Read the script of one generation.

    :param options: the simulator's own, with its default directives.
    :param prompt: the prompt, whose directives come last and win.
    """
    scenario = Scenario(
        dialect=options.dialect,
        results=options.results,
        id_style=options.id_style,
        seconds=options.job_seconds / options.speed,
        link_seconds=options.link_seconds,
    )
    for word in f"{options.default_directives} {prompt}".split():
        if not word.startswith(PREFIX):
            continue
        name, equals, value = word.removeprefix(PREFIX).rstrip(",;.").partition("=")
        directive = DIRECTIVES.get(name)
        if directive is None:
            raise DirectiveError(f"unknown simulator directive {word!r}: there are {', '.join(DIRECTIVES)}")
        try:
            changes = directive(value if equals else None, scenario.seconds)
        except DirectiveError as error:
            raise DirectiveError(f"simulator directive {word!r} {error}") from None
        scenario = dataclasses.replace(scenario, **changes)
    return scenario
