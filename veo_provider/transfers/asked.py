# SPDX-License-Identifier: Apache-2.0
"""What was asked for, by the task that generated a video, and in what the video differs from it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from veo_provider.api.models import is_fast
from veo_provider.operators.xcoms import GENERATION_XCOM
from veo_provider.transfers.media import Look, MediaFacts

MAX_SECONDS_OFF = 0.5
"""By so much a length may be off: pictures and sound end at moments of their own."""

MAX_RATIO_OFF = 0.02
"""By this share: encoders round a side up to a multiple of 16."""


def find_facts(ti: Any, task_ids: Iterable[str], generation_id: str, log: logging.Logger | Any) -> Mapping[str, Any]:
    """
    Return what the task that generated a video has said of it, if that is one of the tasks right before this one.

    :param ti: the transfer's task instance.
    :param task_ids: the tasks right before it.
    :param generation_id: the generation.
    :param log: the task's logger.
    """
    for task_id in sorted(task_ids):
        # Of a mapped task first the one of the same index: there may be hundreds.
        for which in ({"map_indexes": [ti.map_index]}, {}):
            try:
                found = ti.xcom_pull(task_ids=[task_id], key=GENERATION_XCOM, **which)
            except Exception as error:  # noqa: BLE001 - an XCom backend raises classes of its own
                log.warning("The XCom %s of %s couldn't be read: %s", GENERATION_XCOM, task_id, type(error).__name__)
                continue
            for facts in found if isinstance(found, list) else [found]:
                if isinstance(facts, dict) and facts.get("generation_id") == generation_id:
                    return facts
    log.info("No task right before this one has said what generation %s was made of", generation_id)
    return {}


def differences(look: Look, request: Mapping[str, Any]) -> list[str]:
    """
    Say in what a video isn't what was asked for.

    :param look: what was seen of it.
    :param request: what was asked for, as in the XCom ``veo_generation``; what isn't in it isn't compared.
    """
    if look.facts is None:
        return [f"it can't be read as a video ({look.problem})"]
    return [*_length(look.facts, request), *_picture(look.facts, request), *_sound(look.facts, request)]


def _length(facts: MediaFacts, request: Mapping[str, Any]) -> Iterator[str]:
    asked = request.get("duration_seconds")
    if _is_number(asked) and facts.seconds is not None and abs(facts.seconds - asked) > MAX_SECONDS_OFF:
        yield f"it is {facts.seconds:g} s long, not {asked} s"


def _picture(facts: MediaFacts, request: Mapping[str, Any]) -> Iterator[str]:
    shown = f"{facts.width}x{facts.height}"
    across, _, down = str(request.get("aspect_ratio")).partition(":")
    if across.isdecimal() and down.isdecimal() and int(across) and int(down):
        off = facts.width / facts.height * int(down) / int(across)
        if abs(off - 1) > MAX_RATIO_OFF:
            yield f"its picture is {shown}, which isn't {across}:{down}"
    lines = str(request.get("resolution")).removesuffix("p")
    if lines.isdecimal() and abs(min(facts.width, facts.height) / int(lines) - 1) > MAX_RATIO_OFF:
        yield f"its picture is {shown}, which isn't {lines}p"


def _sound(facts: MediaFacts, request: Mapping[str, Any]) -> Iterator[str]:
    asked = True if is_fast(str(request.get("model"))) else request.get("generate_audio")
    if asked is True and not facts.audio:
        yield "it has no sound"
    if asked is False and facts.audio:
        yield "it has sound, though none was asked for"


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
