# SPDX-License-Identifier: Apache-2.0
"""Which generation was made of a request, whichever task asked for it."""

from __future__ import annotations

import json

from airflow.providers.common.compat.sdk import ObjectStoragePath

from veo_provider.api.calls import id_problem
from veo_provider.ledger.folder import read_json, write_whole


class ReuseIndex:
    """
    A small file for each request that was made with ``reuse=True``, under its digest.

    Two tasks that ask for the same at the same time both buy: this saves money, it doesn't guard it.

    :param root: URI of the folder for all tasks of a deployment.
    """

    def __init__(self, root: str) -> None:
        self._folder = ObjectStoragePath(f"{root.rstrip('/')}/reuse")

    def find(self, digest: str) -> str | None:
        """Return the id of the generation that was made of a request last."""
        values = read_json(self._folder / f"{digest}.json")
        found = values.get("generation_id") if isinstance(values, dict) else None
        return found if isinstance(found, str) and id_problem(found) is None else None

    def add(self, digest: str, generation_id: str) -> None:
        """Note a generation that a task has succeeded with. Whether its video is there is asked when it is found."""
        write_whole(self._folder / f"{digest}.json", json.dumps({"generation_id": generation_id}).encode())
