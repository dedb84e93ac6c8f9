# SPDX-License-Identifier: Apache-2.0
"""One accepted generation: how far it is at a moment, and what its videos are."""

from __future__ import annotations

import base64
import dataclasses
import secrets
import string
import uuid
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from veo_provider.simulator.dialects import View
from veo_provider.simulator.failures import FILTERED_REASON, Failure
from veo_provider.simulator.mp4 import VideoFile
from veo_provider.simulator.scenario import Scenario
from veo_provider.simulator.submission import Submission

_QUEUED_SHARE = 0.2
_LETTERS = string.ascii_letters + string.digits


def new_id(style: str) -> str:
    """
    Make a generation id.

    :param style: ``task``, ``uuid``, ``video``, ``long`` (240 characters of base64url) or ``odd`` (needs
        percent-encoding in a path).
    """
    if style == "uuid":
        return str(uuid.uuid4())
    while True:
        made = _random_id(style)
        # Airflow's logs blank what begins like a JSON web token, whatever it is; ids here are looked for in logs.
        if "eyJ" not in made:
            return made


def _random_id(style: str) -> str:
    if style == "long":
        return base64.urlsafe_b64encode(secrets.token_bytes(178)).decode()
    word = "".join(secrets.choice(_LETTERS) for _ in range(24))
    return {"task": f"task_{word}", "video": f"video_{word}", "odd": f"operations/{word}+a b?c=%2F#ü=="}[style]


@dataclasses.dataclass
class Job:
    """
    One accepted generation.

    :param generation_id: its id.
    :param submission: what was asked for.
    :param scenario: what happens to it.
    :param started_at: epoch seconds.
    :param clip: its drawn clip, perhaps not ready; None if it will have no video.
    :param pollable: whether the gateway still knows it.
    :param polls: polls answered with its status so far.
    """

    generation_id: str
    submission: Submission
    scenario: Scenario
    started_at: float
    clip: Future[Path] | None
    pollable: bool = True
    polls: int = 0
    url_polls: int = 0
    finished_at: float | None = None

    @property
    def failure(self) -> Failure | None:
        """What it fails with: its script's failure or the request's own mistake."""
        if self.scenario.failure is not None:
            return self.scenario.failure
        if self.submission.late is not None:
            return Failure(self.submission.late)
        if self.clip is not None and self.clip.done() and (error := self.clip.exception()) is not None:
            return Failure(f"The simulator could not draw the video: {error}")
        return None

    @property
    def filtered(self) -> tuple[str, ...]:
        """Why samples are missing, one reason for each."""
        samples = self.submission.samples
        count = samples if self.scenario.filtered else min(self.scenario.filter_samples, samples)
        return (FILTERED_REASON.format(code=self.scenario.support_code),) * count

    def end(self) -> None:
        """Let its time be over."""
        self.scenario = dataclasses.replace(self.scenario, never=False, seconds=0.0)

    @property
    def videos(self) -> tuple[VideoFile, ...]:
        """Its videos, once drawn."""
        if self.clip is None or not self.clip.done() or self.clip.exception() is not None:
            return ()
        path = self.clip.result()
        count = self.submission.samples - len(self.filtered)
        at_least = int(self.scenario.size_mb * 1_000_000)
        size = path.stat().st_size
        return tuple(VideoFile(path, size, f"{self.generation_id} {index}", at_least) for index in range(count))

    def phase(self, now: float) -> str:
        """
        Return ``queued``, ``running``, ``succeeded`` or ``failed``.

        :param now: epoch seconds.
        """
        passed = now - self.started_at
        if self.scenario.never or passed < self.scenario.seconds or (self.clip is not None and not self.clip.done()):
            return "queued" if passed < self.scenario.seconds * _QUEUED_SHARE else "running"
        if self.finished_at is None:
            self.finished_at = now
        return "succeeded" if self.failure is None else "failed"

    def gone(self, now: float) -> bool:
        """
        Return whether the result is no longer kept.

        :param now: epoch seconds.
        """
        wipe = self.scenario.wipe_seconds
        wiped = wipe is not None and self.finished_at is not None and now >= self.finished_at + wipe
        return self.scenario.expired or wiped

    def view(self, now: float, urls: tuple[str, ...]) -> View:
        """
        Return what a poll sees.

        :param now: epoch seconds.
        :param urls: where its videos are, if it has ended well.
        """
        phase = self.phase(now)
        waiting = phase in ("queued", "running")
        passed = (now - self.started_at) / self.scenario.seconds if self.scenario.seconds else 1.0
        failure = self.failure if phase == "failed" else None
        return View(
            generation_id=self.generation_id,
            model=self.submission.model,
            phase=phase,
            progress=min(99, int(passed * 100)) if waiting else 100,
            created_at=int(self.started_at),
            finished_at=int(self.finished_at or 0),
            samples=self.submission.samples,
            urls=urls if phase == "succeeded" else (),
            filtered=self.filtered if phase == "succeeded" else (),
            error=_error(failure, self.scenario.error_form),
            message=failure.message if failure else "",
            word=self.scenario.status_word if waiting else None,
        )


def _error(failure: Failure | None, form: str) -> Any:
    if failure is None:
        return None
    if form == "string":
        return failure.message
    if form == "none":
        return {"message": failure.message}
    return {"code": str(failure.code) if form == "text" else failure.code, "message": failure.message}
