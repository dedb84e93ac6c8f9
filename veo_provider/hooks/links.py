# SPDX-License-Identifier: Apache-2.0
"""Opens a result's link: redirects, who gets the key, and how a download that broke off goes on."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import requests

from veo_provider.api.calls import KEPT_HEADERS, Answer, Kind
from veo_provider.api.echoes import answer_without_key, text_without_key
from veo_provider.api.errors import problem_of, retry_after
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.result import ResultProblem, VideoStream, bad_result, broken_off
from veo_provider.api.text import printable
from veo_provider.hooks.http_sync import NETWORK_ERRORS
from veo_provider.hooks.link_rules import LinkAdapter, LinkRules, link_request, origin
from veo_provider.hooks.time_limit import STALL_SECONDS, limited, pieces, unstalled
from veo_provider.raising import error_for

__all__ = ["LinkRules", "open_link"]

CHUNK = 64 * 1024
MAX_REDIRECTS = 5
MAX_STALLS = 5
"""How often the rest is asked for without getting on."""
PAUSE = 0.2
LONGEST_PAUSE = 3.0

_REDIRECTS = {301, 302, 303, 307, 308}
# Stores also keep other words here, such as what an upload was split up with (aws-chunked).
_COMPRESSED = re.compile(r"\b(?:x-)?(?:gzip|deflate|compress|br|zstd)\b", re.IGNORECASE)
# 401 is a store's; the gateway's own means the key.
_GONE = {401, 403, 404, 410}
_CODE = re.compile(rb"<Code>(\w{1,60})</Code>")
_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15})")
_MAX_REFUSAL = 4096
log = logging.getLogger(__name__)


def open_link(
    url: str, rules: LinkRules, *, max_bytes: int, error: Callable[[Problem], Exception] = error_for
) -> VideoStream:
    """
    Open a link to a video as a stream; a download that breaks off goes on where the server allows it.

    :param url: the link.
    :param rules: the connection's.
    :param max_bytes: a larger video is refused.
    :param error: makes the exception to raise of a problem, now or while the stream is read.
    :raises VeoResultGoneError: there is nothing behind the link any more; the task may have a fresh one.
    :raises VeoUnsafeLinkError: the link, or a redirect from it, leads where results must not come from.
    :raises VeoError: anything else, here or while the stream is read.
    """
    download = _Download(url, rules)
    try:
        response = download.start()
    except ResultProblem as failed:
        download.close()
        raise error(failed.problem) from None
    return VideoStream(
        download.chunks(response),
        content_type=printable(text_without_key(response.headers.get("Content-Type", ""), rules.api_key), 100),
        max_bytes=max_bytes,
        close=download.close,
        size_hint=download.size,
        error=error,
        key=rules.api_key,
    )


class _Download:
    def __init__(self, url: str, rules: LinkRules) -> None:
        self.size: int | None = None
        self._url = url
        self._rules = rules
        self._adapter = LinkAdapter(rules)
        self._response: requests.Response | None = None
        self._etag = ""
        self._received = 0
        self._stalls = 0

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
        self._adapter.close()

    def start(self) -> requests.Response:
        response = self._get({})
        headers = response.headers
        if response.status_code != 200:
            raise ResultProblem(self._refusal(response))
        if _COMPRESSED.search(headers.get("Content-Encoding", "")):
            raise bad_result(f"{self._shown(response.request)} sends the video compressed, though it was asked not to")
        self.size = _length(response)
        etag = headers.get("ETag", "")
        # A weak one, W/"...", promises nothing about bytes.
        if etag.startswith('"') and headers.get("Accept-Ranges", "").strip().lower() != "none":
            self._etag = etag
        return response

    def chunks(self, response: requests.Response) -> Iterator[bytes]:
        skip = 0
        while True:
            before, why = self._received, "the connection ended"
            with response:
                try:
                    raw = pieces(response, CHUNK)
                    for chunk in unstalled(raw, self._adapter.shut_down, STALL_SECONDS):
                        fresh, skip = chunk[skip:], max(0, skip - len(chunk))
                        self._received += len(fresh)
                        yield fresh
                    if self.size is None:
                        return
                except NETWORK_ERRORS as error:
                    why = self._words(error)
            if self._received == self.size:
                return
            if self._received - before >= CHUNK:
                self._stalls = 0
            response, skip = self._resume(why)

    def _resume(self, why: str) -> tuple[requests.Response, int]:
        """Ask for the rest. Returns the answer, and how many of its bytes are already here."""
        text = f"The download of {self._shown(self._url)} broke off after {self._received} bytes ({why})"
        while self._etag and self.size and self._stalls < MAX_STALLS:
            log.info("%s; asking for the rest", text)
            time.sleep(min(PAUSE * 2**self._stalls, LONGEST_PAUSE))
            self._stalls += 1
            try:
                response = self._get({"Range": f"bytes={self._received}-", "If-Range": self._etag})
            except ResultProblem as error:
                if error.problem.transient:
                    continue
                raise
            skip = self._already_here(response)
            if skip is not None:
                return response, skip
            response.close()
            if response.status_code != 429 and response.status_code < 500:
                raise broken_off(f"{text}; the rest of the same file can't be had (HTTP {response.status_code})")
        raise broken_off(text)

    def _already_here(self, response: requests.Response) -> int | None:
        """Tell at which byte an answer goes on, counted back from where we are; ``None``: it doesn't."""
        if response.headers.get("ETag") != self._etag:
            return None  # Another file by now, and what was handed out can't be taken back.
        if response.status_code == 200 and _length(response) == self.size:
            return self._received
        found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        goes_on = found and (int(found[1]), int(found[2])) == (self._received, self.size)
        return 0 if response.status_code == 206 and goes_on else None

    def _get(self, headers: dict[str, str]) -> requests.Response:
        url, base, at_home = self._url, "", True
        for _ in range(MAX_REDIRECTS + 1):
            request = link_request(url, self._rules, base)
            request.headers.update(headers)
            # Whatever follows on a redirect to elsewhere was not the gateway's own idea.
            at_home = at_home and origin(request) == self._rules.home
            if at_home:
                request.headers["Authorization"] = f"Bearer {self._rules.api_key}"
            try:
                with limited(self._adapter.shut_down, STALL_SECONDS):
                    self._response = response = self._adapter.fetch(request)
            except NETWORK_ERRORS as error:
                raise broken_off(f"No answer from {self._shown(request)}: {self._words(error)}") from None
            if response.status_code not in _REDIRECTS:
                return response
            response.close()
            url, base = response.headers.get("Location", ""), str(request.url)
            if not url:
                raise bad_result(f"{self._shown(request)} redirects to nowhere (HTTP {response.status_code})")
        raise bad_result(f"{self._shown(self._url)} redirects more than {MAX_REDIRECTS} times")

    def _refusal(self, response: requests.Response) -> Problem:
        """Say why the first answer isn't the video."""
        status = response.status_code
        body = b""
        with suppress(*NETWORK_ERRORS), limited(self._adapter.shut_down, STALL_SECONDS):
            for piece in pieces(response, _MAX_REFUSAL):
                body += piece
                if len(body) >= _MAX_REFUSAL:
                    break
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        answer = answer_without_key(Answer(status, headers, body, time.time()), self._rules.api_key)
        at_home = "Authorization" in response.request.headers
        code = _CODE.search(answer.body)
        named = f" ({code[1].decode()})" if code else ""
        text = f"{self._shown(response.request)} answered HTTP {status}{named}"
        # Google's store says 400 ExpiredToken where the others say 403.
        expired = status == 400 and b"Expired" in (code[1] if code else b"")
        if expired or status in (_GONE - {401} if at_home else _GONE):
            reason, transient = Reason.RESULT_GONE, False
            text += ": the link has died, or the video was removed"
        elif at_home and status >= 400:
            return problem_of(Kind.POLL, answer)
        elif status in (408, 425, 429) or status >= 500:
            transient = True
            reason = {408: Reason.NETWORK, 425: Reason.RATE_LIMIT, 429: Reason.RATE_LIMIT}.get(status, Reason.SERVER)
        else:
            reason, transient = Reason.PROTOCOL, False
        return Problem(
            reason,
            text,
            transient=transient,
            status_code=status,
            code=code[1].decode() if code else None,
            retry_after=retry_after(answer),
        )

    def _shown(self, url: str | requests.PreparedRequest) -> str:
        """Show a URL without its query, which may be a signature."""
        parts = urlsplit(url if isinstance(url, str) else str(url.url))
        return self._clean(parts.netloc.rpartition("@")[2] + parts.path)

    def _words(self, error: BaseException) -> str:
        """Say what the innermost error was: those around it quote the whole URL."""
        inner: object = error
        while isinstance(inner, BaseException):
            error = inner
            inner = getattr(error, "reason", None)
            if not isinstance(inner, BaseException):
                inner = next((part for part in error.args if isinstance(part, BaseException)), None)
        return self._clean(f"{type(error).__name__}: {error}")

    def _clean(self, text: str) -> str:
        return printable(text_without_key(text, self._rules.api_key), 200)


def _length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "").strip()
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return int(length) if re.fullmatch(r"\d{1,15}", length) and not chunked else None
