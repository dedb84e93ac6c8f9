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
    "airflow": "apache-airflow",
    "fastapi": "apache-airflow",
    "flask_appbuilder": "apache-airflow",
    "jinja2": "apache-airflow",
    "sqlalchemy": "apache-airflow",
    "starlette": "apache-airflow",
    "wtforms": "apache-airflow",
    "boto3": "apache-airflow-providers-amazon",
    "botocore": "apache-airflow-providers-amazon",
}
NOT_INSTALLED = {"veo_provider", "_typeshed"}


def test_each_import_is_of_a_declared_distribution() -> None:
    declared = {_name(line) for line in PYPROJECT["dependencies"]}
    extras = {_name(line) for lines in PYPROJECT["optional-dependencies"].values() for line in lines}
    found = {module for path in (ROOT / "veo_provider").rglob("*.py") for module in _imported(path)}
    needed = {BROUGHT.get(module, module) for module in found - sys.stdlib_module_names - NOT_INSTALLED}
    assert "aiohttp" in needed
    assert needed - declared - extras == set()
    # And nothing is declared that nobody imports.
    assert declared - needed == {"apache-airflow-providers-common-compat"}


def _imported(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.split(".")[0])
    return modules


def _name(requirement: str) -> str:
    matched = re.match(r"[\w.-]+", requirement)
    assert matched
    return matched[0]
