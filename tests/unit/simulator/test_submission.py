# SPDX-License-Identifier: Apache-2.0
"""What the gateway makes of a request: silent coercion, strict refusal, and the ledger's memory of both."""

from __future__ import annotations

import base64
import hashlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.simulator.caller import BODY, Caller
from tests.unit.simulator.conftest import Start
from veo_provider.simulator import job
from veo_provider.simulator.images import look_at
from veo_provider.simulator.submission import Refusal, read_submission

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20
JPEG = b"\xff\xd8\xff\xe0" + b"0" * 20
GOOD: dict[str, Any] = {
    "generateAudio": False,
    "personGeneration": "allow_adult",
    "addWatermark": True,
    "seed": 0,
    "negativePrompt": "blur",
}
BAD = [
    ("durationSeconds", 5, 4),
    ("durationSeconds", "8", 4),
    ("durationSeconds", 8.0, 4),
    ("durationSeconds", None, 4),
    ("aspectRatio", "1:1", "16:9"),
    ("aspectRatio", None, "16:9"),
    ("resolution", "4k", "1080p"),
    ("resolution", None, "1080p"),
    ("sampleCount", 5, 1),
    ("sampleCount", True, 1),
    ("sampleCount", None, 1),
    ("personGeneration", "everybody", "allow_all"),
    ("generateAudio", "true", False),
    ("addWatermark", 1, None),
    ("seed", 2**32, None),
    ("seed", "7", None),
]


