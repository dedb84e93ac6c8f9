# SPDX-License-Identifier: Apache-2.0
"""
Which addresses a result's link may lead to, and the HTTP adapter that connects to no other.

A link comes from outside: it must not make a worker talk to the network around it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, NoReturn, Self
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.connection import HTTPConnection
from urllib3.util.connection import create_connection

from veo_provider.api.echoes import text_without_key
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.result import ResultProblem
from veo_provider.api.text import printable
from veo_provider.hooks.connection import VeoConnection
from veo_provider.hooks.time_limit import WatchedAdapter

_PORTS = {"http": 80, "https": 443}
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Public by their number, but a cloud answers its own machines there: Azure; Oracle, and whatever else IANA keeps.
_OF_CLOUDS = tuple(map(ipaddress.ip_network, ("168.63.129.16/32", "192.0.0.0/24")))
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "airflow-provider-veo"}


class Origin(NamedTuple):
    """Where a URL leads."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True)
class LinkRules:
    """
    What a connection says of the links that it may meet.

    :param base_url: the gateway's address; only its origin ever gets the key.
    :param api_key: the key.
    :param allowed_hosts: further hosts, as ``host`` or ``host:port``, whose links may be http or private.
    :param connect_timeout: seconds to wait for a connection.
    :param read_timeout: seconds without a byte before a download counts as broken off.
    :param verify: whether to check certificates, or the file with those to trust.
    :param proxy_for: returns the proxy for a URL, if there is one.
    """

    base_url: str
    api_key: str = field(repr=False)
    allowed_hosts: frozenset[str]
    connect_timeout: float
    read_timeout: float
    verify: str | bool
    proxy_for: Callable[[str], str | None] = field(repr=False)

    @classmethod
    def of(cls, connection: VeoConnection) -> Self:
        """Return the rules of a connection."""
        return cls(
            base_url=connection.base_url,
            api_key=connection.api_key,
            allowed_hosts=connection.allowed_result_hosts,
            connect_timeout=connection.connect_timeout,
            read_timeout=connection.read_timeout,
            verify=connection.verify,
            proxy_for=connection.proxy_for,
        )

    @cached_property
    def home(self) -> Origin:
        """The gateway's own origin."""
        return origin(requests.Request("GET", self.base_url).prepare())

    def trusts(self, host: str, port: int) -> bool:
        """Tell whether a host may be private and spoken to over http: it is the gateway, or it is listed."""
        names = {host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}"}
        return (host, port) == self.home[1:] or not self.allowed_hosts.isdisjoint(names)


def origin(request: requests.PreparedRequest) -> Origin:
    """Return where a request goes; its URL has been normalised by ``requests``, which will connect there."""
    parts = urlsplit(str(request.url))
    return Origin(parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS[parts.scheme])


def link_request(url: str, rules: LinkRules, base: str = "") -> requests.PreparedRequest:
    """
    Make the request of a link, without the key.

    :param url: the link, or a redirect's target.
    :param rules: the connection's.
    :param base: what redirected there.
    :raises ResultProblem: the rules refuse it.
    """
    try:
        url = urljoin(base, url)
        if urlsplit(url).scheme not in _PORTS:
            raise ValueError("it is neither https nor http")
        request = requests.Request("GET", url, _HEADERS).prepare()
        if "@" in urlsplit(str(request.url)).netloc:
            raise ValueError("it holds a user name")
        scheme, host, port = origin(request)
    except ValueError as error:  # Those of requests, too.
        why = printable(text_without_key(str(error), rules.api_key), 200)
        raise ResultProblem(Problem(Reason.UNSAFE_LINK, f"The result's link can't be used: {why}")) from None
    if scheme == "http" and not rules.trusts(host, port):
        _refuse("it is http", host)
    return request


def is_public(address: str) -> bool:
    """
    Tell whether an IP address, and any IPv4 address inside it, belongs to the public internet, and isn't a cloud's own.

    :param address: as a socket calls it.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _GLOBAL_V6:
            return False
    elif any(ip in network for network in _OF_CLOUDS):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


class LinkAdapter(WatchedAdapter):
    """
    Connects to public addresses only, save for the hosts that the rules trust.

    Behind a proxy it is the proxy that connects. Then the addresses that a name has *here* are checked, and a
    name that can't be resolved here is refused: what the proxy will find under it is its own affair.

    :param rules: the connection's.
    """

    def __init__(self, rules: LinkRules) -> None:
        super().__init__()
        self._rules = rules

    def make_socket(self, connection: HTTPConnection, make: Callable[[], socket.socket]) -> socket.socket:
        """Connect to a public address, to a proxy, or to a host that the rules trust."""
        if connection.proxy or self._rules.trusts(connection.host.lower(), connection.port or 0):
            return make()
        return _connect_publicly(connection)

    def fetch(self, request: requests.PreparedRequest) -> requests.Response:
        """
        Send a request made by :func:`link_request`.

        There is no session around it: that would read ``.netrc``, keep cookies and follow redirects.
        """
        rules, (scheme, host, port) = self._rules, origin(request)
        proxy = rules.proxy_for(str(request.url))
        if proxy and not rules.trusts(host, port):
            try:
                _public_addresses(host, port)
            except (OSError, UnicodeError):
                _refuse("its address can't be checked here before the proxy is asked", host)
        return self.send(
            request,
            stream=True,
            timeout=(rules.connect_timeout, rules.read_timeout),
            verify=rules.verify,
            proxies={scheme: proxy} if proxy else {},
        )


def _connect_publicly(connection: HTTPConnection) -> socket.socket:
    failure = OSError("the name has no address")
    for address in _public_addresses(connection.host, connection.port):
        try:
            # To the address that was checked: another lookup could find another one.
            made = create_connection(
                (address, connection.port),
                connection.timeout,
                source_address=connection.source_address,
                socket_options=connection.socket_options,
            )
        except OSError as error:
            failure = error
            continue
        try:
            _check(connection.host, made.getpeername()[0])
        except BaseException:
            made.close()
            raise
        return made
    raise failure


def _public_addresses(host: str, port: int) -> list[str]:
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        _check(host, address)
    return found


def _check(host: str, address: str) -> None:
    if not is_public(address):
        _refuse(f"it leads to {address}, which isn't a public address", host)


def _refuse(why: str, host: str) -> NoReturn:
    raise ResultProblem(
        Problem(
            Reason.UNSAFE_LINK,
            f"The result's link to {host} is refused: {why}. If the host is to be trusted, name it in the "
            "connection's allowed_result_hosts",
        )
    )
