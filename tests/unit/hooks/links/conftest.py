# SPDX-License-Identifier: Apache-2.0
"""Scripted servers on the loopback address; nothing else is ever connected to."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.hooks.links.server import Caller, Server
from veo_provider.hooks import link_rules, links


@pytest.fixture(autouse=True)
def _no_pauses_and_only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        assert ipaddress.ip_address(address[0]).is_loopback
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)
    monkeypatch.setattr(links, "PAUSE", 0.0)


def _serve() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def gateway() -> Iterator[Server]:
    yield from _serve()


@pytest.fixture
def store() -> Iterator[Server]:
    yield from _serve()


@pytest.fixture
def home(gateway: Server) -> Caller:
    """A connection whose links are the gateway's own."""
    return Caller(f"http://{gateway.place}/prefix")


@pytest.fixture
def guest(store: Server) -> Caller:
    """A connection that allows the store, which is elsewhere."""
    return Caller(changes={"allowed_hosts": frozenset({store.place})})


@pytest.fixture
def tls(store: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store speaks TLS as ``store.example``, a name with a public address; returns the file to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("store.example")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    trusted = tmp_path / "cert.pem"
    trusted.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = tmp_path / "key.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    store.socket = context.wrap_socket(store.socket, server_side=True)

    def connect(address: tuple[str, int], *args: Any, **kw: Any) -> socket.socket:
        assert address[0] == "8.8.8.8"  # what was checked, and not the name once more
        made = socket.socket()
        made.connect(("127.0.0.1", store.server_port))
        return made

    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kw: [(2, 1, 6, "", ("8.8.8.8", 443))])
    monkeypatch.setattr(link_rules, "create_connection", connect)
    return trusted
