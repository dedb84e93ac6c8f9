# SPDX-License-Identifier: Apache-2.0
"""Who may import whom, how large a file may be, and what a package's modules must have."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import veo_provider

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "veo_provider"
MAX_LINES = 300

# Layer by layer, what each may import of ours. Nothing imports a layer that comes after it in the data's way.
LAYERS: dict[str, set[str]] = {
    "api": {"api"},
    "exceptions": {"api"},
    "raising": {"api", "exceptions"},
    "get_provider_info": set(),
    "compat": set(),
    "request": set(),
    "local_files": set(),
    "hooks": {"hooks", "api", "exceptions", "raising", "get_provider_info"},
    "triggers": {"triggers", "hooks", "api", "exceptions", "raising"},
    "ledger": {"ledger", "local_files", "api", "compat"},
    "operators": {"request", "operators", "ledger", "triggers", "hooks", "api", "exceptions", "raising", "compat"},
    "decorators": {"operators", "request", "exceptions"},
    "sensors": {"operators", "triggers", "hooks", "api", "exceptions", "raising", "compat"},
    "transfers": {"transfers", "local_files", "operators", "hooks", "api", "exceptions", "raising", "compat"},
    "simulator": {"simulator"},
    "ui": {"ui", "transfers", "operators", "api", "compat"},
    "plugin": {"ui", "compat"},
}
# What a layer must not import of others.
FORBIDDEN: dict[str, set[str]] = {
    "api": {"airflow", "requests", "aiohttp", "urllib3", "socket", "boto3", "time", "random"},
    "simulator": {"airflow", "requests"},
    "triggers": {"requests", "boto3", "urllib3"},
    "ledger": {"requests", "aiohttp", "boto3", "urllib3"},
    "operators": {"requests", "aiohttp", "boto3"},
    "sensors": {"requests", "aiohttp", "boto3"},
    "ui": {"requests", "aiohttp", "boto3"},
}


def _modules() -> Iterator[Path]:
    yield from sorted(PACKAGE.rglob("*.py"))


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the layer"
            yield node.module or ""


@pytest.mark.parametrize("path", list(_modules()), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_import_direction(path: Path) -> None:
    layer = _layer(path)
    if layer == "__init__":
        assert not list(_imports(path))
        return
    for name in _imports(path):
        top, *rest = name.split(".")
        if top == "veo_provider":
            assert rest, f"{path.name} imports the whole package"
            assert rest[0] in LAYERS[layer], f"{layer} must not import {name}"
        assert top not in FORBIDDEN.get(layer, set()), f"{layer} must not import {name}"


@pytest.mark.parametrize("path", list(_modules()), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_one_module_asks_for_airflows_version(path: Path) -> None:
    words = r"airflow(\.| import )__version__|version_compat|AIRFLOW_V_|\bAIRFLOW\b|packaging"
    assert bool(re.search(words, path.read_text())) == (path.name == "compat.py"), (
        "say in compat.py what a version lacks, and ask for that"
    )


def test_the_reading_order_has_every_module_once() -> None:
    blocks = re.findall(r"^    .*$", (veo_provider.__doc__ or "").partition("in this list once")[2], flags=re.MULTILINE)
    named = [word for line in blocks for word in re.split(r"\s{2,}", line.strip())[0].split(", ")]
    modules = [path.relative_to(PACKAGE).with_suffix("") for path in _modules() if path.stem != "__init__"]
    assert sorted(named) == sorted(str(one) for one in modules if one.parts[0] != "simulator")


def test_every_layer_is_listed() -> None:
    found = {_layer(path) for path in _modules()} - {"__init__"}
    assert found == set(LAYERS)


def test_importing_the_api_brings_nothing_of_airflow() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((PACKAGE / "api").glob("*.py"))
        if path.stem != "__init__"
    ]
    code = f"import sys, {', '.join(modules)}\nprint({{'airflow', 'requests', 'aiohttp'}}.intersection(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "path",
    [*_modules(), *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "example_dags").rglob("*.py"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_files_are_small_and_say_their_licence(path: Path) -> None:
    lines = path.read_text().splitlines()
    limit = MAX_LINES if PACKAGE in path.parents else 500 if path.name == "table.py" else 400
    assert len(lines) <= limit, f"{len(lines)} lines: split it by reasons to change"
    assert lines[:1] == ["# SPDX-License-Identifier: Apache-2.0"]


def test_the_top_level_holds_nothing_else() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout.split()
    top = {name.split("/")[0] for name in listed}
    allowed = {
        "pyproject.toml",
        "README.md",
        "Makefile",
        "LICENSE",
        "NOTICE",
        "veo_provider",
        "example_dags",
        "tests",
        "docs",
    }
    assert {name for name in top if not name.startswith(".")} <= allowed


def test_the_first_versions_that_are_allowed_are_the_ones_that_are_run() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / ".ci/constraints/airflow-lowest.txt").read_text().splitlines()
    allowed = [*project["dependencies"], *project["optional-dependencies"]["media"]]
    for name, _, version in (one.partition(">=") for one in allowed if not one.startswith("apache-airflow>")):
        pinned = [line for line in lock if re.match(rf"{name}(\[.*\])?==", line)]
        assert len(pinned) == 1
        assert re.fullmatch(rf".*=={re.escape(version)}(\.0)*", pinned[0]), "run: bash .ci/versions lock lowest"
