# SPDX-License-Identifier: Apache-2.0
"""What the documentation must name, and that what it cites is there."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from veo_provider import __doc__ as package_doc
from veo_provider import exceptions
from veo_provider.api.problem import Reason
from veo_provider.get_provider_info import get_provider_info
from veo_provider.hooks.connection import EXTRAS
from veo_provider.operators import metrics
from veo_provider.simulator import faults, scenario
from veo_provider.simulator.dialects import DIALECTS
from veo_provider.simulator.errors import ERRORS
from veo_provider.simulator.failures import FAILURES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted(DOCS.rglob("*.md"))

# Page by page, the classes whose parameters it shows.
CLASSES = {
    "generate": ["veo_provider.operators.veo.VeoGenerateOperator"],
    "sensor": ["veo_provider.sensors.veo.VeoGenerationSensor"],
    "trigger": ["veo_provider.triggers.veo.VeoGenerationTrigger"],
    "transfers": [
        "veo_provider.transfers.veo_to_s3.VeoToS3Operator",
        "veo_provider.transfers.veo_to_object_storage.VeoToObjectStorageOperator",
    ],
    "reference": ["veo_provider.hooks.veo.VeoHook", "veo_provider.hooks.veo_async.VeoAsyncHook"],
}


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "--strict", "-f", "docs/mkdocs.yml", "-d", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def _parameters(path: str) -> Iterator[str]:
    """Every parameter of ours: those of Airflow's own base classes are not our business."""
    module, _, name = path.rpartition(".")
    for cls in getattr(importlib.import_module(module), name).__mro__:
        if cls.__module__.startswith("veo_provider.") and "__init__" in vars(cls):
            for parameter in inspect.signature(cls.__init__).parameters.values():
                if parameter.name != "self" and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                    yield parameter.name


def test_every_option_is_on_its_page(site: Path) -> None:
    html = (site / "configuration" / "index.html").read_text()
    shown = re.findall(r"<td><code>(\w+)</code></td>\s*<td>(?:string|boolean|integer|float)</td>", html)
    assert shown == list(get_provider_info()["config"]["veo"]["options"])


@pytest.mark.parametrize("name", [*metrics.COUNTED, *metrics.TIMED])
def test_every_metric_is_on_its_page(name: str) -> None:
    assert f"| `{name}" in page("metrics")


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, paths in CLASSES.items() for path in paths])
def test_every_parameter_is_in_a_table(name: str, path: str, site: Path) -> None:
    html = (site / name / "index.html").read_text()
    _, _, own = html.partition(f'id="{path}"')
    assert own, f"{name} does not show {path}"
    table = own[: own.index("</table>")]
    shown = set(re.findall(r"<td>\s*<code>(\w+)</code>", table))
    missing = set(_parameters(path)) - shown
    assert not missing


def _errors() -> list[str]:
    return [
        name
        for name, cls in vars(exceptions).items()
        if inspect.isclass(cls) and issubclass(cls, exceptions.VeoError) and cls is not exceptions.VeoError
    ]


@pytest.mark.parametrize("name", _errors())
def test_every_error_has_a_section(name: str) -> None:
    assert f"\n### {name}\n" in page("troubleshooting")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_code_is_explained(reason: Reason) -> None:
    assert f"`{reason.value}`" in page("troubleshooting")


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_extra_is_in_the_table(extra: str) -> None:
    assert f"\n| `{extra}` |" in page("connection")


def test_the_simulator_is_documented_whole() -> None:
    text = page("simulator")
    options = subprocess.run(
        [sys.executable, "-m", "veo_provider.simulator", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    words = [f"| `{option}` |" for option in set(re.findall(r"^ +(--[\w-]+)", options, re.M))]
    words += [f"| `{dialect}` |" for dialect in DIALECTS]
    words += [f"`{name}`" for name in (*faults.KINDS, *ERRORS, *FAILURES)]
    assert len(words) > 80
    assert not [word for word in words if word not in text]
    assert not [name for name in scenario.DIRECTIVES if not re.search(rf"`sim:{name}[`=]", text)]


def _cited() -> list[str]:
    texts = "".join(path.read_text() for path in [README, *PAGES])
    return sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", texts)))


@pytest.mark.parametrize("citation", _cited())
def test_every_cited_test_exists(citation: str) -> None:
    path, _, name = citation.partition("::")
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, functions)}
    assert not name or name in names


def test_the_readme_shows_an_example_and_the_reading_order() -> None:
    text = README.read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    example = (ROOT / "example_dags" / "veo_quickstart.py").read_text()
    assert textwrap.dedent(code[1]).strip() in example
    assert package_doc is not None
    flow = textwrap.dedent(package_doc.split("::\n\n")[1].split("\n\n")[0]).strip()
    assert flow in text


@pytest.mark.parametrize("path", [README, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_from_the_repository_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", [README, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_of_one_machine_or_of_a_key(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"/(?:work|home|root|Users)/", text)
    assert not re.search(r"\bsk-(?!simulator|refused|exhausted|no-quota|token-quota|forbidden|\.\.\.)\w", text)


@pytest.mark.parametrize("example", sorted((ROOT / "example_dags").glob("veo_*.py")), ids=lambda path: path.stem)
def test_all_tasks_of_an_example_have_retries(example: Path) -> None:
    """What Airflow or a network loses costs a try; the task that stores needs one as well as the one that pays."""
    text = example.read_text()
    assert re.search(r'default_args=\{"retries": [1-9]', text)
    # Only who asks a person has none: nobody is asked twice.
    assert text.count("retries=0") == text.count("ApprovalOperator(")
