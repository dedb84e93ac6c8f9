# SPDX-License-Identifier: Apache-2.0
"""A browser without a window, as it is on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.support.processes import ROOT, wait_until

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nobody clicks here, and videos play all the same.
    "--autoplay-policy=no-user-gesture-required",
)
# Five seconds if it isn't told, and a machine may stand still for longer.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)
SCREENSHOTS = ROOT / ".artifacts" / "screenshots"


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start the browser."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS), timeout=2 * PATIENCE)
        yield browser
        browser.close()


@contextmanager
def window(browser: Browser, url: str, token: str | None = None, **options: Any) -> Iterator[Page]:
    """Open a window of its own, logged in with a token, and fail on whatever its console calls an error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    if token:
        context.add_cookies([{"name": "_token", "value": token, "url": url}])
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()
    # What a store refuses is logged by the browser itself.
    ours = [text for text in errors if "Failed to load resource" not in text]
    assert ours == [], ours


def shoot(page: Page | Locator, name: str) -> Path:
    """Take a picture."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.jpg"
    page.screenshot(path=path, type="jpeg", quality=80)
    return path


def state_of(video: Locator) -> dict[str, Any]:
    """Return what a video element says of itself."""
    code = "v => ({at: v.currentTime, width: v.videoWidth, height: v.videoHeight, length: v.duration, busy: v.seeking})"
    state: dict[str, Any] = video.evaluate(code)
    return state


def play(video: Locator, to: float = 0.3) -> dict[str, Any]:
    """Play until it has come so far."""
    video.evaluate("v => v.play()")
    return wait_until(f"a video at {to} s", lambda: ((s := state_of(video))["at"] >= to and s) or None, seconds=60)


def seek(video: Locator, to: float) -> None:
    """Jump, and wait until there is a picture."""
    video.evaluate("(v, to) => { v.pause(); v.currentTime = to; }", to)
    there = "v => !v.seeking && v.readyState >= 2 && !v.error ? v.currentTime : null"
    at = wait_until(f"a picture at {to} s", lambda: video.evaluate(there), seconds=60)
    assert abs(at - to) < 0.2


__all__ = ["browsing", "expect", "play", "seek", "shoot", "state_of", "window"]
