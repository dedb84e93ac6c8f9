# SPDX-License-Identifier: Apache-2.0
"""Airflow on PostgreSQL, the gateway and S3 as one thing that scenarios can run videos in, and break parts of."""

from __future__ import annotations

import contextlib
import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from tests.chaos import crash
from tests.chaos.judge import Ended, Evidence, Owner, Stored, Verdict, judge, label, owner_of, row
from tests.support.airflow_api import AirflowApi, Run
from tests.support.airflow_stack import AirflowStack
from tests.support.gate import Gate
from tests.support.postgres import Postgres
from tests.support.s3 import S3Server
from veo_provider.simulator import Simulator

DAG_ID = "chaos"
GENERATE, STORE = "one.generate", "one.store"
PAGE = 100


@dataclass
class Event:
    """Something that is done to the running scenario.

    :param at: seconds after its start.
    :param what: as the table names it.
    :param do: does it.
    :param must: it is waited for even if all has ended.
    """

    at: float
    what: str
    do: Callable[[], object]
    must: bool = False


@dataclass
class Job:
    """One DAG run of so many videos."""

    run: Run
    owners: tuple[Owner, ...]


@dataclass
class World:
    """
    Everything that a scenario plays in.

    :param airflow: its components as processes.
    :param postgres: its database.
    :param simulator: the gateway, in this process, over sockets.
    :param gate: the only way to its API.
    :param s3: the store.
    :param bucket: where the videos go.
    :param control: the folder of armed crash points.
    :param rows: the table so far.
    """

    airflow: AirflowStack
    postgres: Postgres
    simulator: Simulator
    gate: Gate
    s3: S3Server
    bucket: str
    control: Path
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    revived: list[str] = field(default_factory=list)

    @property
    def api(self) -> AirflowApi:
        return self.airflow.api

    def begin(
        self,
        scenario: str,
        directives: Sequence[str],
        arms: dict[int, tuple[str, str]] | None = None,
        dag_id: str = DAG_ID,
    ) -> Job:
        """
        Start one run.

        :param scenario: becomes a part of the run id.
        :param directives: for each video what its prompt tells the simulator.
        :param arms: by map index which point is armed, and who dies there.
        :param dag_id: of which DAG.
        """
        run_id = f"{scenario}-{uuid.uuid4().hex[:6]}"
        prompts = [f"{label(run_id, index)} a clip {words}".rstrip() for index, words in enumerate(directives)]
        for index, (point, whom) in (arms or {}).items():
            task_id = STORE if point in crash.OF_THE_TRANSFER else GENERATE
            crash.arm(self.control, point, f"{run_id}@{task_id}@{index}", whom)
        run = self.api.trigger(dag_id, {"prompts": prompts, "bucket": self.bucket}, run_id)
        return Job(run, tuple((run_id, index) for index in range(len(prompts))))

    def watch(self, jobs: Sequence[Job], *, seconds: float, events: Iterable[Event] = ()) -> None:
        """
        Let the runs end, and do what is planned meanwhile; what has died by itself is started again.

        :param jobs: what runs; an event may add to it.
        :param seconds: when to stop watching: what hasn't ended then hangs.
        :param events: what is done, and when. If all runs have ended, the rest of it isn't.
        """
        started = time.monotonic()
        planned = sorted(events, key=lambda event: event.at)
        while time.monotonic() < started + seconds:
            while planned and time.monotonic() - started >= planned[0].at:
                planned.pop(0).do()
            self.revived += self.airflow.revive()
            for run in [job.run for job in jobs if not job.run.ended]:
                # At once: what is planned doesn't wait for a server that is away.
                with contextlib.suppress(requests.RequestException, KeyError):
                    run.state = self.api.request("GET", f"/api/v2{run.path}").json()["state"]
            if all(job.run.ended for job in jobs) and not any(event.must for event in planned):
                return
            time.sleep(0.5)

    def judge(self, fault: str, injected: int, evidence: Evidence) -> Verdict:
        """Judge what was watched, and put it in the table."""
        verdict = judge(evidence)
        self.rows.append(row(fault, injected, verdict))
        return verdict

    def evidence(self, jobs: Sequence[Job]) -> Evidence:
        """Gather the facts from the gateway's ledger, Airflow's API and the bucket."""
        run_ids = {job.run.run_id for job in jobs}
        generate: dict[Owner, Ended] = {}
        store: dict[Owner, Ended] = {}
        for job in jobs:
            for task in self.tasks(job.run):
                into = {GENERATE: generate, STORE: store}.get(task["task_id"])
                if into is not None and task["map_index"] >= 0:
                    into[(job.run.run_id, task["map_index"])] = self._ended(job.run, task)
        mine = [
            submit
            for submit in self.simulator.ledger()["submits"]
            if (owner := owner_of(str(submit["request"].get("prompt")))) is None or owner[0] in run_ids
        ]
        return Evidence(
            owners=tuple(owner for job in jobs for owner in job.owners),
            submits=tuple(mine),
            generate=generate,
            store=store,
            stored={owner: kept for run_id in run_ids for owner, kept in self._stored(run_id).items()},
        )

    def tasks(self, run: Run) -> list[dict[str, Any]]:
        """All task instances of a run, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            params = {"limit": PAGE, "offset": len(found)}
            page = self.api.json("GET", f"{run.path}/taskInstances", params=params)["task_instances"]
            found += page
            if len(page) < PAGE:
                return found

    def _ended(self, run: Run, task: dict[str, Any]) -> Ended:
        error = ""
        if task["state"] == "failed":
            error = self.errors(run, task["task_id"], task["map_index"], task["try_number"])
        return Ended(task["state"], task["try_number"], error)

    def errors(self, run: Run, task_id: str, map_index: int, try_number: int) -> str:
        """What one try said in errors."""
        path = f"{run.path}/taskInstances/{quote(task_id)}/logs/{try_number}"
        content = self.api.json("GET", path, params={"map_index": map_index, "full_content": "true"})["content"]
        said = []
        for line in content:
            if str(line.get("level", "")).lower() in ("error", "critical"):
                details = [f"{e.get('exc_type')}: {e.get('exc_value')}" for e in line.get("error_detail") or ()]
                said += [str(line.get("event")), *details]
        return "\n".join(said)

    def _stored(self, run_id: str) -> dict[Owner, Stored]:
        found = {}
        pages = self.s3.client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket, Prefix=f"chaos/{run_id}/"):
            for entry in page.get("Contents", ()):
                if not entry["Key"].endswith(".mp4"):
                    continue
                answer = self.s3.client.get_object(Bucket=self.bucket, Key=entry["Key"])
                generation_id = answer["Metadata"].get("veo-generation-id", "nothing")
                index = int(entry["Key"].rpartition("/")[2].removesuffix(".mp4"))
                found[(run_id, index)] = Stored(generation_id, self._whole(generation_id, answer["Body"].read()))
        return found

    def _whole(self, generation_id: str, data: bytes) -> bool:
        try:
            video = self.simulator.video(generation_id)
        except LookupError:
            return False
        return hashlib.sha256(video).digest() == hashlib.sha256(data).digest()

    def crash_postgres(self) -> None:
        """Kill the database and start it again."""
        self.postgres.kill()
        self.postgres.start()

    def task_states(self, run: Run, task_id: str = GENERATE) -> list[str]:
        """The states of one task's instances."""
        return [str(task["state"]) for task in self.tasks(run) if task["task_id"] == task_id]
