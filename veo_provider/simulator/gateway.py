# SPDX-License-Identifier: Apache-2.0
"""The gateway itself: takes submits, tells how far a generation is, and hands out its videos. Knows no HTTP server."""

from __future__ import annotations

import base64
import dataclasses
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from veo_provider.simulator.clips import ClipCache, default_cache_dir
from veo_provider.simulator.delivery import JSON_TYPE, Answer, json_answer
from veo_provider.simulator.dialects import DIALECTS, EMPTY_POLL, Json, json_bytes, submit_body
from veo_provider.simulator.drawing import PALETTES, Picture
from veo_provider.simulator.errors import ERRORS, ErrorAnswer, task
from veo_provider.simulator.faults import FaultBook, error_answer
from veo_provider.simulator.job import Job, new_id
from veo_provider.simulator.ledger import Entry, Ledger
from veo_provider.simulator.mp4 import VideoFile
from veo_provider.simulator.options import SimulatorOptions
from veo_provider.simulator.scenario import DirectiveError, Scenario, make_scenario, without_directives
from veo_provider.simulator.store import LinkSigner
from veo_provider.simulator.submission import MODELS, Refusal, Submission, read_submission

# Keys that are let in by no list: each stands for a row of the error table.
REFUSED_KEYS = {"sk-refused": "bad_key", "sk-exhausted": "key_exhausted"}
POOR_KEYS = {
    "sk-no-quota": "insufficient_user_quota",
    "sk-token-quota": "pre_consume_token_quota_failed",
    "sk-forbidden": "forbidden",
}
_DATA_URI = "data:video/mp4;base64,"


