# SPDX-License-Identifier: Apache-2.0
"""Parameters become a request, or one error that names every problem."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veo_provider.api.models import MODELS
from veo_provider.api.request import WIRE_NAMES, RequestError, VeoRequest, parse_request

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
BASE: dict[str, Any] = {
    "prompt": "A cat",
    "model": "veo-3.1-generate-preview",
    "duration_seconds": 8,
    "aspect_ratio": "16:9",
    "resolution": "720p",
    "sample_count": 1,
}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def problems(**values: Any) -> list[str]:
    with pytest.raises(RequestError) as caught:
        parse_request(BASE | values)
    return caught.value.problems


def test_every_field_reaches_the_wire_under_its_name() -> None:
    request = parse_request(
        BASE
        | {
            "generate_audio": True,
            "image": "https://h/a.png",
            "last_frame_image": f"data:image/png;base64,{b64(PNG)}",
            "person_generation": "dont_allow",
            "add_watermark": False,
            "seed": 0,
            "extra_parameters": {"negativePrompt": "dogs"},
        }
    )
    assert request.wire() == {
        "model": "veo-3.1-generate-preview",
        "prompt": "A cat",
        "durationSeconds": 8,
        "aspectRatio": "16:9",
        "resolution": "720p",
        "sampleCount": 1,
        "generateAudio": True,
        "image": "https://h/a.png",
        "lastFrameImage": f"data:image/png;base64,{b64(PNG)}",
        "personGeneration": "dont_allow",
        "addWatermark": False,
        "seed": 0,
        "negativePrompt": "dogs",
    }
    assert set(WIRE_NAMES.values()) < set(request.wire())
    renamed = request.wire("lastFrame")
    assert "lastFrame" in renamed
    assert "lastFrameImage" not in renamed


@pytest.mark.parametrize("empty", ["{}", {}, "", None])
def test_no_extra_parameters(empty: Any) -> None:
    assert parse_request(BASE | {"extra_parameters": empty}).extra_parameters == {}


def test_what_is_not_set_is_not_sent_and_what_costs_always_is() -> None:
    assert set(parse_request(BASE).wire()) == {
        "model",
        "prompt",
        "durationSeconds",
        "aspectRatio",
        "resolution",
        "sampleCount",
    }


def test_templated_text_is_parsed_strictly() -> None:
    request = parse_request(
        BASE
        | {
            "duration_seconds": " 6 ",
            "sample_count": "2",
            "generate_audio": "True",
            "add_watermark": "false",
            "seed": "4294967295",
            "extra_parameters": '{"resizeMode": "pad"}',
            "person_generation": "None",
            "image": "",
        }
    )
    assert (request.duration_seconds, request.sample_count, request.seed) == (6, 2, 4294967295)
    assert (request.generate_audio, request.add_watermark) == (True, False)
    assert request.extra_parameters == {"resizeMode": "pad"}
    assert (request.person_generation, request.image) == (None, None)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("prompt", "  ", "missing"),
        ("prompt", None, "missing"),
        ("prompt", 7, "not text"),
        ("prompt", "a\ud800", "surrogate"),
        ("model", "", "missing"),
        ("duration_seconds", 5, "one of 4, 6, 8"),
        ("duration_seconds", "8.0", "one of 4, 6, 8"),
        ("duration_seconds", "eight", "one of 4, 6, 8"),
        ("duration_seconds", 8.0, "one of 4, 6, 8"),
        ("duration_seconds", True, "one of 4, 6, 8"),
        ("duration_seconds", "٨", "one of 4, 6, 8"),
        ("duration_seconds", None, "missing"),
        ("aspect_ratio", "4:3", "one of 16:9, 9:16"),
        ("resolution", "4k", "one of 720p, 1080p"),
        ("resolution", None, "missing"),
        ("sample_count", 0, "from 1 to 4"),
        ("sample_count", "5", "from 1 to 4"),
        ("sample_count", None, "missing"),
        ("generate_audio", "yes", "true or false"),
        ("generate_audio", 1, "true or false"),
        ("add_watermark", "0", "true or false"),
        ("seed", -1, "from 0 to 4294967295"),
        ("seed", 4294967296, "from 0 to 4294967295"),
        ("seed", "1e3", "from 0 to 4294967295"),
        ("person_generation", "everyone", "allow_adult, dont_allow, allow_all"),
        ("extra_parameters", "[1]", "object"),
        ("extra_parameters", {"a": float("nan")}, "object"),
        ("extra_parameters", {"a": object()}, "object"),
        ("extra_parameters", {"durationSeconds": 4}, "argument of its own"),
        ("extra_parameters", {"metadata": {}}, "never sent"),
        ("extra_parameters", {"seed": 4}, "argument of its own"),
        ("image", "/etc/passwd", "bare path"),
        ("image", "frame.png", "bare path"),
        ("image", "http://h/a.png", "neither"),
        ("image", b64(b"GIF89a" + b"0" * 20), "neither"),
        ("image", f"data:image/gif;base64,{b64(b'GIF89a00')}", "neither JPEG nor PNG"),
        ("image", "data:image/png;base64,%%%", "can't be decoded"),
        ("image", "data:image/png,abc", "can't be decoded"),
        ("image", f"data:image/jpeg;base64,{b64(PNG)}", "says image/jpeg, its bytes are image/png"),
        ("image", f"data:image/png;base64,{b64(PNG + bytes(20 * 1024 * 1024))}", "at most 20971520"),
        ("nonsense", 1, "no such parameter"),
    ],
)
def test_one_wrong_value(field: str, value: Any, words: str) -> None:
    found = problems(**{field: value})
    assert len(found) == 1
    assert found[0].startswith(field)
    assert words in found[0]
    assert len(found[0]) < 400


def test_every_problem_in_one_error() -> None:
    found = problems(prompt="", duration_seconds=5, resolution="4k", seed="x", last_frame_image="https://h/b.png")
    assert [text.split(":")[0] for text in found] == [
        "prompt",
        "duration_seconds",
        "resolution",
        "seed",
        "last_frame_image",
    ]


def test_a_last_frame_needs_a_first_one_and_a_model_that_takes_it() -> None:
    assert "needs image" in problems(last_frame_image="https://h/b.png")[0]
    for model in MODELS:
        frames = {"model": model, "image": "https://h/a.png", "last_frame_image": "https://h/b.png"}
        if model.startswith("veo-3.1"):
            assert parse_request(BASE | frames).last_frame_image
        else:
            assert "only veo-3.1" in problems(**frames)[0]
    assert parse_request(BASE | frames | {"model": "veo-4"}).last_frame_image


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, None),
        ({"model": "veo-4-turbo"}, "its rules are not checked"),
        ({"model": "veo-3.1-fast-generate-preview", "generate_audio": False}, "ignores generate_audio"),
        ({"model": "veo-3.1-fast-generate-preview", "generate_audio": True}, None),
        ({"resolution": "1080p", "duration_seconds": 6}, "8 seconds only"),
        ({"resolution": "1080p"}, None),
    ],
)
def test_warnings(values: dict[str, Any], words: str | None) -> None:
    warnings = parse_request(BASE | values).warnings
    assert len(warnings) == (0 if words is None else 1)
    assert words is None or words in warnings[0]


def test_an_image_is_shown_shortened_and_a_signed_url_without_its_query() -> None:
    inline = f"data:image/png;base64,{b64(PNG * 100)}"
    more = {
        "references": [{"uri": "s3://b/k?sig=secret", "weight": 1}, inline],
        "negativePrompt": "no? see https://h/?a=s",
    }
    values = {"image": inline, "last_frame_image": "https://h/b.png?sig=secret", "extra_parameters": more}
    request = parse_request(BASE | values)
    assert request.wire()["references"] == more["references"]
    summary = request.summary()
    shown = summary["extra_parameters"]
    assert shown["references"][0] == {"uri": "s3://b/k?...", "weight": 1}
    assert len(shown["references"][1]) < 100
    assert shown["negativePrompt"] == "no? see https://h/?..."
    assert summary["image"].startswith("data:image/png;base64,... (")
    assert len(summary["image"]) < 100
    assert summary["last_frame_image"] == "https://h/b.png?..."
    assert json.loads(json.dumps(summary)) == summary


def test_images_are_sent_clean() -> None:
    folded = base64.encodebytes(PNG * 10).decode()
    request = parse_request(
        BASE | {"image": f" DATA:image/png;charset=x;base64,{folded}", "last_frame_image": "\nhttps://h/b.png "}
    )
    assert request.wire()["image"] == f"data:image/png;base64,{b64(PNG * 10)}"
    assert request.wire()["lastFrameImage"] == "https://h/b.png"


class Unspeakable:
    """An author's object that can't even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


