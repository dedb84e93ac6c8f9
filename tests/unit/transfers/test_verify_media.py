# SPDX-License-Identifier: Apache-2.0
"""What a transfer makes of a video that isn't what was asked for, and the first picture that it stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AssetAlias, BaseOperator

from tests.unit.transfers.fakes import FakeHook, FakeTask, context_of, movie, run, stream_of
from veo_provider.api.problem import Reason
from veo_provider.api.result import VideoStream
from veo_provider.exceptions import VeoMediaError, VeoValidationError
from veo_provider.simulator.drawing import Picture, draw
from veo_provider.transfers import base, media, object_storage
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

ASKED = {"model": "veo-3.1-generate-preview", "duration_seconds": 2, "aspect_ratio": "9:16", "generate_audio": True}
GENERATED = {("generate", -1): {"generation_id": "task_1", "request": ASKED}}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A clip that is what was asked for."""
    return drawn(tmp_path_factory.mktemp("good"), Picture(2, 180, 320, audio=True, palette=0))


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A clip that lies on its side, and is silent."""
    return drawn(tmp_path_factory.mktemp("wide"), Picture(2, 320, 180, audio=False, palette=1))


def drawn(folder: Path, picture: Picture) -> bytes:
    draw(picture, folder / "clip.mp4")
    return (folder / "clip.mp4").read_bytes()


def transfer(folder: Path, **arguments: Any) -> VeoToObjectStorageOperator:
    given: dict[str, Any] = {"generation_id": "task_1", "dst": f"file://{folder}/clip.mp4", **arguments}
    with DAG("films", schedule=None):
        made = VeoToObjectStorageOperator(task_id="store", **given)
        made.set_upstream(BaseOperator(task_id="generate"))
    return made


def task() -> FakeTask:
    return FakeTask(others=GENERATED)


def warnings_of(operator: Any) -> list[str]:
    lines: list[str] = []

    def note(text: str, *values: Any) -> None:
        # Airflow's own word on being run without its task runner.
        if "cannot be called outside" not in text:
            lines.append(text % values)

    operator.log.warning = note
    return lines


def test_the_facts_are_told(tmp_path: Path, good: bytes) -> None:
    operator = transfer(tmp_path, write_manifest=True, verify_media="fail")
    said = warnings_of(operator)
    _, (fact,) = run(operator, FakeHook([good]), task())
    assert fact["media"] == {
        "seconds": 2.0,
        "width": 180,
        "height": 320,
        "frame_rate": 24.0,
        "audio": True,
        "video_codec": "h264",
        "audio_codec": "aac",
    }
    assert '"height": 320' in (tmp_path / "clip.mp4.manifest.json").read_text()
    assert said == []


def test_by_default_a_difference_is_a_warning(tmp_path: Path, wide: bytes) -> None:
    operator = transfer(tmp_path)
    said = warnings_of(operator)
    uris, (fact,) = run(operator, FakeHook([wide]), task())
    assert said == [
        f"{uris[0]} isn't what was asked for: its picture is 320x180, which isn't 9:16; it has no sound",
    ]
    assert fact["media"]["audio"] is False


def test_a_failure_keeps_the_video(tmp_path: Path, wide: bytes) -> None:
    operator: Any = transfer(tmp_path, verify_media="fail", outlets=[AssetAlias("films")])
    operator.hook = FakeHook([wide])
    context = context_of(task())
    with pytest.raises(VeoMediaError, match=r"clip\.mp4: its picture is 320x180.* stay where they are") as caught:
        operator.execute(context)
    assert (caught.value.generation_id, caught.value.reason) == ("task_1", Reason.MEDIA)
    assert (tmp_path / "clip.mp4").read_bytes() == wide
    # The page shows it; whoever waits for the asset must not get it.
    assert context["ti"].xcoms["veo_videos"][0]["media"]["width"] == 320
    assert len(context["outlet_events"]) == 0


def test_one_of_several_fails_after_all_are_stored(tmp_path: Path, good: bytes, wide: bytes) -> None:
    with pytest.raises(VeoMediaError, match=r"clip-0\.mp4: its picture"):
        run(transfer(tmp_path, verify_media="fail"), FakeHook([wide, good]), task())
    assert (tmp_path / "clip-1.mp4").read_bytes() == good


def test_a_clear_fails_again_or_goes_on_with_it(tmp_path: Path, wide: bytes) -> None:
    for _ in range(2):
        hook = FakeHook([wide])
        with pytest.raises(VeoMediaError, match="320x180"):
            run(transfer(tmp_path, verify_media="fail"), hook, task())
    assert hook.opened == []
    hook = FakeHook([wide])
    _, (fact,) = run(transfer(tmp_path, verify_media="warn"), hook, task())
    assert (hook.opened, fact["media"]["width"]) == ([], 320)


@pytest.mark.parametrize("before", ["anything", "an earlier generation"])
def test_it_never_takes_the_place_of_another(tmp_path: Path, good: bytes, wide: bytes, before: str) -> None:
    if before == "anything":
        (tmp_path / "clip.mp4").write_bytes(good)
    else:
        run(transfer(tmp_path, generation_id="task_0"), FakeHook([good]))
    there = sorted(path.name for path in tmp_path.iterdir())
    operator = transfer(tmp_path, verify_media="fail", overwrite=True)
    with pytest.raises(VeoMediaError, match=r"not stored, because .*verify_media='warn'.*\(generation task_1\)"):
        run(operator, FakeHook([wide]), task())
    assert (tmp_path / "clip.mp4").read_bytes() == good
    assert sorted(path.name for path in tmp_path.iterdir()) == there
    run(transfer(tmp_path, overwrite=True), FakeHook([wide]), task())
    assert (tmp_path / "clip.mp4").read_bytes() == wide


def test_nor_of_one_that_came_in_the_meantime(tmp_path: Path, wide: bytes) -> None:
    def opened(video: bytes) -> VideoStream:
        (tmp_path / "clip.mp4").write_bytes(b"precious")
        return stream_of(video)

    with pytest.raises(VeoMediaError, match="not stored"):
        run(transfer(tmp_path, verify_media="fail", overwrite=True), FakeHook([wide], make=opened), task())
    assert (tmp_path / "clip.mp4").read_bytes() == b"precious"


def test_the_others_are_stored_if_one_may_not_take_anothers_place(tmp_path: Path, good: bytes, wide: bytes) -> None:
    """They are paid for, and the gateway keeps them for a short time only."""
    (tmp_path / "clip-0.mp4").write_bytes(b"precious")
    operator = transfer(tmp_path, verify_media="fail", overwrite=True, write_manifest=True)
    ti = task()
    for videos in ([wide, good, wide], [wide]):
        hook = FakeHook([wide, good, wide])
        with pytest.raises(VeoMediaError, match=r"clip-2\.mp4: its picture .*clip-0\.mp4 .* It was not stored.*task_1"):
            run(operator, hook, ti)
        assert [index for _, index, _ in hook.opened] == list(range(len(videos)))
        assert (tmp_path / "clip-0.mp4").read_bytes() == b"precious"
        assert (tmp_path / "clip-1.mp4").read_bytes() == good
        assert [fact["index"] for fact in ti.xcoms["veo_videos"]] == [1, 2]
        assert b"task_1 2" in (tmp_path / "clip-2.mp4.poster.jpg").read_bytes()
        assert sorted(path.name for path in tmp_path.glob("*.manifest.json")) == [
            "clip-1.mp4.manifest.json",
            "clip-2.mp4.manifest.json",
        ]


def test_nothing_is_compared_where_nobody_says_what_was_asked_for(tmp_path: Path, wide: bytes) -> None:
    _, (fact,) = run(transfer(tmp_path, verify_media="fail"), FakeHook([wide]), FakeTask())
    assert fact["media"]["width"] == 320


def test_what_is_no_video_fails_without_anything_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(VeoMediaError, match="can't be read as a video"):
        run(transfer(tmp_path, verify_media="fail"), FakeHook([movie(5000)]), FakeTask())


def test_nobody_looks_if_that_is_not_wanted(tmp_path: Path, wide: bytes) -> None:
    operator = transfer(tmp_path, verify_media="off", write_poster=False)
    said = warnings_of(operator)
    ti = task()
    _, (fact,) = run(operator, FakeHook([wide]), ti)
    assert (fact["media"], fact["poster"], said, ti.pulls) == (None, None, [], [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "clip.mp4.veo.json"]


@pytest.mark.parametrize(
    "arguments", [{"verify_media": "off", "write_manifest": True}, {"write_poster": False, "generation_id": "task_2"}]
)
def test_nothing_is_said_of_what_nobody_asked_for(tmp_path: Path, wide: bytes, arguments: dict[str, Any]) -> None:
    """Neither of a difference where only a poster is wanted, nor of a poster where none is."""
    operator = transfer(tmp_path, **arguments)
    said = warnings_of(operator)
    run(operator, FakeHook([wide]), task())
    assert said == []


def test_wrong_arguments(tmp_path: Path) -> None:
    operator = transfer(tmp_path, verify_media="yes", write_poster="no")
    with pytest.raises(
        VeoValidationError, match=r"verify_media: 'yes' is none of 'warn', 'fail', 'off'; write_poster: 'no' is"
    ):
        run(operator, FakeHook())


def test_without_the_extra(tmp_path: Path, wide: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "is_installed", lambda: False)
    operator = transfer(tmp_path)
    said = warnings_of(operator)
    _, (fact,) = run(operator, FakeHook([wide]), task())
    assert (fact["media"], fact["poster"], said) == (None, None, [])
    hook = FakeHook([wide])
    with pytest.raises(VeoValidationError, match=r"verify_media='fail' and write_poster: PyAV isn't .*\[media\]"):
        run(transfer(tmp_path, verify_media="fail", write_poster=True), hook, task())
    assert hook.opened == []


def poster(folder: Path) -> bytes:
    return (folder / "clip.mp4.poster.jpg").read_bytes()


def test_a_poster(tmp_path: Path, good: bytes) -> None:
    _, (fact,) = run(transfer(tmp_path, verify_media="off"), FakeHook([good]))
    assert fact["poster"] == f"file://{tmp_path}/clip.mp4.poster.jpg"
    assert poster(tmp_path).startswith(b"\xff\xd8\xff\xfe\x00\x1f" + b"airflow-provider-veo task_1 0" + b"\xff")


def test_a_poster_of_another_generation_is_replaced(tmp_path: Path, good: bytes, wide: bytes) -> None:
    run(transfer(tmp_path), FakeHook([good]))
    first = poster(tmp_path)
    run(transfer(tmp_path, generation_id="task_2"), FakeHook([wide]))
    assert b"task_2" in poster(tmp_path)
    assert poster(tmp_path) != first


def test_a_retry_makes_the_poster_that_is_missing_and_no_other(tmp_path: Path, good: bytes) -> None:
    run(transfer(tmp_path), FakeHook([good]))
    written = (tmp_path / "clip.mp4.poster.jpg").stat().st_mtime_ns
    run(transfer(tmp_path), FakeHook([good]))
    assert (tmp_path / "clip.mp4.poster.jpg").stat().st_mtime_ns == written
    (tmp_path / "clip.mp4.poster.jpg").unlink()
    hook = FakeHook([good])
    run(transfer(tmp_path), hook)
    assert poster(tmp_path)
    assert hook.opened == []


def test_a_poster_that_cannot_be_made_is_told(tmp_path: Path, good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> bytes:
        raise ValueError("no such format")

    monkeypatch.setattr(media, "_jpeg", fails)
    operator = transfer(tmp_path, verify_media="fail")
    said = warnings_of(operator)
    uris, (fact,) = run(operator, FakeHook([good]), task())
    assert (fact["poster"], fact["media"]["width"]) == (None, 180)
    assert said == [f"{uris[0]} gets no poster: ValueError: no such format"]


@pytest.mark.parametrize("other", [b"", b"precious", b"\xff\xd8\xff\xe0 a picture of the user's own"])
def test_something_else_in_the_posters_place_stays(tmp_path: Path, good: bytes, other: bytes) -> None:
    (tmp_path / "clip.mp4.poster.jpg").write_bytes(other)
    operator = transfer(tmp_path)
    said = warnings_of(operator)
    _, (fact,) = run(operator, FakeHook([good]))
    assert (fact["poster"], poster(tmp_path)) == (None, other)
    assert "clip.mp4.poster.jpg holds something that isn't a poster of this provider" in said[0]
    run(transfer(tmp_path, overwrite=True), FakeHook([good]))
    assert poster(tmp_path) != other


def test_what_may_be_replaced_by_a_poster_is_not_asked_for(
    tmp_path: Path, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the right to list a bucket, S3 forbids to read what isn't there."""

    def forbidden(*_: Any) -> None:
        raise PermissionError("403")

    monkeypatch.setattr(object_storage.ObjectStorageDestination, "read_small", forbidden)
    _, (fact,) = run(transfer(tmp_path, overwrite=True), FakeHook([good]), task())
    assert fact["poster"]


def test_a_poster_that_fails_is_no_reason_to_fail(tmp_path: Path, good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError("only *.mp4 may be written here")

    monkeypatch.setattr(object_storage.ObjectStorageDestination, "write_small", refused)
    operator = transfer(tmp_path)
    said = warnings_of(operator)
    _, (fact,) = run(operator, FakeHook([good]), task())
    assert (fact["poster"], fact["media"]["width"]) == (None, 180)
    assert said == ["The poster couldn't be stored: PermissionError: only *.mp4 may be written here"]
