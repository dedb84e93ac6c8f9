# SPDX-License-Identifier: Apache-2.0
"""Two S3 servers over HTTP: moto, which forgives, and SeaweedFS, which checks signatures."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.processes import ManagedProcess, clean_environment, free_port, program, wait_until

REGION = "us-east-1"


class S3Server:
    """A running S3 server: its endpoint, a boto3 client, and the connection for Airflow."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        port: int,
        credentials: tuple[str, str],
        folder: Path,
        env: dict[str, str] | None = None,
        leaves: Sequence[Path] = (),
    ) -> None:
        self._leaves = leaves
        self.url = f"http://127.0.0.1:{port}"
        self._credentials = credentials
        self._prepared: set[str] = set()
        self._process = ManagedProcess(
            name,
            command,
            log=folder / f"{name}.log",
            env=clean_environment(env),
            cwd=folder,
            # Nothing in it is kept, and SeaweedFS takes long over a tidy end.
            grace=0.5,
        )
        # What a test prepares with it may wait: once SeaweedFS left a part of an upload without an answer.
        self.client = self._client(attempts=5)
        try:
            wait_until(f"{name} to listen", lambda: self._listens(port), seconds=60)
        except BaseException:
            self.stop()
            raise

    def _client(self, attempts: int) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self._credentials[0],
            aws_secret_access_key=self._credentials[1],
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "total_max_attempts": attempts},
                connect_timeout=2,
                read_timeout=20,
                proxies={},
            ),
        )

    def _listens(self, port: int) -> bool:
        self._process.check()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def prepare(self, bucket: str) -> None:
        """Make the bucket if there is none, and wait until it takes an object."""
        if bucket in self._prepared:
            return
        # SeaweedFS listens before it can write, and sets a bucket's volumes aside at the first write to it.
        hasty = self._client(attempts=1)
        wait_until(f"an object in {bucket}", lambda: self._takes_object(bucket, hasty), seconds=120)
        self._prepared.add(bucket)

    def _takes_object(self, bucket: str, client: Any) -> bool:
        self._process.check()
        try:
            if bucket not in [known["Name"] for known in client.list_buckets()["Buckets"]]:
                client.create_bucket(Bucket=bucket)
            client.put_object(Bucket=bucket, Key="first", Body=bytes(100_000))
            client.delete_object(Bucket=bucket, Key="first")
        except (BotoCoreError, ClientError):
            # Whatever it says while it starts; wait_until has the limit, check() the crash.
            return False
        return True

    def own_credentials(self) -> dict[str, str]:
        """The environment of a process that may use it without a connection."""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION")
        return dict(zip(names, (*self._credentials, self.url, REGION), strict=True))

    def connection(self) -> str:
        """The value of an ``AIRFLOW_CONN_...`` variable that leads here."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": self._credentials[0],
                "password": self._credentials[1],
                "extra": {
                    "endpoint_url": self.url,
                    "region_name": REGION,
                    "config_kwargs": {
                        "signature_version": "s3v4",
                        "s3": {"addressing_style": "path"},
                    },
                },
            }
        )

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        listed = self.client.list_objects_v2(Bucket=bucket, Prefix=prefix)
        return sorted(entry["Key"] for entry in listed.get("Contents", ()))

    def read(self, bucket: str, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=bucket, Key=key)["Body"].read())

    def stop(self) -> None:
        self._process.stop()
        for path in self._leaves:
            path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def moto_server(folder: Path) -> S3Server:
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [program("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    return S3Server("moto", command, port=port, credentials=("moto", "moto"), folder=folder)


def seaweedfs_server(folder: Path) -> S3Server:
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    key_id, secret = "veo", "veosecret1"
    identity = {
        "name": "veo",
        "credentials": [{"accessKey": key_id, "secretKey": secret}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    kms = {"type": "local", "enableOnDemandCreate": True}
    settings = {
        "identities": [identity],
        "kms": {"default_provider": "local-dev", "providers": {"local-dev": kms}},
    }
    (folder / "s3.json").write_text(json.dumps(settings))
    # Each of them listens on port + 10000 as well, for gRPC.
    s3, master, volume, filer = (free_port(twin=10000) for _ in range(4))
    command = [
        program("weed"),
        "server",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3",
        f"-s3.port={s3}",
        # These two would listen on fixed ports.
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={folder / 's3.json'}",
        f"-master.port={master}",
        f"-volume.port={volume}",
        f"-filer.port={filer}",
        "-master.volumeSizeLimitMB=256",
        "-master.telemetry=false",
        # Each bucket takes seven; the default of eight is one bucket.
        "-volume.max=200",
    ]
    return S3Server(
        "seaweedfs",
        command,
        port=s3,
        credentials=(key_id, secret),
        folder=folder,
        env={"WEED_S3_SSE_KEY": "dev"},
        # It makes these sockets in /tmp whatever it is told, and removes them only if it may take its time.
        leaves=[
            Path("/tmp", f"seaweedfs-{part}-{number}.sock")
            for part, port in (("s3", s3), ("master", master), ("volume", volume), ("filer", filer))
            for part, number in ((part, port), (f"{part}-grpc", port), (f"{part}-grpc", port + 10000))
        ],
    )
