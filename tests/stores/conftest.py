# SPDX-License-Identifier: Apache-2.0
"""A bucket on each emulated store, and a simulated gateway, both behind Airflow connections."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.stores.emulators import Store

# The providers of these stores are in an environment of their own: see .ci/stores.
if importlib.util.find_spec("gcsfs"):
    # Before anything imports gcsfs: it would ask Google what kind of a bucket each one is, and who this machine is.
    os.environ |= {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false", "NO_GCE_CHECK": "true"}
    from tests.integration.transfers.conftest import generate, running, simulator

    __all__ = ["generate", "running", "simulator"]
else:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def gs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    from tests.stores.emulators import Gcs

    with Gcs(tmp_path_factory.mktemp("gcs")) as server:
        yield server


@pytest.fixture(scope="session")
def abfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    from tests.stores.emulators import Azure

    if not os.path.exists(os.environ.get("VEO_AZURITE", "")):
        pytest.skip("azurite isn't installed: bash .ci/stores says why")
    with Azure(tmp_path_factory.mktemp("azure")) as server:
        yield server


@pytest.fixture(params=["gs", "abfs"])
def there(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store behind the connection ``cloud``."""
    from airflow.sdk.io import store as stores

    from tests.stores.emulators import as_variable

    found: Store = request.getfixturevalue(request.param)
    monkeypatch.setenv("AIRFLOW_CONN_CLOUD", as_variable(found.connection()))
    # Airflow keeps a file system per connection id, and would go on talking to the other server.
    monkeypatch.setattr(stores, "_STORE_CACHE", {})
    for name in found.names():
        found.delete(name)
    return found


@pytest.fixture
def root(there: Store) -> str:
    """The bucket's URI with its connection."""
    return f"{there.scheme}://cloud@films"
