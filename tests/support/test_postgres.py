# SPDX-License-Identifier: Apache-2.0
"""The private PostgreSQL keeps what it was told, whether it is stopped in order or crashes."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest

from tests.support.postgres import Postgres


def write(server: Postgres, statement: str) -> None:
    with psycopg2.connect(server.url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def test_it_keeps_its_data_when_it_is_stopped_and_when_it_crashes(tmp_path: Path) -> None:
    with Postgres(tmp_path / "postgres.log") as server:
        write(server, "CREATE TABLE seen (what text)")
        server.stop()
        with pytest.raises(psycopg2.OperationalError):
            server.query("SELECT 1")
        server.start()
        write(server, "INSERT INTO seen VALUES ('stopped')")
        server.kill()
        server.start()
        assert server.query("SELECT what FROM seen WHERE what = %s", "stopped") == [("stopped",)]
    with pytest.raises(psycopg2.OperationalError):
        server.query("SELECT 1")
