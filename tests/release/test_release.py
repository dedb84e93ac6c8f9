# SPDX-License-Identifier: Apache-2.0
"""What is published: the packages' contents, an environment with nothing but the wheel, and its bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

import veo_provider
from tests.support.processes import ROOT, clean_environment

MEGABYTE = 1_000_000
_OUT: dict[str, Any] = {"capture_output": True, "text": True, "check": True}
IMPORT_ALL = """
import importlib, pkgutil, veo_provider
from veo_provider.compat import PAGE
names = [m.name for m in pkgutil.walk_packages(veo_provider.__path__, "veo_provider.")]
names = [name for name in names if PAGE or not name.startswith("veo_provider.ui.")]
[importlib.import_module(name) for name in names if not name.endswith("__main__")]
print(len(names))
"""
NAME = f"airflow_provider_veo-{veo_provider.__version__}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `.ci/release` has put the packages (``dist``) and the environment made of the wheel (``installed``)."""
    folder = tmp_path_factory.mktemp("release")
    done = subprocess.run(["bash", ROOT / ".ci" / "release", folder / "dist"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(folder: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(folder / "dist" / f"{NAME}-py3-none-any.whl")


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return BytesParser().parsebytes(wheel.read(f"{NAME}.dist-info/METADATA"))


def run(folder: Path, *command: str, **environment: str) -> str:
    """Run a program of the environment that holds nothing but the wheel, far from the sources."""
    env = clean_environment({"AIRFLOW_HOME": str(folder / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"})
    path = folder / "installed" / "bin" / command[0]
    done = subprocess.run(
        [path, *command[1:]], cwd=folder, env=env | environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_and_nothing_else(folder: Path, wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    tracked = subprocess.run(["git", "ls-files", "veo_provider"], cwd=ROOT, **_OUT)
    of_package = {name for name in names if name.startswith("veo_provider/")}
    assert of_package == set(tracked.stdout.split())
    info = f"{NAME}.dist-info"
    assert set(names) - of_package == {
        *(f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")),
        f"{info}/licenses/LICENSE",
        f"{info}/licenses/NOTICE",
    }
    assert "veo_provider/py.typed" in names
    assert (folder / "dist" / f"{NAME}-py3-none-any.whl").stat().st_size < MEGABYTE


def test_the_source_package_can_be_tested(folder: Path) -> None:
    with tarfile.open(folder / "dist" / f"{NAME}.tar.gz") as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "Makefile", ".ci/setup", "tests/conftest.py"} <= names
    assert not [name for name in names if name.endswith((".mp4", ".pyc", ".log"))]


def test_the_metadata(metadata: Message, wheel: zipfile.ZipFile) -> None:
    assert metadata["Name"] == "airflow-provider-veo"
    assert metadata["Version"] == veo_provider.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Framework :: Apache Airflow :: Provider" in metadata.get_all("Classifier", [])
    assert "apache_airflow_provider" in wheel.read(f"{NAME}.dist-info/entry_points.txt").decode()


def test_the_version_is_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "veo_provider/__init__.py"
    # A release's own section is the changelog's first.
    first = re.search(r"^## (\S+)", (ROOT / "docs" / "changelog.md").read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == veo_provider.__version__


def test_airflow_finds_the_provider(folder: Path) -> None:
    providers = json.loads(run(folder, "airflow", "providers", "list", "--output", "json"))
    assert [one["version"] for one in providers if one["package_name"] == "airflow-provider-veo"] == [
        veo_provider.__version__
    ]


def test_every_module_imports_without_the_extras(folder: Path) -> None:
    assert int(run(folder, "python", "-c", IMPORT_ALL).split()[-1]) > 50


def test_the_oldest_versions_that_are_named_are_new_enough(folder: Path) -> None:
    uv, low = str(ROOT / ".tools" / "bin" / "uv"), folder / "oldest"
    # The oldest Airflow runs with what its own list says of all that we don't name.
    lines = (ROOT / ".ci" / "constraints" / "airflow-2.11.txt").read_text().splitlines()
    ours = ("apache-airflow-providers-amazon", "requests", "aiohttp")
    pinned = folder / "oldest.txt"
    pinned.write_text("\n".join(line for line in lines if line.partition("==")[0] not in ours))
    oldest = ["--resolution", "lowest-direct", "--constraints", str(pinned)]
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, low], check=True)
    wheel = next((folder / "dist").glob("*.whl"))
    subprocess.run([uv, "pip", "install", "-q", "--python", low, *oldest, str(wheel)], check=True)
    code = IMPORT_ALL + (
        "from airflow.providers.amazon.aws.hooks.s3 import S3Hook\n"
        "S3Hook(aws_conn_id=None, transfer_config_args={'use_threads': False}).get_conn()"
    )
    env = clean_environment({"AIRFLOW_HOME": str(folder / "home-of-oldest")})
    done = subprocess.run([low / "bin" / "python", "-c", code], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_bill_of_materials(folder: Path, metadata: Message) -> None:
    bill: dict[str, Any] = json.loads((folder / "dist" / f"{NAME}.cdx.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", veo_provider.__version__)
    named = {part["name"].lower() for part in bill["components"]}
    wanted = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {re.split(r"[^\w.-]", line)[0].lower() for line in wanted} <= named
    assert all(part["version"] for part in bill["components"])
    assert str(folder) not in json.dumps(bill)


def test_the_simulator_runs(folder: Path) -> None:
    python = folder / "installed" / "bin" / "python"
    without = subprocess.run([python, "-m", "veo_provider.simulator"], cwd=folder, capture_output=True, text=True)
    assert "pip install 'airflow-provider-veo[simulator]'" in without.stderr
    # The last of these tests: from here on the environment has more than the wheel asks for.
    extra = f"{next((folder / 'dist').glob('*.whl'))}[simulator]"
    constraints = ROOT / ".ci" / "constraints" / "airflow-3.3.txt"
    uv = [str(ROOT / ".tools" / "bin" / "uv"), "pip", "install", "-q", "--python", str(python)]
    subprocess.run([*uv, "--constraints", str(constraints), extra], check=True)
    command = [str(python), "-m", "veo_provider.simulator", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=clean_environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            where = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert where is not None
            request = urllib.request.Request(f"{where[0]}/v1/models", headers={"Authorization": "Bearer sk-simulator"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert "veo-3.1-generate-preview" in answer.read().decode()
        finally:
            process.terminate()
