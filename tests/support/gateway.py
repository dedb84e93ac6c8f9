# SPDX-License-Identifier: Apache-2.0
"""The simulated gateway as Airflow and the tests see it."""

from __future__ import annotations

import json
from typing import Any


def veo_connection(url: str, api_key: str = "sk-simulator", **extras: Any) -> str:
    """The value of ``AIRFLOW_CONN_VEO_DEFAULT`` that leads to a simulator."""
    # It hands out plain links on this machine, which the provider refuses unless told.
    extra = {"allowed_result_hosts": ["127.0.0.1"], **extras}
    return json.dumps({"conn_type": "veo", "host": url, "password": api_key, "extra": extra})


def billed(ledger: dict[str, Any], text: str = "") -> list[dict[str, Any]]:
    """The submits that would have cost money, whose prompt holds ``text``."""
    return [submit for submit in ledger["submits"] if submit["billed"] and text in str(submit["request"].get("prompt"))]
