# SPDX-License-Identifier: Apache-2.0
"""Who gets the key, and where a redirect may lead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.hooks.links.server import (
    KEY,
    VIDEO,
    Caller,
    Server,
    redirect,
    whole,
)
from veo_provider.exceptions import (
    VeoProtocolError,
    VeoUnsafeLinkError,
)
from veo_provider.hooks import links


def test_the_key_goes_to_the_gateway_only(home: Caller, gateway: Server, store: Server) -> None:
    allowed = {"allowed_hosts": frozenset({"127.0.0.1"})}
    assert home.read(gateway.url(), **allowed) == VIDEO
    gateway.scripts = [redirect(store.url())]
    assert home.read(gateway.url(), **allowed) == VIDEO
    assert home.read(store.url(), **allowed) == VIDEO
    assert gateway.headers("authorization") == [f"Bearer {KEY}"] * 2
    assert store.headers("authorization") == [None, None]


def test_the_key_does_not_come_back_from_elsewhere(home: Caller, gateway: Server, store: Server) -> None:
    store.scripts = [redirect(gateway.url("/v1/other"))]
    gateway.scripts = [redirect(store.url()), whole()]
    assert home.read(gateway.url("/v1/first"), allowed_hosts=frozenset({"127.0.0.1"})) == VIDEO
    assert gateway.headers("authorization") == [f"Bearer {KEY}", None]


def test_the_key_stays_through_redirects_at_home(home: Caller, gateway: Server) -> None:
    gateway.scripts = [redirect("/other", 307), whole()]
    assert home.read(gateway.url()) == VIDEO
    assert gateway.headers("authorization") == [f"Bearer {KEY}"] * 2
    assert gateway.seen[1][0] == "/other"


def test_another_port_is_not_the_gateway(home: Caller, store: Server) -> None:
    assert isinstance(home.error(store.url()), VeoUnsafeLinkError)
    assert not store.seen


def test_redirects_have_an_end(home: Caller, gateway: Server) -> None:
    gateway.scripts = [redirect("/again?X-Sig=secret")]
    assert isinstance(home.error(gateway.url()), VeoProtocolError)
    assert len(gateway.seen) == links.MAX_REDIRECTS + 1
    gateway.scripts = [whole(302, {}, b"")]
    assert "nowhere" in str(home.error(gateway.url()))


def test_the_environment_is_not_asked(
    home: Caller, guest: Caller, gateway: Server, store: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login mallory password mallory\ndefault login a password b\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert home.read(gateway.url()) == guest.read(store.url()) == VIDEO
    assert gateway.headers("authorization") == [f"Bearer {KEY}"]
    assert store.headers("authorization") == [None]
