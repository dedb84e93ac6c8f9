# SPDX-License-Identifier: Apache-2.0
"""The page in Airflow's own UI, with videos that were really generated and stored."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import FrameLocator, Locator, Page

from tests.conftest import BUCKET
from tests.support.airflow_api import Run
from tests.support.airflow_stack import AirflowStack
from tests.support.browser import SCREENSHOTS, browsing, expect, play, seek, shoot, window
from tests.support.processes import ROOT, wait_until

LIMIT = 240
S3, FILE, REFUSED = "A lighthouse in a storm", "A paper boat in the rain", "A duel at dawn sim:filtered"
WRONG = "A crane over the harbour sim:made_ratio=16:9"


@pytest.fixture(scope="module")
def runs(stack: AirflowStack) -> dict[str, Run]:
    """One to S3, one to a folder, one that is refused, one that is something else than was asked for."""
    for dag_id in ("e2e_to_s3", "veo_quickstart"):
        stack.api.unpause(dag_id)

    def to_s3(prompt: str) -> Run:
        place = {"bucket": BUCKET, "key": f"page/{uuid.uuid4()}.mp4", "aws_conn_id": "aws_seaweedfs"}
        return stack.api.trigger("e2e_to_s3", {"prompt": prompt, **place})

    runs = {prompt: to_s3(prompt) for prompt in (S3, REFUSED, WRONG)}
    runs[FILE] = stack.api.trigger("veo_quickstart", {"prompt": FILE})
    stack.api.wait_for(runs.values(), seconds=LIMIT)
    assert runs[S3].state == runs[FILE].state == "success", stack.api.why(runs[S3])
    return runs


@pytest.fixture(scope="module")
def page(stack: AirflowStack) -> Iterator[Page]:
    token = str(stack.api._session.headers["Authorization"]).removeprefix("Bearer ")
    with browsing() as browser, window(browser, stack.url, token) as page:
        yield page


def frame(page: Page) -> FrameLocator:
    """Return the page within Airflow's."""
    return page.frame_locator("iframe")


def test_from_the_navigation(page: Page, stack: AirflowStack, runs: dict[str, Run]) -> None:
    page.goto(stack.url)
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Veo videos").click()
    inside = frame(page)
    mine = inside.locator("#generations > li", has_text=S3)
    expect(mine).to_contain_text("succeeded")
    for words in ("veo-3.1-fast-generate-preview", "6 s", "9:16", runs[S3].run_id):
        expect(mine).to_contain_text(words)
    refused = inside.locator("#generations > li", has_text=REFUSED)
    expect(refused.locator(".state")).to_have_text("filtered")
    expect(refused.locator(".message")).to_contain_text("content_policy")
    video = mine.locator("video")
    state = play(video, 0.5)
    # The 9:16 of the request.
    assert (state["width"], state["height"], round(state["length"])) == (720, 1280, 6)
    seek(video, 4.0)
    expect(mine).to_contain_text("720 × 1280, 6 s, 24 fps, sound")
    other = inside.locator("#generations > li", has_text=FILE).locator("video")
    for one, shape in ((video, (640, 1136)), (other, (640, 360))):
        assert poster_of(one) == shape
    assert play(other, 0.5)["width"] == 1280
    seek(other, 3.0)
    inside.locator("h1").scroll_into_view_if_needed()
    shoot(page, "page")


def poster_of(video: Locator) -> tuple[int, int]:
    """Return the size of a video's poster, once the browser has it."""
    load = """v => {
        if (!v.poster) return null;
        // Another address each time: its store may have been slow.
        const picture = Object.assign(new Image(), { src: `${v.poster}&again=${Date.now()}` });
        return picture.decode().then(() => [picture.naturalWidth, picture.naturalHeight], () => null);
    }"""
    video.scroll_into_view_if_needed()
    width, height = wait_until("a poster", lambda: video.evaluate(load), seconds=90)
    return width, height


def test_a_wrong_video_fails_its_task_and_can_be_looked_at(
    page: Page, stack: AirflowStack, runs: dict[str, Run]
) -> None:
    run = runs[WRONG]
    assert run.state == "failed"
    log = stack.api.log(run, "store", run.tries("store"))
    assert "VeoMediaError" in log
    assert "its picture is 1280x720, which isn't 9:16" in log
    page.goto(f"{stack.url}/veo/?dag_id={run.dag_id}&run_id={quote(run.run_id)}")
    assert play(page.locator("video"), 0.3)["width"] == 1280


@pytest.mark.parametrize("task_id", ["generate", "store"])
def test_from_a_task_instance(task_id: str, page: Page, stack: AirflowStack, runs: dict[str, Run]) -> None:
    run = runs[S3]
    page.goto(f"{stack.url}/dags/{run.dag_id}/runs/{quote(run.run_id)}/tasks/{task_id}")
    page.get_by_role("link", name="Veo videos").first.click()
    inside = frame(page)
    expect(inside.locator("#generations > li")).to_have_count(1)
    assert play(inside.locator("video"), 0.3)["width"] == 720
    shoot(page, f"tab-{task_id}")


def test_from_a_dag_run(page: Page, stack: AirflowStack, runs: dict[str, Run]) -> None:
    run = runs[REFUSED]
    page.goto(f"{stack.url}/dags/{run.dag_id}/runs/{quote(run.run_id)}")
    page.get_by_role("link", name="Veo videos").first.click()
    expect(frame(page).locator("#generations > li")).to_have_count(1)
    expect(frame(page).locator(".state")).to_have_text("filtered")


@pytest.mark.parametrize("task_id", ["generate", "store"])
def test_the_extra_link_leads_there(task_id: str, page: Page, stack: AirflowStack, runs: dict[str, Run]) -> None:
    run = runs[S3]
    links = stack.api.json("GET", f"{run.path}/taskInstances/{task_id}/links")["extra_links"]
    page.goto(links["Veo videos"])
    expect(page.locator("#generations > li")).to_have_count(1)
    expect(page.locator("#scope")).to_contain_text(run.run_id)


def test_back_to_the_dag_run(page: Page, stack: AirflowStack, runs: dict[str, Run]) -> None:
    run = runs[S3]
    page.goto(f"{stack.url}/veo/?dag_id={run.dag_id}&run_id={quote(run.run_id)}")
    page.get_by_role("link", name=run.run_id).click()
    expect(page.get_by_role("heading", name="generate").first).to_be_visible()


def test_the_graph(page: Page, stack: AirflowStack, runs: dict[str, Run]) -> None:
    run = runs[FILE]
    before = page.viewport_size
    page.set_viewport_size({"width": 1280, "height": 560})
    page.goto(f"{stack.url}/dags/{run.dag_id}/runs/{quote(run.run_id)}")
    page.get_by_role("button", name="Graph").or_(page.get_by_label("Show Graph")).first.click()
    expect(page.get_by_text("VeoGenerateOperator").first).to_be_visible()
    shoot(page, "graph")
    page.set_viewport_size(before or {"width": 1280, "height": 900})


def test_the_docs_show_what_these_tests_have_seen(page: Page) -> None:
    docs = ROOT / "docs"
    shown = {picture.stem for picture in (docs / "images").iterdir()}
    assert shown <= {picture.stem for picture in SCREENSHOTS.iterdir()} | {"connection", "connection-extras"}
    assert shown == set(
        re.findall(r"\(images/([\w-]+)\.jpg\)", "".join(text.read_text() for text in docs.glob("*.md")))
    )