class UnspeakableDict(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"seed": 10**5000}, "a value of type int is not a whole number"),
        ({"duration_seconds": 10**5000}, "a value of type int is not one of 4, 6, 8"),
        ({"sample_count": -(10**5000)}, "a value of type int is not a whole number"),
        ({"prompt": Unspeakable()}, "a value of type Unspeakable is not text"),
        ({"model": [Unspeakable()]}, "a value of type list is not text"),
        ({"resolution": Unspeakable()}, "a value of type Unspeakable is not one of"),
        ({"generate_audio": Unspeakable()}, "a value of type Unspeakable is not true or false"),
        ({"image": Unspeakable()}, "a value of type Unspeakable is not text"),
        ({"extra_parameters": Unspeakable()}, "a value of type Unspeakable is not an object"),
        ({"extra_parameters": {"a": Unspeakable()}}, "a value of type dict is not an object"),
        ({"extra_parameters": UnspeakableDict(a=1)}, "a value of type UnspeakableDict is not an object"),
        ({"extra_parameters": {"a": 10**5000}}, "a value of type dict is not an object"),
        ({"extra_parameters": '{"a": 1' + "0" * 5000 + "}"}, "a value of type str is not an object"),
        ({"extra_parameters": {"a\ud800": 1}}, "half of a surrogate pair"),
        ({"extra_parameters": {"a": [{"b": "\udfff"}]}}, "half of a surrogate pair"),
        ({"extra_parameters": '{"a": "\\ud800"}'}, "half of a surrogate pair"),
        ({"image": "https://h/\ud800?S3CRET"}, "half of a surrogate pair"),
        ({"image": ["https://h/x.png?S3CRET"]}, "a value of type list is not text"),
        ({"extra_parameters": ["https://h/x.png?S3CRET"]}, "a value of type list is not an object"),
        ({"extra_parameters": "https://u:S3CRET@h"}, "a value of type str is not an object"),
    ],
)
def test_what_cannot_be_shown_or_sent_is_one_of_the_problems(values: dict[str, Any], words: str) -> None:
    found = problems(**values)
    assert len(found) == 1
    assert found[0].startswith(f"{next(iter(values))}: ")
    assert words in found[0]
    assert found[0].isprintable()
    assert "S3CRET" not in found[0]


