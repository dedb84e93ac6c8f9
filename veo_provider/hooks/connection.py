# SPDX-License-Identifier: Apache-2.0
"""What the hooks need of an Airflow connection of type ``veo``, checked."""

from __future__ import annotations

import ipaddress
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Self
from urllib.parse import SplitResult, urlsplit

from veo_provider.api.answer_reader import MAX_SECONDS
from veo_provider.api.prices import Prices, read_prices
from veo_provider.exceptions import VeoConfigurationError
from veo_provider.hooks.extras import hosts, seconds, text, whole_number

DEFAULT_BASE_URL = "https://console.mixroute.io"
LAST_FRAME_FIELDS = ("lastFrameImage", "lastFrame")
EXTRAS = (
    "connect_timeout",
    "read_timeout",
    "proxy",
    "ca_bundle",
    "allowed_result_hosts",
    "last_frame_field",
    "prices",
    "max_concurrent_polls",
)
_PROXY = (
    "like http://host:3128 or http://user:password@host:3128, of scheme http or https and without a path, a query "
    "or a fragment; percent-encode special characters of the password"
)


@dataclass(frozen=True)
class VeoConnection:
    """
    A checked connection.

    :param conn_id: its id.
    :param base_url: the gateway's address, without a slash at its end (field "Base URL").
    :param api_key: the API key (field "API key"); empty if there is none.
    :param connect_timeout: seconds to wait for a connection (extra, default 10).
    :param read_timeout: seconds without a byte before a request fails (extra, default 60).
    :param proxy: URL of a proxy (extra); default: the environment's ``HTTPS_PROXY`` and ``NO_PROXY``.
    :param ca_bundle: path of a PEM file with the certificates to trust (extra).
    :param allowed_result_hosts: host names whose result links may be http or private (extra; a list, or
        text with commas).
    :param last_frame_field: wire name of the last frame (extra): ``lastFrameImage`` or ``lastFrame``.
    :param prices: US dollars per second of video by model (extra; a JSON object or its text).
    :param max_concurrent_polls: how many polls one triggerer has on their way at a time (extra, default 64).
    """

    conn_id: str
    base_url: str
    api_key: str = field(repr=False)
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None
    allowed_result_hosts: frozenset[str] = frozenset()
    last_frame_field: str = "lastFrameImage"
    prices: Prices = field(default_factory=Prices)
    max_concurrent_polls: int = 64

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: the key would be in what is written."""
        raise TypeError("a VeoConnection holds the API key: look it up again where it is needed")

    def __copy__(self) -> Self:
        """Return itself: nothing of it changes."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: nothing of it changes."""
        return self

    @property
    def verify(self) -> str | bool:
        """What ``requests`` calls ``verify``."""
        return self.ca_bundle or True

    @property
    def call_timeout(self) -> float:
        """Seconds that one call may take in all, from looking the host up to the answer's last byte."""
        return max(MAX_SECONDS, self.connect_timeout + self.read_timeout)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and probably not meant."""
        parts = urlsplit(self.base_url)
        if parts.scheme == "https" or _is_loopback(parts.hostname or ""):
            return ()
        words = "is plain http, so the API key and the prompts go over the network in clear text; give an https one"
        return (f"Connection {self.conn_id!r}: the base URL {self.base_url} {words}",)

    def proxy_for(self, url: str) -> str | None:
        """
        Return the proxy for a URL.

        :param url: what is to be fetched.
        :raises VeoConfigurationError: the environment's proxy is not one that both HTTP libraries take.

        The environment is read here and not by the HTTP libraries: what makes them read it also makes them
        replace our credentials by those in a ``.netrc`` file.
        """
        if self.proxy:
            return self.proxy
        parts = urlsplit(url)
        if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
            return None
        proxies = urllib.request.getproxies()
        name = parts.scheme if proxies.get(parts.scheme) else "all"
        proxy = (proxies.get(name) or "").strip()
        if not proxy:
            return None
        # Other programs take host:port too.
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        if not _is_proxy(proxy):
            raise VeoConfigurationError(
                f"The environment's proxy ({name.upper()}_PROXY, in upper or lower case) must be {_PROXY}. It is not "
                "shown here, because it may hold a password"
            )
        return proxy


def read_connection(
    conn_id: str,
    *,
    host: str | None,
    schema: str | None = None,
    port: int | None = None,
    password: str | None = None,
    extra: Any = None,
) -> VeoConnection:
    """
    Check the fields of an Airflow connection.

    :param extra: its extras, which may be any JSON.
    :raises VeoConfigurationError: naming everything that is wrong.
    """
    problems: list[str] = []
    if not isinstance(extra, (Mapping, type(None))):
        problems.append("the extras must be a JSON object of names and values")
        extra = None
    extra = {name: value for name, value in (extra or {}).items() if value not in (None, "")}
    unknown = sorted(set(extra) - set(EXTRAS))
    if unknown:
        problems.append(f"unknown extras {', '.join(unknown)}; known are {', '.join(EXTRAS)}")
    last_frame_field = extra.get("last_frame_field", LAST_FRAME_FIELDS[0])
    if last_frame_field not in LAST_FRAME_FIELDS:
        problems.append(f"extra last_frame_field must be one of {', '.join(LAST_FRAME_FIELDS)}")
    ca_bundle = text(extra, "ca_bundle", problems)
    if ca_bundle and (wrong := _wrong_bundle(ca_bundle)):
        problems.append(f"extra ca_bundle: {wrong}")
    prices, wrong_prices = read_prices(extra.get("prices"))
    problems += [f"extra prices: {problem}" for problem in wrong_prices]
    key = (password or "").strip()
    if not key.isprintable() or not key.isascii() or " " in key:
        problems.append("the API key (password) holds spaces or characters that no key has")
    connection = VeoConnection(
        conn_id=conn_id,
        base_url=_base_url(host, schema, port, problems),
        api_key=key,
        connect_timeout=seconds(extra, "connect_timeout", 10.0, problems),
        read_timeout=seconds(extra, "read_timeout", 60.0, problems),
        proxy=_proxy(extra, problems),
        ca_bundle=ca_bundle,
        allowed_result_hosts=hosts(extra.get("allowed_result_hosts"), problems),
        last_frame_field=str(last_frame_field),
        prices=prices,
        max_concurrent_polls=whole_number(extra, "max_concurrent_polls", 64, problems),
    )
    if problems:
        raise VeoConfigurationError(f"Connection {conn_id!r} is wrong: " + "; ".join(problems))
    return connection


def _base_url(host: str | None, schema: str | None, port: int | None, problems: list[str]) -> str:
    url = (host or "").strip().rstrip("/") or DEFAULT_BASE_URL
    if schema and schema not in ("http", "https"):
        # Airflow reads the path of a connection given as a URI as its schema.
        problems.append(f"the schema {schema!r} is neither http nor https; give a base URL with a path as JSON")
    elif "://" not in url:
        url = f"{schema or 'https'}://{url}"
    try:
        parts = urlsplit(url)
        # Reading a port that is none raises.
        if not parts.port and port:
            url = f"{parts.scheme}://{parts.netloc}:{port}{parts.path}"
            parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        fine = fine and url.isprintable() and " " not in url and _can_be_reached(parts)
        if parts.username or parts.password:
            problems.append(
                "the base URL (host) must not hold a user or password; the key goes into the password field"
            )
    except ValueError:
        fine = False
    if not fine:
        problems.append(f"the base URL (host) must be like {DEFAULT_BASE_URL}")
    return url


def _wrong_bundle(path: str) -> str | None:
    if not os.path.isfile(path):
        return f"there is no file {path}"
    # Not loaded: a triggerer would do that in its event loop, every time it looks the connection up.
    try:
        with open(path, "rb") as file:
            return None if b"-----BEGIN " in file.read() else f"{path} holds no certificates in PEM form"
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"


def _proxy(extra: Mapping[str, Any], problems: list[str]) -> str | None:
    proxy = (text(extra, "proxy", problems) or "").strip()
    if proxy and not _is_proxy(proxy):
        problems.append(f"extra proxy must be {_PROXY}")
    return proxy or None


def _is_proxy(url: str) -> bool:
    """Whether both HTTP libraries take a URL as a proxy, and would leave nothing of it out."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and " " not in url
            and _can_be_reached(parts)
            and parts.path in ("", "/")
            and url.isprintable()
            and not {"?", "#"}.intersection(url)
        )
    except ValueError:
        return False


def _can_be_reached(parts: SplitResult) -> bool:
    """Whether any machine may have such a name and port; what no machine can have would be tried until the timeout."""
    host = parts.hostname or ""
    # Raises a ValueError where a label is empty or too long. It is older than many names outside of ASCII.
    return parts.port != 0 and bool(host.encode("idna") if host.isascii() else host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
