# SPDX-License-Identifier: Apache-2.0
"""The plugin: cheap where there is no page, and never in the way of Airflow's UI."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any

import pytest

from veo_provider import compat, plugin
from veo_provider.operators.links import VeoVideosLink
from veo_provider.plugin import VeoPlugin


def fresh(make: Any) -> Any:
    """Return a plugin's list that nobody has asked for yet."""
    return type("Plugin", (), {"made": plugin._Later(make)}).made  # type: ignore[attr-defined]


def test_airflow_finds_it() -> None:
    (found,) = entry_points(group="airflow.plugins", name="veo")
    assert found.load() is VeoPlugin


@pytest.mark.skipif(not compat.PAGE, reason="this Airflow has no page")
def test_the_page_is_in_every_place_of_the_ui(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/prod/")
    views = {view["destination"]: view["href"] for view in fresh(plugin._views)}
    assert views == {
        "nav": "/prod/veo/",
        "dag": "/prod/veo/?dag_id={DAG_ID}",
        "dag_run": "/prod/veo/?dag_id={DAG_ID}&run_id={RUN_ID}",
        "task_instance": "/prod/veo/?dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}",
    }
    (app,) = VeoPlugin.fastapi_apps
    assert app["url_prefix"] == "/veo"


@pytest.mark.skipif(not compat.PAGE, reason="this Airflow has no page")
def test_it_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    key: Any = SimpleNamespace(dag_id="d", run_id="r+1", task_id="t", map_index=-1)
    operator: Any = None
    assert VeoVideosLink().get_link(operator, ti_key=key).endswith("/veo/?dag_id=d&run_id=r%2B1&task_id=t&map_index=-1")
    monkeypatch.setenv("AIRFLOW__VEO__UI_PAGE", "False")
    assert fresh(plugin._views) == []
    assert VeoVideosLink().get_link(operator, ti_key=key) == ""


@pytest.mark.skipif(not compat.PAGE, reason="this Airflow has no page")
def test_the_user_is_airflows_and_no_parameter() -> None:
    from fastapi.dependencies.utils import get_dependant

    from veo_provider.ui.access import Reader

    found = get_dependant(path="/", call=Reader)
    assert not found.query_params
    assert found.dependencies


@pytest.mark.skipif(compat.PAGE, reason="this Airflow has a page")
def test_a_line_says_that_there_is_no_page(caplog: pytest.LogCaptureFixture) -> None:
    key: Any = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)
    operator: Any = None
    assert VeoVideosLink().get_link(operator, ti_key=key) == ""
    with caplog.at_level("INFO"):
        assert fresh(plugin._apps) == []
    assert caplog.text.count("There is no page 'Veo videos': it needs Airflow 3.1 or later") == 1
    # The web server of Airflow 2 asks for these.
    assert VeoPlugin.appbuilder_views == []


def test_what_it_raises_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> list[Any]:
        raise RuntimeError("no page")

    assert fresh(broken) == []
    assert "can't be shown" in caplog.text


def test_a_process_without_a_page_imports_none_of_it() -> None:
    code = (
        "import sys, airflow.plugins_manager, airflow.providers.common.compat.sdk as sdk; sdk.conf, sdk.AirflowPlugin\n"
        "before = set(sys.modules)\n"
        "import veo_provider.plugin\n"
        "print([name for name in set(sys.modules) - before if name.startswith(('fastapi', 'veo_provider.ui', 'boto'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
