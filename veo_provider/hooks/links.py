# SPDX-License-Identifier: Apache-2.0
"""
Opens a result's link: which addresses may be asked, who gets the key, and how a broken-off download goes on.

A link comes from outside. It must not make the worker talk to its own network, nor carry the key away; so
redirects are followed here, by hand, and every address is checked before a connection to it is made.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import create_connection

from veo_provider.api.calls import Answer
from veo_provider.api.error_body import printable
from veo_provider.api.errors import retry_after
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.result import ResultProblem, VideoStream, bad_result, broken_off
from veo_provider.exceptions import error_for

MAX_REDIRECTS = 5
MAX_STALLS = 5
CHUNK = 64 * 1024
PAUSE = 0.2
LONGEST_PAUSE = 3.0

_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
_REDIRECTS = {301, 302, 303, 307, 308}
_GONE = {403, 404, 410}
_PORTS = {"http": 80, "https": 443}
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
log = logging.getLogger(__name__)


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

    def trusts(self, host: str, port: int) -> bool:
        """Tell whether a host may be private and spoken to over http: it is the gateway, or it is listed."""
        if (host, port) == _origin(self.base_url)[1:]:
            return True
        return not self.allowed_hosts.isdisjoint({host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}"})


def open_link(url: str, rules: LinkRules, *, max_bytes: int) -> VideoStream:
    """
    Open a link to a video as a stream. A download that breaks off goes on where the server allows it.

    Behind a proxy it is the proxy that connects: the addresses that the name has here are checked before it
    is asked, and a name that can't be resolved here is refused unless its host is allowed.

    :param url: the link.
    :param rules: the connection's.
    :param max_bytes: a larger video is refused.
    :raises VeoResultGoneError: there is nothing behind the link any more; the task may have a fresh one.
    :raises VeoUnsafeLinkError: the link, or a redirect from it, goes where results must not come from.
    :raises VeoError: anything else, here or while the stream is read.
    """
    download = _Download(url, rules)
    try:
        response = download.start()
    except ResultProblem as error:
        download.close()
        raise error_for(error.problem) from None
    return VideoStream(
        download.chunks(response),
        content_type=printable(response.headers.get("Content-Type", ""), 100),
        size_hint=download.size,
        max_bytes=max_bytes,
        close=download.close,
        error=error_for,
    )


class _Download:
    def __init__(self, url: str, rules: LinkRules) -> None:
        self._url = url
        self._rules = rules
        self._adapter = _Adapter(rules)
        self._etag: str | None = None
        self._received = 0
        self.size: int | None = None

    def close(self) -> None:
        self._adapter.close()

    def start(self) -> requests.Response:
        response = self._get({})
        if response.status_code != 200:
            raise _refusal(response)
        self.size = _length(response)
        etag = response.headers.get("ETag", "")
        if etag.startswith('"') and response.headers.get("Accept-Ranges", "").strip().lower() != "none":
            self._etag = etag  # A weak one, W/"...", says nothing about bytes.
        return response

    def chunks(self, response: requests.Response) -> Iterator[bytes]:
        skip = stalls = 0
        while True:
            before, why = self._received, "the connection ended"
            with response:
                try:
                    for chunk in response.raw.stream(CHUNK, decode_content=False):
                        fresh = chunk[skip:]
                        skip = max(0, skip - len(chunk))
                        self._received += len(fresh)
                        if fresh:
                            yield fresh
                    if self.size is None or self._received >= self.size:
                        return
                except _FAILURES as error:
                    why = _words(error)
            stalls = 0 if self._received - before >= CHUNK else stalls + 1
            response, skip = self._resume(why, stalls)

    def _resume(self, why: str, stalls: int) -> tuple[requests.Response, int]:
        """Ask for the rest. Returns the answer, and how many of its bytes are already there."""
        at, size = self._received, self.size
        text = f"The download of {_shown(self._url)} broke off after {at} of {size} bytes ({why})"
        while self._etag and size and stalls <= MAX_STALLS:
            log.info("%s; asking for the rest", text)
            time.sleep(min(PAUSE * 2**stalls, LONGEST_PAUSE))
            stalls += 1
            try:
                response = self._get({"Range": f"bytes={at}-", "If-Range": self._etag})
            except ResultProblem as error:
                if not error.problem.transient:
                    raise
                continue
            status, headers = response.status_code, response.headers
            if status == 200 and headers.get("ETag") == self._etag and _length(response) == size:
                return response, at
            if status == 206 and headers.get("ETag") == self._etag:
                found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", "").strip())
                if found and (int(found[1]), int(found[2])) == (at, size):
                    return response, 0
            response.close()
            if status != 429 and status < 500:
                raise broken_off(f"{text}, and the server didn't offer the rest of the same file (HTTP {status})")
        raise broken_off(text)

    def _get(self, headers: dict[str, str]) -> requests.Response:
        url, rules, at_home = self._url, self._rules, True
        for _ in range(MAX_REDIRECTS + 1):
            request = _request(url, rules)
            # Once a redirect has left the gateway, nothing that follows was its own idea.
            at_home = at_home and _origin(request.url) == _origin(rules.base_url)
            request.headers.update(headers)
            if at_home:
                request.headers["Authorization"] = f"Bearer {rules.api_key}"
            response = self._send(request)
            if response.status_code not in _REDIRECTS:
                return response
            response.close()
            target = response.headers.get("Location")
            if not target:
                raise bad_result(f"{_shown(url)} redirects to nowhere (HTTP {response.status_code})")
            url = urljoin(str(request.url), target)
        raise bad_result(f"{_shown(self._url)} redirects more than {MAX_REDIRECTS} times")

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        rules, url = self._rules, str(request.url)
        proxy = rules.proxy_for(url)
        scheme, host, port = _origin(url)
        try:
            if proxy and not rules.trusts(host, port):
                _check_before_proxy(host, port)
            # No session: it would read .netrc, keep cookies and follow redirects.
            return self._adapter.send(
                request,
                stream=True,
                timeout=(rules.connect_timeout, rules.read_timeout),
                verify=rules.verify,
                proxies={scheme: proxy} if proxy else {},
            )
        except _FAILURES as error:
            raise broken_off(f"No answer from {_shown(url)}: {_words(error)}") from None


class _Adapter(HTTPAdapter):
    """Connects to public addresses only, save for the hosts that the rules trust."""

    def __init__(self, rules: LinkRules) -> None:
        super().__init__()

        class Guarded(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                if rules.trusts(self.host.lower(), self.port):
                    return super()._new_conn()
                return _connect_publicly(self)

        class GuardedTls(Guarded, HTTPSConnection):
            pass

        class Plain(urllib3.HTTPConnectionPool):
            ConnectionCls = Guarded

        class Tls(urllib3.HTTPSConnectionPool):
            ConnectionCls = GuardedTls

        self.poolmanager.pool_classes_by_scheme = {"http": Plain, "https": Tls}


def _connect_publicly(connection: HTTPConnection) -> socket.socket:
    failure = OSError("the name has no address")
    for address in _public_addresses(connection.host, connection.port):
        try:
            # The address that was checked: another lookup could have another answer.
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
            _check_address(connection.host, made.getpeername()[0])
        except BaseException:
            made.close()
            raise
        return made
    raise failure


def _check_before_proxy(host: str, port: int) -> None:
    try:
        _public_addresses(host, port)
    except socket.gaierror:
        _refuse(f"{host} can't be resolved here, so its address can't be checked before the proxy is asked", host)


def _public_addresses(host: str, port: int) -> list[str]:
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        _check_address(host, address)
    return found


def _check_address(host: str, address: str) -> None:
    if not is_public(address):
        _refuse(f"{host} has the address {address}, which isn't a public one", host)


def is_public(address: str) -> bool:
    """
    Tell whether an IP address is one of the public internet, and so is an IPv4 address inside it.

    :param address: as the socket calls it.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _GLOBAL_V6:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def _refuse(why: str, host: str) -> NoReturn:
    text = f"The result's link is refused: {why}. If {host} is to be trusted, add it to allowed_result_hosts"
    raise ResultProblem(Problem(Reason.UNSAFE_LINK, f"{text} in the connection's extras"))


def _request(url: str, rules: LinkRules) -> requests.PreparedRequest:
    """Make the request of a link that the rules allow."""
    try:
        if urlsplit(url).scheme not in _PORTS:
            raise ValueError("it is neither https nor http")
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "airflow-provider-veo"}
        request = requests.Request("GET", url, headers).prepare()
        scheme, host, port = _origin(request.url)
        if "@" in urlsplit(str(request.url)).netloc:
            raise ValueError("it holds a user name")
    except ValueError as error:
        why = printable(str(error).replace(url, ""), 200)
        raise ResultProblem(Problem(Reason.UNSAFE_LINK, f"The result's link can't be used: {why}")) from None
    if scheme == "http" and not rules.trusts(host, port):
        _refuse(f"{_shown(url)} is http", host)
    return request


def _origin(url: str | None) -> tuple[str, str, int]:
    parts = urlsplit(str(url))
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme, 0)


def _refusal(response: requests.Response) -> ResultProblem:
    ...
