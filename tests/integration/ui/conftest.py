# SPDX-License-Identifier: Apache-2.0
"""An API server of Airflow's with the page, users with different rights, and generations in its database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import BUCKET
from tests.support.airflow_home import airflow_environment, migrate, new_home
from tests.support.processes import ROOT, ManagedProcess, free_port, program, wait_until
from tests.support.s3 import S3Server
from veo_provider.transfers.stored import Marks

VIDEO = bytes(range(256)) * 40
POSTER = b"\xff\xd8\xff\xfe" + bytes(range(200))
USERS = {"admin": "admin", "viewer": "viewer", "only-cats": "viewer", "only-dogs": "viewer", "blind-cats": "viewer"}
EPOCH = 1_790_000_000


def facts(gid: str, **more: Any) -> dict[str, Any]:
    """What the operator pushes of a generation that has succeeded."""
    request = {"prompt": f"The film {gid}", "model": "veo-3.1-generate-preview", "duration_seconds": 8}
    return {
        "generation_id": gid,
        "status": "succeeded",
        "reason": None,
        "videos": 1,
        "submitted_at": "2026-11-24T08:00:00+00:00",
        "ended_at": "2026-11-24T08:01:30+00:00",
        "base_url": "https://gateway.example",
        "veo_conn_id": "veo_default",
        "cost_usd": 1.2,
        "request": request,
    } | more


def stored(uri: str, gid: str, **more: Any) -> dict[str, Any]:
    """What a transfer pushes of a video."""
    one = {"uri": uri, "index": 0, "size": len(VIDEO), "sha256": "0" * 64, "content_type": "video/mp4"}
    return one | {"generation_id": gid, "conn_id": None} | more


def row(dag_id: str, task_id: str, at: int, state: str = "success", **more: Any) -> dict[str, Any]:
    """One task instance of the run `r+1`, with its XComs."""
    keys = {"dag_id": dag_id, "run_id": "r+1", "task_id": task_id, "state": state, "at": EPOCH + at}
    return keys | {name: more.pop(name) for name in ("map_index", "run_id", "native") if name in more} | {"xcoms": more}


def marks(gid: str, index: int = 0) -> dict[str, Any]:
    """The marks that a transfer keeps beside a video."""
    return Marks(gid, index, 1, "cats", "store", "r+1", -1).as_dict()


def put_file(path: Path, gid: str) -> str:
    """Store a video as the transfer to a folder does, and return its URI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(VIDEO)
    path.with_name(f"{path.name}.poster.jpg").write_bytes(POSTER)
    path.with_name(f"{path.name}.veo.json").write_text(json.dumps(marks(gid) | {"size": len(VIDEO)}))
    return f"file://{path}"


def put_object(server: S3Server, key: str, gid: str) -> str:
    """Store a video as the transfer to S3 does, and return its URI."""
    metadata = {f"veo-{name.replace('_', '-')}": str(value) for name, value in marks(gid).items()}
    server.client.put_object(Bucket=BUCKET, Key=key, Body=VIDEO, Metadata=metadata)
    server.client.put_object(Bucket=BUCKET, Key=f"{key}.poster.jpg", Body=POSTER)
    return f"s3://{BUCKET}/{key}"


