# SPDX-License-Identifier: Apache-2.0
"""The plainest client there is, so that these tests don't judge the simulator by the provider's own client."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import requests

from veo_provider.simulator import Simulator

BODY = {
    "model": "veo-3.1-fast-generate-preview",
    "prompt": "A cat",
    "durationSeconds": 4,
    "aspectRatio": "16:9",
    "resolution": "720p",
    "sampleCount": 1,
}


def find_id(answer: Any) -> str:
    """Return the id out of any submit shape."""
    return str((answer.get("data") or answer)["task_id"])


class Caller:
    """Calls one simulator with one key."""

    def __init__(self, simulator: Simulator, key: str | None = None) -> None:
        self.simulator = simulator
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {key or simulator.api_key}"

    def post(self, prompt: str = "A cat", **changes: Any) -> requests.Response:
        """Submit; a change to None leaves the field out."""
        body = {name: value for name, value in (BODY | {"prompt": prompt} | changes).items() if value is not None}
        return self.session.post(f"{self.simulator.url}/v1/video/generations", json=body, timeout=60)

    def submit(self, prompt: str = "A cat", **changes: Any) -> str:
        """Submit and return the id."""
        answer = self.post(prompt, **changes)
        assert answer.status_code == 200, answer.text
        return find_id(answer.json())

    def get(self, path: str, **options: Any) -> requests.Response:
        """Get a path of the API."""
        return self.session.get(self.simulator.url + path, **({"timeout": 10} | options))

    def poll(self, generation_id: str, **options: Any) -> requests.Response:
        """Poll once."""
        return self.get(f"/v1/video/generations/{quote(generation_id, safe='')}", **options)

    def wait(self, generation_id: str) -> Any:
        """Poll until the generation has ended."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            answer = self.poll(generation_id).json()
            word = str((answer.get("data") or answer).get("status", "")).lower()
            if word in ("succeeded", "success", "completed", "failed", "failure"):
                return answer
            time.sleep(0.02)
        raise AssertionError(f"{generation_id} does not end: {answer}")

    def run(self, prompt: str = "A cat", **changes: Any) -> Any:
        """Submit and wait."""
        return self.wait(self.submit(prompt, **changes))


def fetch(url: str, **headers: str) -> requests.Response:
    """Get a link as a stranger without a key."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=headers, timeout=60, allow_redirects=False)
