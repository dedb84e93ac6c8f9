# SPDX-License-Identifier: Apache-2.0
"""What the package imports is declared: what another distribution happens to bring may be gone tomorrow."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Part of what the declared one offers to those that build on it.
BROUGHT = {
    "fastapi": "apache-airflow",
    "flask_appbuilder": "apache-airflow",
    "jinja2": "apache-airflow",
    "sqlalchemy": "apache-airflow",
    "starlette": "apache-airflow",
    "wtforms": "apache-airflow",
    "boto3": "apache-airflow-providers-amazon",
    "botocore": "apache-airflow-providers-amazon",
}
# OpenLineage's classes are imported when OpenLineage itself asks.
NOT_NEEDED = {"veo_provider", "_typeshed", "apache-airflow-providers-openlineage"}


def test_each_import_is_of_a_declared_distribution() -> None:
    declared = {_name(line) for line in PYPROJECT["dependencies"]}
    extras = {_name(line) for lines in PYPROJECT["optional-dependencies"].values() for line in lines}
    modules = {module for path in (ROOT / "veo_provider").rglob("*.py") for module in _imported(path)}
    found = set(map(_distribution, modules))
    needed = {BROUGHT.get(name, name) for name in found - sys.stdlib_module_names - NOT_NEEDED}
    assert "aiohttp" in needed
    assert needed - declared - extras == set()
    # And nothing is declared that nobody imports.
    assert declared - needed == set()


def _imported(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
    return modules


def _distribution(module: str) -> str:
    """Return the distribution of a module of Airflow, or the name at the top of another one."""
    if found := re.match(r"airflow\.providers\.(common\.\w+|\w+)", module):
        return f"apache-airflow-providers-{found[1].replace('.', '-')}"
    top = module.partition(".")[0]
    return "apache-airflow" if top == "airflow" else top


def _name(requirement: str) -> str:
    matched = re.match(r"[\w.-]+", requirement)
    assert matched
    return matched[0]
