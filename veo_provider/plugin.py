# SPDX-License-Identifier: Apache-2.0
"""Brings the page "Veo videos" into Airflow's UI; Airflow finds it by the entry point ``airflow.plugins``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowPlugin, conf

from veo_provider.compat import PAGE

PREFIX = "/veo"
_NAME = "Veo videos"
_log = logging.getLogger(__name__)


class _Later:
    """A list that is made when it is asked for: every process loads plugins, and the API server alone has a page."""

    def __init__(self, make: Callable[[], list[Any]]) -> None:
        self._make = make
        self._made: list[Any] | None = None

    def __get__(self, *_: object) -> list[Any]:
        if self._made is None:
            try:
                self._made = self._make() if conf.getboolean("veo", "ui_page", fallback=True) else []
            except Exception:  # noqa: BLE001 - the whole UI must not fail over one page
                _log.exception("The page %r can't be shown", _NAME)
                self._made = []
        return self._made


def _apps() -> list[Any]:
    if not PAGE:
        _log.info("There is no page %r: it needs Airflow 3.1 or later", _NAME)
        return []
    from veo_provider.ui.app import make_app

    return [{"app": make_app(), "url_prefix": PREFIX, "name": _NAME}]


def _views() -> list[Any]:
    # Behind a proxy Airflow may have a path of its own.
    page = f"{urlsplit(conf.get('api', 'base_url', fallback='/')).path.rstrip('/')}{PREFIX}/"
    run = "dag_id={DAG_ID}&run_id={RUN_ID}"
    scopes = {
        "nav": "",
        "dag": "?dag_id={DAG_ID}",
        "dag_run": f"?{run}",
        "task_instance": f"?{run}&task_id={{TASK_ID}}&map_index={{MAP_INDEX}}",
    }
    return [
        {
            "name": _NAME,
            "href": f"{page}{query}",
            "destination": destination,
            "url_route": f"veo-videos-{destination}".replace("_", "-"),
            **({"category": "browse"} if destination == "nav" else {}),
        }
        for destination, query in scopes.items()
    ]


class VeoPlugin(AirflowPlugin):
    """The plugin; ``[veo] ui_page = False`` turns it off."""

    name = "veo"
    fastapi_apps = _Later(_apps)
    if PAGE:
        external_views = _Later(_views)
    else:
        # What Airflow 2 asks for, so that its log has the line too.
        appbuilder_views = fastapi_apps