@dataclass
class Page:
    """The API server with the page."""

    url: str
    folder: Path
    log: Path
    tokens: dict[str, str]

    def get(self, path: str, user: str | None = "admin", *, at_once: bool = False, **kwargs: Any) -> requests.Response:
        """Ask for something below ``/veo``, as somebody; again while a store is silent, unless ``at_once``."""
        deadline = time.monotonic() + 90
        while True:
            answer = self._get(path, user, **kwargs)
            silent = answer.text.endswith(("did not answer a moment ago", "Silent", "Unreachable"))
            if at_once or not silent or time.monotonic() > deadline:
                return answer
            time.sleep(1)

    def _get(self, path: str, user: str | None, **kwargs: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Authorization": f"Bearer {self.tokens[user]}"} if user else {}
            headers |= kwargs.pop("headers", {})
            return session.get(f"{self.url}/veo{path}", headers=headers, timeout=30, allow_redirects=False, **kwargs)

    def generations(self, user: str = "admin", **query: Any) -> list[dict[str, Any]]:
        """Return what a user sees of the generations."""
        answer = self.get("/api/generations", user, params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["generations"]
        return found

    def video(self, dag_id: str, task_id: str, user: str | None = "admin", **kwargs: Any) -> requests.Response:
        """Ask for a task instance's video."""
        query = {"dag_id": dag_id, "run_id": "r+1", "task_id": task_id, "index": 0} | kwargs.pop("params", {})
        return self.get("/api/video", user, params=query, **kwargs)


def start_page(
    home: Path,
    template: Path | None,
    rows: list[dict[str, Any]],
    env: Mapping[str, str],
    *,
    database: str | None = None,
    path: str = "",
) -> Iterator[Page]:
    """Start an API server on a database with these rows: a copy of the template's, or one that has a URL."""
    home.mkdir(parents=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}{path}"
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps(dict.fromkeys(USERS, "word")))
    environment = airflow_environment(
        home, (), {"AIRFLOW__API__HOST": "127.0.0.1", "AIRFLOW__API__BASE_URL": url, **env}, database
    )
    environment |= {
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__AUTH_MANAGER": "tests.support.rights.ByDag",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "PYTHONPATH": str(ROOT),
    }
    new_home(home, template)
    if template is None:
        migrate(environment)
    command = [sys.executable, "-m", "tests.support.rows"]
    subprocess.run(command, cwd=ROOT, env=environment, input=json.dumps(rows), text=True, check=True)
    log = home / "api-server.log"
    process = ManagedProcess("api-server", [program("airflow"), "api-server"], log=log, env=environment, cwd=home)
    try:

        def tokens() -> dict[str, str] | None:
            try:
                return {name: _token(url, name) for name in USERS}
            except requests.RequestException:
                return None

        yield Page(url, home, log, wait_until("an API server", tokens, seconds=120))
    finally:
        process.stop()


def _token(url: str, name: str) -> str:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(f"{url}/auth/token", json={"username": name, "password": "word"}, timeout=30)
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token


@dataclass
class World:
    """Every kind of generation: where files are, what is in the database, and an API server's settings."""

    folder: Path
    rows: list[dict[str, Any]]
    env: dict[str, str]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, seaweedfs: S3Server) -> World:
    """Store the videos."""
    folder = tmp_path_factory.mktemp("videos").resolve()
    of_file = put_file(folder / "shown" / "clip #1?.mp4", "g-file")
    hidden = put_file(folder / "hidden" / "clip.mp4", "g-hidden")
    put_file(folder / "hidden" / "target.mp4", "g-link")
    os.symlink(folder / "hidden" / "target.mp4", folder / "shown" / "link.mp4")
    os.symlink(folder / "hidden" / "target.mp4.veo.json", folder / "shown" / "link.mp4.veo.json")
    put_file(folder / "shown" / "pipe.mp4", "g-pipe")
    (folder / "shown" / "pipe.mp4").unlink()
    os.mkfifo(folder / "shown" / "pipe.mp4")
    plain = folder / "shown" / "secret.txt"
    plain.write_text("not a video")
    of_s3 = put_object(seaweedfs, "films/a b#1?.mp4", "g-s3")
    beside = f"s3://{BUCKET}/films/beside.mp4"
    seaweedfs.client.put_object(Bucket=BUCKET, Key="films/beside.mp4", Body=VIDEO)
    body = json.dumps(marks("g-beside")).encode()
    seaweedfs.client.put_object(Bucket=BUCKET, Key="films/beside.mp4.veo.json", Body=body)
    seaweedfs.client.put_object(Bucket=BUCKET, Key="payroll.csv", Body=b"secret")
    s3 = {"conn_id": "aws_seaweedfs"}
    failed = {"status": "failed", "videos": 0}
    rows = [
        row("cats", "generate", 100, veo_generation=facts("g-s3")),
        row("cats", "store", 101, veo_videos=[stored(of_s3, "g-s3", **s3)]),
        row("cats", "beside", 99, veo_generation=facts("g-beside")),
        row("cats", "store_beside", 99, veo_videos=[stored(beside, "g-beside", **s3)]),
        row("cats", "refused", 90, "failed", veo_generation=facts("g-no", reason="content_policy", **failed)),
        row(
            "cats",
            "broken",
            80,
            "failed",
            veo_generation=facts("g-bad", reason="server", message="<b>no</b>", **failed),
        ),
        row("cats", "running", 70, "deferred", veo_generation=facts("g-run", status="in_progress", videos=None)),
        row("cats", "no_wait", 60, veo_generation=facts("g-sub", status="submitted", videos=None)),
        row("cats", "forged", 50, veo_videos=[stored(f"s3://{BUCKET}/payroll.csv", "g-s3", **s3)]),
        row("cats", "forged_file", 50, veo_videos=[stored(f"file://{plain}", "g-file")]),
        # As ids may be, and stored in another run, by what is kept either way.
        *(
            made
            for number, native in enumerate((False, True))
            for gid in (f'g"ü\\{number}',)
            for made in (
                row("cats", f"odd_id_{number}", 45 - number, veo_generation=facts(gid), native=native),
                row("dogs", f"store_{number}", 46, run_id="r2", veo_videos=[stored(of_s3, gid, **s3)], native=native),
            )
        ),
        row("cats", "half", 42, veo_generation=facts("\ud800", message="\ud800", request={"prompt": "\ud800"})),
        row("cats", "half", 42, run_id="r2", veo_videos=[stored("s3://b/\ud800", "\ud800")]),
        row("cats", "odd", 40, veo_generation="no facts", veo_videos={"no": "list"}),
        row("dogs", "generate", 30, veo_generation=facts("g-file", cost_usd="unknown")),
        row("dogs", "store", 31, veo_videos=[stored(of_file, "g-file")]),
        row("dogs", "hidden", 20, veo_videos=[stored(hidden, "g-hidden")]),
        row("dogs", "link", 20, veo_videos=[stored(f"file://{folder}/shown/link.mp4", "g-link")]),
        row("dogs", "pipe", 20, veo_videos=[stored(f"file://{folder}/shown/pipe.mp4", "g-pipe")]),
        row("dogs", "store_cats", 20, veo_videos=[stored(of_s3, "g-s3", **s3)]),
        row("dogs", "own", 20, veo_videos=[stored(of_s3, "g-s3", conn_id=None)]),
        row("dogs", "no_conn", 20, veo_videos=[stored(of_s3, "g-s3", conn_id="aws_deleted")]),
        row("dogs", "other_conn", 20, veo_videos=[stored(of_s3, "g-s3", conn_id="fs_empty")]),
        row("dogs", "empty_conn", 20, veo_videos=[stored(of_s3, "g-s3", conn_id="aws_empty")]),
        row("dogs", "s3n", 20, veo_videos=[stored(of_s3.replace("s3:", "s3n:"), "g-s3", conn_id="aws_deleted")]),
        row("dogs", "made_later", 20, veo_videos=[stored(of_s3, "g-s3", conn_id="aws_made_later")]),
        row("dogs", "dead", 20, veo_videos=[stored(f"s3://{BUCKET}/x.mp4", "g-dead", conn_id="aws_dead")]),
        row(
            "dogs",
            "strange",
            20,
            veo_videos=[stored("s3://[/x.mp4", "g-s3", **s3), stored("gs://b/x", "g-s3", index=1)],
        ),
    ]
    dead = {"conn_type": "aws", "login": "a", "password": "b", "extra": {"endpoint_url": "http://127.0.0.1:9"}}
    env = {
        "AIRFLOW_CONN_AWS_SEAWEEDFS": seaweedfs.connection(),
        "AIRFLOW_CONN_AWS_DEAD": json.dumps(dead),
        "AIRFLOW_CONN_AWS_EMPTY": json.dumps({"conn_type": "aws"}),
        "AIRFLOW_CONN_FS_EMPTY": json.dumps({"conn_type": "fs"}),
        # What the API server itself may do with the store.
        **seaweedfs.own_credentials(),
        "AIRFLOW__VEO__UI_FOLDERS": f"/nonexistent, {folder / 'shown'}",
    }
    return World(folder, rows, env)


@pytest.fixture(scope="session")
def sqlite_page(world: World, migrated_home: Path) -> Iterator[Page]:
    """The page over every kind of generation."""
    yield from start_page(world.folder / "home", migrated_home, world.rows, world.env)


@pytest.fixture(scope="session")
def page(sqlite_page: Page) -> Page:
    """The same, where the database makes no difference."""
    return sqlite_page
