# SPDX-License-Identifier: Apache-2.0
"""The page in a browser: a thousand generations, links that die, who sees what, keys instead of a mouse."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.sync_api import Browser

from tests.conftest import BUCKET
from tests.integration.ui.conftest import Page, facts, marks, row, start_page, stored
from tests.support.browser import browsing, expect, play, seek, shoot, state_of, window
from tests.support.processes import wait_until
from tests.support.s3 import S3Server
from veo_provider.get_provider_info import get_provider_info

MANY = 1000
# Longer than a machine stands still between the signature and the browser's question.
LINK_SECONDS = 15


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


def noise(path: Path, seconds: int = 8) -> None:
    """Draw a video so large that no browser loads it whole before it is played."""
    chance = random.Random(7)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("h264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "12", "g": "12"}
        for _ in range(24 * seconds):
            frame = av.VideoFrame(640, 360, "yuv420p")
            for plane in frame.planes:
                plane.update(chance.randbytes(plane.buffer_size))
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, migrated_home: Path, seaweedfs: S3Server) -> Iterator[Page]:
    """The page over a thousand generations; the newest has a large video."""
    folder = tmp_path_factory.mktemp("crowd")
    noise(folder / "noise.mp4")
    assert (folder / "noise.mp4").stat().st_size > 30_000_000
    metadata = {f"veo-{name.replace('_', '-')}": str(value) for name, value in marks("g-999").items()}
    with (folder / "noise.mp4").open("rb") as video:
        seaweedfs.client.put_object(Bucket=BUCKET, Key="noise.mp4", Body=video, Metadata=metadata)
    rows = []
    for number in range(MANY):
        dag = "cats" if number % 10 else "dogs"
        ids = {"run_id": f"r+{number}"}
        rows.append(row(dag, "generate", number, veo_generation=facts(f"g-{number}"), **ids))
        one = stored(f"s3://{BUCKET}/noise.mp4", f"g-{number}", conn_id="aws_seaweedfs")
        rows.append(row(dag, "store", number, veo_videos=[one], **ids))
    env = {
        "AIRFLOW_CONN_AWS_SEAWEEDFS": seaweedfs.connection(),
        "AIRFLOW__VEO__UI_LINK_SECONDS": str(LINK_SECONDS),
    }
    yield from start_page(folder / "home", migrated_home, rows, env)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory, migrated_home: Path) -> Iterator[Page]:
    """The page of an Airflow that has a path of its own behind a proxy."""
    folder = tmp_path_factory.mktemp("proxied").resolve()
    noise(folder / "clip.mp4", 1)
    (folder / "clip.mp4.veo.json").write_text(json.dumps(marks("g-0")))
    rows = [
        row("cats", "generate", 0, veo_generation=facts("g-0")),
        row("cats", "store", 0, veo_videos=[stored(f"file://{folder}/clip.mp4", "g-0")]),
    ]
    env = {"AIRFLOW__VEO__UI_FOLDERS": str(folder)}
    yield from start_page(folder / "home", migrated_home, rows, env, path="/behind/proxy")


def test_below_a_path_of_a_proxy(proxied: Page, browser: Browser) -> None:
    root = proxied.url.removesuffix("/behind/proxy")
    with window(browser, proxied.url, proxied.tokens["admin"]) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{proxied.url}/")
        page.get_by_role("button", name="Browse").click()
        page.get_by_role("menuitem", name="Veo videos").click()
        inside = page.frame_locator("iframe")
        assert play(inside.locator("video"), 0.3)["width"] == 640
        link = f"{proxied.url}/dags/cats/runs/r%2B1/tasks/generate"
        expect(inside.get_by_role("link")).to_have_attribute("href", link)
        # Airflow's own switch between the colours puts a class there.
        for dark in (True, False):
            page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", dark)
            expect(inside.locator("html.dark")).to_have_count(int(dark))
        ours = [url for url in asked if "/veo" in url]
        assert {"page.css", "page.js"} <= {url.rpartition("/")[2] for url in ours}
        assert [url for url in ours if url.startswith(root) and not url.startswith(f"{proxied.url}/")] == []


def test_page_by_page(crowd: Page, browser: Browser) -> None:
    with window(browser, crowd.url, crowd.tokens["admin"]) as page:
        page.goto(f"{crowd.url}/veo/")
        cards = page.locator("#generations > li")
        expect(cards).to_have_count(24)
        expect(cards.first).to_contain_text("The film g-999")
        page.get_by_role("button", name="Show older ones").click()
        expect(cards).to_have_count(48)
        expect(cards.nth(47)).to_contain_text("The film g-952")
        page.get_by_label("DAG").select_option("dogs")
        expect(cards).to_have_count(24)
        expect(cards.first).to_contain_text("The film g-990")
        page.get_by_label("State").select_option("failed")
        expect(cards).to_have_count(0)
        expect(page.get_by_role("status")).to_have_text("No generations here")


def test_all_thousand_can_be_reached(crowd: Page) -> None:
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        answer = crowd.get("/api/generations", params={"limit": 100, "after": after}).json()
        seen += [one["generation_id"] for one in answer["generations"]]
        after = answer["after"]
    assert seen == [f"g-{number}" for number in reversed(range(MANY))]


def test_a_link_that_has_died_is_renewed(crowd: Page, browser: Browser) -> None:
    with window(browser, crowd.url, crowd.tokens["viewer"]) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/api/video" in request.url else None)
        page.goto(f"{crowd.url}/veo/")
        video = page.locator("video").first
        # Only its beginning: what has come needs no link any more.
        video.evaluate("v => { v.preload = 'metadata'; v.load(); }")
        wait_until("the video's size", lambda: state_of(video)["width"] == 640, seconds=60)
        before = len(asked)
        # SeaweedFS refuses the old link from now on.
        time.sleep(LINK_SECONDS + 1)
        seek(video, 7)
        assert len(asked) > before
        assert play(video, 7.2)["width"] == 640


def test_what_is_not_marked_as_the_video_is_not_played(crowd: Page, browser: Browser) -> None:
    with window(browser, crowd.url, crowd.tokens["admin"]) as page:
        page.goto(f"{crowd.url}/veo/?dag_id=cats&run_id=r%2B998")
        page.locator("video").evaluate("v => { v.play().catch(() => {}) }")
        expect(page.locator(".gone")).to_have_text("noise.mp4 can't be played here. There is no such video.")


def test_who_may_read_one_dag_sees_one_dag(crowd: Page, browser: Browser) -> None:
    with window(browser, crowd.url, crowd.tokens["only-dogs"]) as page:
        page.goto(f"{crowd.url}/veo/")
        expect(page.locator("#generations > li").first).to_contain_text("The film g-990")
        assert page.get_by_label("DAG").locator("option").all_inner_texts() == ["all", "dogs"]
        page.goto(f"{crowd.url}/veo/?dag_id=cats")
        expect(page.get_by_role("status")).to_contain_text("nothing here that you may see")


def test_who_is_not_logged_in_gets_nothing(crowd: Page, browser: Browser) -> None:
    with window(browser, crowd.url) as page:
        answer = page.goto(f"{crowd.url}/veo/")
        assert answer is not None
        assert answer.status == 401


def test_a_run_id_keeps_its_plus(crowd: Page, browser: Browser) -> None:
    # Airflow doesn't escape what it puts into the address of a tab.
    with window(browser, crowd.url, crowd.tokens["admin"]) as page:
        page.goto(f"{crowd.url}/veo/?dag_id=cats&run_id=r+997&task_id=generate&map_index={{MAP_INDEX}}")
        expect(page.locator("#generations > li")).to_have_count(1)
        expect(page.locator("#generations > li")).to_contain_text("The film g-997")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_by_keyboard_and_in_both_colours(scheme: str, crowd: Page, browser: Browser) -> None:
    with window(browser, crowd.url, crowd.tokens["admin"], color_scheme=scheme) as page:
        page.goto(f"{crowd.url}/veo/?dag_id=cats")
        cards = page.locator("#generations > li")
        expect(cards).to_have_count(24)
        dark = page.evaluate("document.documentElement.classList.contains('dark')")
        assert dark == (scheme == "dark")
        page.get_by_role("button", name="Show older ones").focus()
        page.keyboard.press("Enter")
        expect(cards).to_have_count(48)
        # The focus is on the first of those that came.
        expect(cards.nth(24).locator("video")).to_be_focused()
        assert page.locator("video").first.get_attribute("aria-label") == "Video 1: The film g-999"
        contrast = page.evaluate(CONTRAST)
        assert min(contrast.values()) >= 4.5, contrast


def test_the_colours_follow_the_system(crowd: Page, browser: Browser) -> None:
    with window(browser, crowd.url, crowd.tokens["admin"], color_scheme="light") as page:
        page.goto(f"{crowd.url}/veo/?dag_id=cats")
        expect(page.locator("html.dark")).to_have_count(0)
        page.emulate_media(color_scheme="dark")
        expect(page.locator("html.dark")).to_have_count(1)


@pytest.mark.parametrize("after", ["more", None])
def test_the_focus_stays_where_nothing_came(after: str | None, crowd: Page, browser: Browser) -> None:
    with window(browser, crowd.url, crowd.tokens["admin"]) as page:
        page.goto(f"{crowd.url}/veo/?dag_id=cats")
        expect(page.locator("#generations > li")).to_have_count(24)
        # As a filter answers that has looked through thousands in vain.
        nothing: dict[str, Any] = {"generations": [], "after": after, "dags": None, "link_seconds": 300}
        page.route("**/api/generations?*", lambda route: route.fulfill(json=nothing))
        more = page.get_by_role("button", name="Show older ones")
        more.focus()
        page.keyboard.press("Enter")
        expect(more if after else page.get_by_role("status")).to_be_focused()


def test_the_connection_form(crowd: Page, browser: Browser) -> None:
    with window(browser, crowd.url, crowd.tokens["admin"]) as page:
        page.goto(f"{crowd.url}/connections")
        page.get_by_role("button", name="Add Connection").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("combobox").first.click()
        page.keyboard.type("veo")
        page.keyboard.press("Enter")
        dialog.get_by_role("textbox").first.fill("veo_default")
        for label in ("Base URL", "API key"):
            expect(dialog.get_by_text(label, exact=True)).to_have_count(1)
        dialog.get_by_role("textbox").last.blur()
        shoot(page, "connection")
        # All of its fields in one picture.
        page.set_viewport_size({"width": 1280, "height": 1700})
        dialog.get_by_text("Extra Fields", exact=True).click()
        fields = get_provider_info()["connection-types"][0]["conn-fields"]
        for field in fields.values():
            expect(dialog.get_by_text(field["label"], exact=True)).to_be_visible()
        shoot(dialog, "connection-extras")


# The ratio of WCAG 2, between each kind of text and what is behind it.
CONTRAST = """() => {
  const parts = (c) => c.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255);
  const light = (c) => parts(c).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = light(getComputedStyle(document.querySelector("article")).backgroundColor);
  const found = {};
  for (const name of [".prompt", ".state", "dt", "dd", "a"]) {
    const text = light(getComputedStyle(document.querySelector(`article ${name}`)).color);
    found[name] = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
  }
  return found;
}"""