@pytest.mark.parametrize(
    "key",
    [
        "samplecount",
        "SAMPLECOUNT",
        "Sample_Count",
        "sample_count",
        "_seed",
        # The long s: Go's JSON reader takes it for an s.
        "\u017feed",
        "LASTFRAME",
        "last_frame",
        "Metadata",
        "Image",
    ],
)
def test_no_spelling_of_a_key_overrides_an_argument(key: str) -> None:
    assert "has an argument of its own" in problems(extra_parameters={key: 4})[0]


def test_extra_keys_do_not_override_one_another() -> None:
    found = problems(extra_parameters={"negativePrompt": "a", "negative_prompt": "b", "NEGATIVEPROMPT": "c", "x": 1})
    assert len(found) == 2
    assert "'negativePrompt' and 'negative_prompt'" in found[0]
    assert "'negativePrompt' and 'NEGATIVEPROMPT'" in found[1]
    assert len(problems(extra_parameters={"seed" + "_" * 5000: 1})[0]) < 200


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PLAUSIBLE = st.sampled_from(
    [4, "8", "16:9", "1080p", "true", "data:image/png;base64,iVBORw0KGgo=", "https://x", "None"]
)


@given(st.dictionaries(st.sampled_from([*WIRE_NAMES, "extra_parameters", "x"]), ANYTHING | PLAUSIBLE))
def test_no_input_crashes(values: dict[str, Any]) -> None:
    try:
        request = parse_request(BASE | values)
    except RequestError:
        return
    assert isinstance(request, VeoRequest)
    json.dumps(request.wire(), allow_nan=False, ensure_ascii=False).encode()
    json.dumps(request.summary(), allow_nan=False)