def uri(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def last_submit(caller: Caller) -> Any:
    return caller.simulator.ledger()["submits"][-1]


def test_good_request_is_taken_as_it_is(start: Start) -> None:
    for strict in (False, True):
        caller = start(strict=strict)
        caller.submit(**GOOD)
        entry = last_submit(caller)
        assert entry["request"] == BODY | GOOD
        assert (entry["coerced"], entry["ignored_fields"], entry["problems"]) == ({}, [], [])
        assert entry["values"] == BODY | {name: value for name, value in GOOD.items() if name != "negativePrompt"}


@pytest.mark.parametrize(("name", "value", "becomes"), BAD)
def test_bad_value_is_coerced_and_billed(caller: Caller, name: str, value: Any, becomes: Any) -> None:
    caller.submit("sim:never", **{name: value})
    entry = last_submit(caller)
    assert (entry["coerced"], entry["values"][name], entry["billed"]) == ({name: becomes}, becomes, True)


@pytest.mark.parametrize(("name", "value", "becomes"), BAD)
def test_bad_value_is_refused_in_strict_mode(start: Start, name: str, value: Any, becomes: Any) -> None:
    caller = start(strict=True)
    answer = caller.post(**{name: value})
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (400, "invalid_request", None)
    assert name in answer.json()["message"]
    assert (last_submit(caller)["accepted"], last_submit(caller)["billed"]) == (False, False)


def test_strict_mode_names_all_problems(start: Start) -> None:
    message = start(strict=True).post(durationSeconds=5, resolution="4k").json()["message"]
    assert "durationSeconds" in message
    assert "resolution" in message


@pytest.mark.parametrize("name", ["prompt", "model"])
@pytest.mark.parametrize("value", ["", "  ", 7])
def test_nothing_without_prompt_and_model(caller: Caller, name: str, value: Any) -> None:
    answer = caller.session.post(f"{caller.simulator.url}/v1/video/generations", json=BODY | {name: value}, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert last_submit(caller)["accepted"] is False
    assert last_submit(caller)["request"] == BODY | {name: value}


@pytest.mark.parametrize("name", ["metadata", "duration_seconds", "image_url", "lastFrame", "duration"])
def test_field_nobody_knows_is_ignored_and_noted(caller: Caller, name: str) -> None:
    changes: dict[str, Any] = {name: {"x": 1}}
    caller.submit(**changes)
    assert last_submit(caller)["ignored_fields"] == [name]


@pytest.mark.parametrize("name", ["metadata", "duration_seconds"])
def test_field_of_another_spelling_is_refused_in_strict_mode(start: Start, name: str) -> None:
    changes: dict[str, Any] = {name: {"x": 1}}
    answer = start(strict=True).post(**changes)
    assert (answer.status_code, name in answer.text) == (400, True)


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"\xff", b""])
def test_body_that_is_no_request(caller: Caller, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    url = f"{caller.simulator.url}/v1/video/generations"
    answer = caller.session.post(url, data=body, headers=headers, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["code"] in ("invalid_json", "invalid_request")
    assert last_submit(caller)["accepted"] is False


def test_json_has_to_be_called_json(caller: Caller) -> None:
    url = f"{caller.simulator.url}/v1/video/generations"
    headers = {"Content-Type": "text/plain"}
    assert caller.session.post(url, data=b'{"model":"m"}', headers=headers, timeout=10).status_code == 400


def test_unknown_model(start: Start) -> None:
    caller = start(models=("my-veo",))
    assert caller.post(model="my-veo").status_code == 200
    answer = caller.post(model="no-veo")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_not_found")


@pytest.mark.parametrize("mime", ["image/png", "image/jpeg"])
@pytest.mark.parametrize("raw", [False, True])
def test_inline_image_is_shortened(caller: Caller, mime: str, raw: bool) -> None:
    data = PNG if mime == "image/png" else JPEG
    assert caller.run(image=base64.b64encode(data).decode() if raw else uri(data, mime))["status"] == "succeeded"
    assert last_submit(caller)["request"]["image"] == {
        "kind": "base64" if raw else "data_uri",
        "mime": mime,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def test_image_url_loses_its_query(caller: Caller) -> None:
    assert caller.run(image="https://bucket.example/cat.png?signature=1")["status"] == "succeeded"
    assert last_submit(caller)["request"]["image"] == {"kind": "url", "url": "https://bucket.example/cat.png"}


BAD_IMAGES = [
    uri(b"GIF89a....", "image/gif"),
    uri(b"GIF89a....", "image/png"),
    uri(PNG, "image/jpeg"),
    uri(PNG + b"0" * 20 * 1024 * 1024),
    base64.b64encode(b"%PDF-1.4").decode(),
    "http://bucket.example/cat.png",
    "data:image/png,abc",
    "s3://bucket/cat.png",
    "/etc/passwd",
    "",
    7,
]


@pytest.mark.parametrize("image", BAD_IMAGES, ids=[str(image)[:24] for image in BAD_IMAGES])
def test_bad_image_fails_late_or_strictly(start: Start, image: Any) -> None:
    caller = start()
    answer = caller.run(image=image)
    assert answer["status"] == "failed"
    assert last_submit(caller)["billed"] is True
    message = answer["error"]["message"]
    assert "INVALID_ARGUMENT" in message or "not supported" in message
    refused = start(strict=True).post(image=image)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("model", "images", "ends"),
    [
        ("veo-3.1-generate-preview", {"image": uri(PNG), "lastFrameImage": uri(JPEG, "image/jpeg")}, "succeeded"),
        ("veo-3.1-generate-preview", {"lastFrameImage": uri(PNG)}, "failed"),
        ("veo-3.0-generate-preview", {"image": uri(PNG), "lastFrameImage": uri(PNG)}, "failed"),
    ],
)
def test_last_frame(start: Start, model: str, images: dict[str, str], ends: str) -> None:
    answer = start().run(model=model, **images)
    assert answer["status"] == ends
    if ends == "failed":
        assert "not supported" in answer["error"]["message"]
    assert start(strict=True).post(model=model, **images).status_code == (200 if ends == "succeeded" else 400)


def test_last_frame_under_its_other_name(start: Start) -> None:
    caller = start(last_frame_field="lastFrame")
    model = "veo-3.1-generate-preview"
    caller.submit(model=model, image=uri(PNG), lastFrame=uri(PNG))
    assert last_submit(caller)["ignored_fields"] == []
    assert last_submit(caller)["request"]["lastFrame"]["mime"] == "image/png"
    caller.submit(model=model, image=uri(PNG), lastFrameImage=uri(PNG + b"0" * 500))
    assert last_submit(caller)["ignored_fields"] == ["lastFrameImage"]
    assert len(last_submit(caller)["request"]["lastFrameImage"]) < 60


@pytest.mark.parametrize(
    ("changes", "usd"),
    [
        ({"model": "veo-3.1-fast-generate-preview"}, 2 * 8 * 0.15),
        ({"model": "veo-3.1-generate-preview", "generateAudio": True}, 2 * 8 * 0.40),
        ({"model": "veo-3.1-generate-preview", "generateAudio": False}, 2 * 8 * 0.20),
    ],
)
def test_cost(caller: Caller, changes: dict[str, Any], usd: float) -> None:
    caller.submit("sim:never", durationSeconds=8, sampleCount=2, **changes)
    cost = last_submit(caller)["cost"]
    assert (cost["seconds"], cost["samples"], cost["video_seconds"], cost["prices"]) == (8, 2, 16, "simulated")
    assert math.isclose(cost["usd"], usd)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from([*BODY, *GOOD, "image", "lastFrameImage", "metadata"]), JSON)
    | JSON
    | st.dictionaries(st.sampled_from(["image", "seed"]), JSON).map(lambda changes: BODY | changes)
)
def test_any_body_is_read_or_refused(body: Any) -> None:
    try:
        submission = read_submission(body, "lastFrameImage")
    except Refusal:
        return
    assert submission.seconds in (4, 6, 8)
    assert 1 <= submission.samples <= 4
    assert submission.cost["usd"] > 0


@given(st.text() | st.text().map(lambda text: f"data:{text}") | st.binary().map(uri))
def test_any_image_is_described(image: str) -> None:
    facts, problem = look_at(image)
    assert facts["kind"] in ("url", "data_uri", "base64", "unreadable")
    assert problem or facts["kind"] in ("url", "data_uri", "base64")


@pytest.mark.parametrize("style", ["task", "video", "odd"])
def test_no_id_looks_like_a_token(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow blanks whatever follows ``eyJ`` in its logs, where ids are looked for."""
    letters = iter("abeyJ" + 19 * "x" + 24 * "y")
    monkeypatch.setattr("veo_provider.simulator.job.secrets.choice", lambda _: next(letters))
    assert 24 * "y" in job.new_id(style)


def test_no_long_id_looks_like_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter((b'{"a' + bytes(175), bytes(178)))
    monkeypatch.setattr("veo_provider.simulator.job.secrets.token_bytes", lambda _: next(made))
    assert job.new_id("long").startswith("AAAA")
