# SPDX-License-Identifier: Apache-2.0
"""Links from a task instance in Airflow's UI."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom, conf

from veo_provider.compat import PAGE
from veo_provider.operators.xcoms import GENERATION_XCOM

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, TaskInstanceKey


class VeoConsoleLink(BaseOperatorLink):
    """Leads to the gateway's console, where generations and their bills are listed."""

    name = "Gateway console"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the gateway's address, which the task instance has noted in its XCom ``veo_generation``."""
        facts = XCom.get_value(key=GENERATION_XCOM, ti_key=ti_key)
        return str(facts.get("base_url", "")) if isinstance(facts, dict) else ""


class VeoVideosLink(BaseOperatorLink):
    """Leads to the page with the videos of a task instance."""

    name = "Veo videos"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the page's address; nothing where there is none."""
        if not PAGE or not conf.getboolean("veo", "ui_page", fallback=True):
            return ""
        base = conf.get("api", "base_url", fallback="/").rstrip("/")
        names = ("dag_id", "run_id", "task_id", "map_index")
        return f"{base}/veo/?{urlencode({name: getattr(ti_key, name) for name in names})}"
