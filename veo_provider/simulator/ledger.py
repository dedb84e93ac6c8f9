# SPDX-License-Identifier: Apache-2.0
"""Remembers every submit, poll and download, and what would have been billed."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

Entry = dict[str, Any]


class Ledger:
    """What happened since the start or the last reset."""

    def __init__(self) -> None:
        self.connections = {"api": 0, "results": 0}
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._submits: list[Entry] = []
        self._polls: dict[str, list[Entry]] = {}
        self._downloads: list[Entry] = []
        self._strays: list[Entry] = []
        self._refused: Counter[str] = Counter()
        self._models = 0
        self._polls_in_flight = 0
        self._most_polls_in_flight = 0
        self.connections.update(api=0, results=0)

    def submit(self, key: str, request: Any, request_id: str) -> Entry:
        """
        Note a submit that was read; whoever handles it fills in how it went.

        :param key: the API key, of which only the end is kept.
        :param request: the body as received, images shortened.
        :param request_id: the answer's ``X-Oneapi-Request-Id``.
        """
        entry = {
            "time": time.time(),
            "key": key[-4:],
            "request": request,
            "request_id": request_id,
            "values": None,
            "coerced": {},
            "ignored_fields": [],
            "problems": [],
            "accepted": False,
            "billed": False,
            "generation_id": None,
            "cost": None,
            "status": None,
            "fault": None,
        }
        self._submits.append(entry)
        return entry

    @contextlib.contextmanager
    def poll(self, generation_id: str, client: str) -> Iterator[Entry]:
        """
        Note a poll for as long as it is in flight.

        :param generation_id: the id that is asked for.
        :param client: the ``User-Agent`` of who asks.
        """
        entry: Entry = {"time": time.time(), "seconds": None, "client": client, "phase": None, "fault": None}
        self._polls.setdefault(generation_id, []).append(entry)
        self._polls_in_flight += 1
        self._most_polls_in_flight = max(self._most_polls_in_flight, self._polls_in_flight)
        try:
            yield entry
        finally:
            entry["seconds"] = time.time() - entry["time"]
            # A reset in between has emptied the count already.
            self._polls_in_flight = max(0, self._polls_in_flight - 1)

    def models(self) -> None:
        """Note a look at the list of models."""
        self._models += 1

    def refused(self, reason: str) -> None:
        """
        Note a call that was turned away before it was looked at.

        :param reason: the name of the error.
        """
        self._refused[reason] += 1

    def download(self, generation_id: str, index: int, origin: str, authorization: bool, wanted: str | None) -> Entry:
        """
        Note a download; whoever sends it fills in status and bytes.

        :param generation_id: whose video.
        :param index: which of its videos.
        :param origin: ``api`` or ``results``.
        :param authorization: whether an ``Authorization`` header came along.
        :param wanted: the ``Range`` header.
        """
        entry = {
            "time": time.time(),
            "generation_id": generation_id,
            "index": index,
            "origin": origin,
            "authorization": authorization,
            "range": wanted,
            "status": None,
            "bytes": 0,
            "fault": None,
        }
        self._downloads.append(entry)
        return entry

    def stray(self, path: str, authorization: bool) -> None:
        """
        Note a request at the result origin that is no download.

        :param path: what it asked for.
        :param authorization: whether an ``Authorization`` header came along.
        """
        self._strays.append({"time": time.time(), "path": path, "authorization": authorization})

    def report(self) -> Entry:
        """Return everything as JSON values."""
        billed = [entry for entry in self._submits if entry["billed"]]
        on_results = [entry for entry in self._downloads if entry["origin"] == "results"]
        return {
            "submits": self._submits,
            "generations": {
                generation_id: {"polls": len(polls), "history": polls} for generation_id, polls in self._polls.items()
            },
            "downloads": self._downloads,
            "strays": self._strays,
            "totals": {
                "submits": len(self._submits),
                "accepted": sum(entry["accepted"] for entry in self._submits),
                "billed": len(billed),
                "video_seconds": sum(entry["cost"]["video_seconds"] for entry in billed),
                "usd": round(sum(entry["cost"]["usd"] for entry in billed), 4),
                "prices": "simulated",
                "polls": sum(map(len, self._polls.values())),
                "max_polls_in_flight": self._most_polls_in_flight,
                "models": self._models,
                "downloads": len(self._downloads),
                "refused": dict(self._refused),
                "leaked_keys": sum(entry["authorization"] for entry in (*on_results, *self._strays)),
                "connections": dict(self.connections),
            },
        }
