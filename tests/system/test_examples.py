# SPDX-License-Identifier: Apache-2.0
"""The example DAGs that run by themselves, each by `airflow dags test`."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.airflow_home import EXAMPLES, run_dag_test
from tests.support.gateway import billed
from tests.support.media import png, probe
from veo_provider.simulator import Simulator

Environment = Callable[..., dict[str, str]]


def local(uri: str) -> bytes:
    assert uri.startswith("file:///")
    return Path(urlsplit(uri).path).read_bytes()


def check_facts(facts: dict[str, Any], data: bytes) -> None:
    """What the XCom ``veo_videos`` says about a video is true."""
    assert facts["size"] == len(data)
    assert facts["sha256"] == hashlib.sha256(data).hexdigest()
    assert facts["content_type"] == "video/mp4"


def test_quickstart(simulator: Simulator, environment: Environment, tmp_path: Path) -> None:
    env = environment(veo_output=f"file://{tmp_path}/videos")
    result = run_dag_test(EXAMPLES / "veo_quickstart.py", env, conf={"prompt": "A kite over a beach"})

    assert result.dag_state == "success", result.output
    (uri,) = result.xcom("store")
    assert uri.startswith(f"file://{tmp_path}/videos/")
    data = local(uri)
    video = probe(data)
    assert (video.width, video.height, round(video.seconds, 1)) == (1280, 720, 4.0)
    (facts,) = result.xcom("store", "veo_videos")
    assert (facts["uri"], facts["index"]) == (uri, 0)
    check_facts(facts, data)
    (submit,) = billed(simulator.ledger())
    assert submit["request"]["prompt"] == "A kite over a beach"
    assert submit["generation_id"] == result.xcom("generate")


def test_image_to_video(simulator: Simulator, environment: Environment, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "first.png").write_bytes(png(90, 160, grey=40))
    (frames / "last.png").write_bytes(png(90, 160, grey=200))
    env = environment(veo_output=f"file://{tmp_path}/videos", veo_frames=f"file://{frames}")
    result = run_dag_test(EXAMPLES / "veo_image_to_video.py", env)

    assert result.dag_state == "success", result.output
    (uri,) = result.xcom("store")
    video = probe(local(uri))
    assert (video.width, video.height, round(video.seconds, 1)) == (720, 1280, 8.0)
    assert not video.has_audio
    (submit,) = billed(simulator.ledger())
    assert submit["request"]["image"] != submit["request"]["lastFrameImage"]
    assert not submit["coerced"]
    assert not submit["ignored_fields"]


def test_sensor(simulator: Simulator, environment: Environment, tmp_path: Path) -> None:
    elsewhere = requests.post(
        f"{simulator.url}/v1/video/generations",
        headers={"Authorization": f"Bearer {simulator.api_key}"},
        json={
            "model": "veo-3.1-fast-generate-preview",
            "prompt": "Submitted by somebody else",
            "durationSeconds": 6,
            "aspectRatio": "16:9",
            "resolution": "720p",
            "sampleCount": 1,
        },
        timeout=10,
    )
    generation_id = elsewhere.json()["task_id"]
    env = environment(veo_output=f"file://{tmp_path}/videos")
    result = run_dag_test(EXAMPLES / "veo_sensor.py", env, conf={"generation_id": generation_id})

    assert result.dag_state == "success", result.output
    (uri,) = result.xcom("store")
    assert round(probe(local(uri)).seconds, 1) == 6.0
    assert len(billed(simulator.ledger())) == 1, "only the one from elsewhere"


def test_taskflow(simulator: Simulator, environment: Environment, tmp_path: Path) -> None:
    env = environment(veo_output=f"file://{tmp_path}/videos")
    result = run_dag_test(EXAMPLES / "veo_taskflow.py", env, conf={"product": "a red kettle"})

    assert result.dag_state == "success", result.output
    sizes = {}
    for path in (tmp_path / "videos").rglob("*.mp4"):
        video = probe(path.read_bytes())
        sizes[path.stem] = (video.width, video.height, round(video.seconds, 1))
    assert sizes == {"opening": (1280, 720, 4.0), "closing-0": (1280, 720, 4.0), "closing-1": (720, 1280, 4.0)}
    prompts = [submit["request"]["prompt"] for submit in billed(simulator.ledger(), "a red kettle")]
    assert len(prompts) == 3


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_every_example_is_run_here(example: Path) -> None:
    tests = {
        node.name
        for file in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert f"test_{example.stem.removeprefix('veo_')}" in tests