class Gateway:
    """
    Everything one simulator knows.

    :param options: how it behaves.
    """

    def __init__(self, options: SimulatorOptions) -> None:
        make_scenario(options, "")  # A bad default directive shows at the start, not at the first submit.
        self.options = options
        self.origin = ""
        self.signer = LinkSigner()
        self.ledger = Ledger()
        self.clips = ClipCache(Path(options.cache_dir) if options.cache_dir else default_cache_dir())
        self.faults = FaultBook(options.fault_rate, options.seed)
        self._jobs: dict[str, Job] = {}
        self._mark = secrets.token_hex(8)

    def reset(self) -> None:
        """Forget generations, faults and the ledger."""
        self._jobs.clear()
        self.faults.faults.clear()
        self.ledger.clear()

    def models(self) -> Answer:
        """List the models."""
        names = (*MODELS, *self.options.models)
        models = [{"id": name, "object": "model", "created": 1626777600, "owned_by": "google"} for name in names]
        return json_answer({"object": "list", "data": models, "success": True})

    def turned_away(self, key: str) -> str | None:
        """
        Return the name of the error that a key gets everywhere; None if it is let in.

        :param key: the bearer; empty if there was none.
        """
        if key in POOR_KEYS or key in self.options.api_keys:
            return None
        return REFUSED_KEYS.get(key, "bad_key")

    def submit(self, body: Any, key: str, entry: Entry) -> tuple[Answer, Scenario | None]:
        """
        Take a submit, or refuse it.

        :param body: the parsed JSON.
        :param key: the key it came with.
        :param entry: its place in the ledger, which this fills in.
        """
        try:
            submission = read_submission(body, self.options.last_frame_field)
            scenario = make_scenario(self.options, submission.prompt)
        except (Refusal, DirectiveError) as error:
            entry["problems"] = [str(error)]
            return self._refuse(ErrorAnswer(400, task("invalid_request", str(error))), entry), None
        entry["request"] = submission.received
        entry["coerced"], entry["ignored_fields"] = submission.coerced, submission.ignored
        entry["values"], entry["problems"] = submission.values, submission.problems
        if key in POOR_KEYS:
            return self._refuse(ERRORS[POOR_KEYS[key]], entry), None
        if submission.model not in (*MODELS, *self.options.models):
            return self._refuse(ERRORS["model_not_found"], entry), None
        if self.options.strict and submission.problems:
            problems = "; ".join(submission.problems)
            return self._refuse(ErrorAnswer(400, task("invalid_request", problems)), entry), None
        failed = ERRORS[scenario.submit_error] if scenario.submit_error else None
        if failed is not None and not failed.accepted:
            return self._refuse(failed, entry), None
        shape = scenario.submit_shape or DIALECTS[scenario.dialect].submit_shape
        pollable = failed is None and shape != "S5"
        job = self._start(submission, scenario, pollable)
        entry.update(accepted=True, billed=True, generation_id=job.generation_id, cost=submission.cost, status=200)
        if failed is not None:
            entry["status"] = failed.status
            return error_answer(failed), scenario
        text = submit_body(shape, job.generation_id, submission.model, int(job.started_at))
        return Answer(200, JSON_TYPE, text), scenario

    @staticmethod
    def _refuse(error: ErrorAnswer, entry: Entry) -> Answer:
        entry["status"] = error.status
        return error_answer(error)

    def _start(self, submission: Submission, scenario: Scenario, pollable: bool) -> Job:
        fails = scenario.failure or submission.late or scenario.filtered or scenario.expired
        clip = None
        if pollable and not fails:
            clip = self.clips.clip(_picture(submission, scenario))
        job = Job(new_id(scenario.id_style), submission, scenario, time.time(), clip, pollable)
        self._jobs[job.generation_id] = job
        return job

    def job(self, generation_id: str) -> Job | None:
        """
        Return a generation the gateway still knows.

        :param generation_id: its id.
        """
        job = self._jobs.get(generation_id)
        return job if job is not None and job.pollable else None

    def status(self, generation_id: str, entry: Entry) -> Answer:
        """
        Answer a poll.

        :param generation_id: what it asks for.
        :param entry: its place in the ledger.
        """
        job = self.job(generation_id)
        if job is None:
            return error_answer(ERRORS["task_not_exist"])
        job.polls += 1
        if job.polls <= job.scenario.not_found:
            return error_answer(ERRORS["task_not_exist"])
        if job.polls <= job.scenario.empty_polls:
            return json_answer(EMPTY_POLL)
        now = time.time()
        entry["phase"] = job.phase(now)
        dialect = DIALECTS[job.scenario.dialect]
        field = job.scenario.url_field or dialect.url_field
        body = dialect.poll(job.view(now, self._urls(job, now)), field)
        if job.scenario.url_first:
            body = _url_first(body, field)
        return self._with_videos(body, job.videos)

    def _urls(self, job: Job, now: float) -> tuple[str, ...]:
        if job.phase(now) != "succeeded":
            return ()
        if job.gone(now):
            return ("expired",)
        job.url_polls += 1
        if job.url_polls <= job.scenario.late_url:
            return ()
        way = job.scenario.results or DIALECTS[job.scenario.dialect].results
        return tuple(self._url(job, index, way) for index in range(len(job.videos)))

    def _url(self, job: Job, index: int, way: str) -> str:
        if way == "link":
            return self.link(job, index)
        if way == "inline":
            return f"{_DATA_URI}@{self._mark}-{index}@"
        which = f"?index={index}" if index else ""
        return f"{self.origin}/v1/videos/{quote(job.generation_id, safe='')}/content{which}"

    def link(self, job: Job, index: int) -> str:
        """
        Make a fresh link to a video at the result origin.

        :param job: whose video.
        :param index: which of its videos.
        """
        return self.signer.link(job.generation_id, index, job.scenario.link_seconds)

    def _with_videos(self, body: Json, videos: tuple[VideoFile, ...]) -> Answer:
        # Inline videos are put in while the body is sent: a hundred megabytes must not lie in memory.
        parts = re.split(f"@{self._mark}-([0-9]+)@".encode(), json_bytes(body))
        if len(parts) == 1:
            return Answer(200, JSON_TYPE, parts[0])
        length = sum(len(part) for part in parts[::2])
        length += sum(-(-videos[int(index)].size // 3) * 4 for index in parts[1::2])

        def stream() -> Iterator[bytes]:
            for position, part in enumerate(parts):
                if position % 2:
                    yield from map(base64.b64encode, videos[int(part)].read())
                else:
                    yield part

        return Answer(200, JSON_TYPE, stream, length)


def _picture(submission: Submission, scenario: Scenario) -> Picture:
    look = f"{without_directives(submission.prompt)} {submission.values['seed']}"
    instead = {
        "durationSeconds": scenario.made_seconds,
        "aspectRatio": scenario.made_ratio,
        "resolution": scenario.made_resolution,
    }
    values = submission.values | {name: value for name, value in instead.items() if value is not None}
    made = dataclasses.replace(submission, values=values)
    sound = made.audio and not scenario.made_silent
    return Picture(made.seconds, *made.size, sound, palette=sum(look.encode()) % PALETTES)


def _url_first(body: Json, field: str) -> Json:
    if isinstance(body.get("data"), dict):
        return body | {"data": _url_first(body["data"], field)}
    top = "metadata" if field in ("metadata.url", "response") else field
    return ({top: body[top]} if top in body else {}) | body
