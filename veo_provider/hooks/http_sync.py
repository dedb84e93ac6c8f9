# SPDX-License-Identifier: Apache-2.0
"""Calls over ``requests``, for workers."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests
import urllib3

from veo_provider.api.answer_reader import AnswerReader
from veo_provider.api.answer_scanner import AnswerScanner, AnswerTooLarge
from veo_provider.api.calls import Answer, Call, Kind
from veo_provider.api.errors import problem_of, unanswered
from veo_provider.api.problem import Problem
from veo_provider.api.result import ResultProblem, VideoStream, bad_result, broken_off, decode_base64
from veo_provider.hooks.connection import VeoConnection
from veo_provider.hooks.time_limit import STALL_SECONDS, LimitedSession, limited, pieces, unstalled
from veo_provider.hooks.unpacking import ACCEPTED, Unpacker

log = logging.getLogger(__name__)

CHUNK = 64 * 1024
# A chunk of a negative size is a ValueError.
NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


class _WatchedBody(io.BytesIO):
    """A request body that knows whether anything of it was handed over for sending."""

    began = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.began = True
        return super().read(size)


class SyncHttp:
    """
    Sends calls to one connection's gateway.

    :param connection: where to, and with which key.
    """

    def __init__(self, connection: VeoConnection) -> None:
        self.connection = connection
        self._session: LimitedSession | None = None
        self._body: _WatchedBody | None = None

    @property
    def request_began(self) -> bool:
        """Whether anything of the last call's body was handed over for sending."""
        return self._body is not None and self._body.began

    def close(self) -> None:
        """Close the connections that are kept alive."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def send(self, call: Call) -> Answer | Problem:
        """
        Send one call, once.

        :returns: the answer, whatever it says; a problem if there was none.
        """
        if call.kind is not Kind.SUBMIT:
            return self._send(call, self._kept_alive())
        # On a connection kept alive that the gateway has just closed, a POST fails in a way that
        # can't be told from one that was accepted.
        session = self._new_session()
        answer = self._send(call, session)
        try:
            session.close()
        except BaseException as error:  # noqa: BLE001 - Airflow's execution_timeout may strike here: the id is worth more
            log.warning("The connection of a submit couldn't be closed: %s", type(error).__name__)
        return answer

    def open_inline(
        self,
        call: Call,
        number: int,
        content_type: str,
        max_bytes: int,
        error: Callable[[Problem], Exception],
    ) -> VideoStream:
        """
        Open a video that is inside an answer, decoded as it arrives.

        :param call: the poll whose answer holds it.
        :param number: which of the answer's payloads it is.
        :param content_type: its media type.
        :param max_bytes: no more than so many bytes are read.
        :param error: makes the exception to raise of a problem, now or while the stream is read.
        """
        session = self._kept_alive()
        try:
            with limited(session.shut_down, self.connection.call_timeout):
                response = self._request(call, session, None)
        except NETWORK_ERRORS as lost:
            raise error(self._unanswered(call, lost, False)) from None
        if response.status_code != 200:
            raise error(self._refusal(call, session, response))
        return VideoStream(
            decode_base64(self._payload(call, response, number, max_bytes)),
            content_type=content_type,
            max_bytes=max_bytes,
            close=response.close,
            bounded=True,
            error=error,
            key=self.connection.api_key,
        )

    def _send(self, call: Call, session: LimitedSession) -> Answer | Problem:
        body = self._body = _WatchedBody(call.body) if call.body is not None else None
        answer: Answer | None = None
        try:
            with (
                limited(session.shut_down, self.connection.call_timeout),
                self._request(call, session, body) as response,
            ):
                reader = AnswerReader(response.status_code, response.headers, call.kind, self.connection.api_key)
                self._read_into(reader, response)
                answer = reader.answer(time.time())
        # Not NETWORK_ERRORS: whatever else a library raises over an answer (requests does over a strange
        # Location), or Airflow's execution_timeout, must not pass for a request that was never sent.
        except BaseException as error:
            if not self.request_began and not isinstance(error, Exception):
                raise
            # Our own limit cuts an answer so that it looks whole; Airflow's comes after one that is.
            if answer is None or isinstance(error, Exception):
                return self._unanswered(call, error, self.request_began)
        return answer

    def _request(self, call: Call, session: requests.Session, body: _WatchedBody | None) -> requests.Response:
        connection = self.connection
        headers = {"Authorization": f"Bearer {connection.api_key}", **ACCEPTED}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return session.request(
            call.method,
            connection.base_url + call.path,
            data=body,
            headers=headers,
            timeout=(connection.connect_timeout, connection.read_timeout),
            allow_redirects=False,
            stream=True,
        )

    def _read_into(self, reader: AnswerReader, response: requests.Response) -> None:
        for chunk in _chunks(response):
            if not reader.feed(chunk):
                return

    def _refusal(self, call: Call, session: LimitedSession, response: requests.Response) -> Problem:
        reader = AnswerReader(response.status_code, response.headers, call.kind, self.connection.api_key)
        try:
            with limited(session.shut_down, self.connection.call_timeout), response:
                self._read_into(reader, response)
        except NETWORK_ERRORS as lost:
            return self._unanswered(call, lost, False)
        return problem_of(call.kind, reader.answer(time.time()))

    def _payload(self, call: Call, response: requests.Response, number: int, max_bytes: int) -> Iterator[bytes]:
        scanner = AnswerScanner(tap=number)
        began, size = time.monotonic(), 0
        with response, self._network_errors(call):
            for chunk in unstalled(_chunks(response), self._kept_alive().shut_down, STALL_SECONDS):
                if payload := scanner.feed(chunk):
                    size += len(payload)
                    # Base64 takes a third more, and line breaks, which are no byte of the video, a little.
                    if size > 2 * max_bytes + CHUNK:
                        raise AnswerTooLarge(f"more text than a video of max_bytes={max_bytes} has")
                    yield payload
                if scanner.tapped:
                    return
                # The poll that told of the video has read all of the answer in this time.
                if not size and time.monotonic() - began > self.connection.call_timeout:
                    raise TimeoutError("the video in the answer didn't begin")
        # The gateway may have let go of the video, or stored it elsewhere, since it was asked a moment ago.
        gone = scanner.complete and not scanner.in_payload
        raise broken_off(f"The gateway's answer {'no longer holds' if gone else 'ended inside'} the video")

    @contextmanager
    def _network_errors(self, call: Call) -> Iterator[None]:
        try:
            yield
        except AnswerTooLarge as error:
            raise bad_result(f"The gateway's answer can't be read: {error}") from None
        except NETWORK_ERRORS as error:
            raise ResultProblem(self._unanswered(call, error, False)) from None

    def _unanswered(self, call: Call, error: BaseException, request_began: bool) -> Problem:
        key = self.connection.api_key
        return unanswered(call.kind, self.connection.base_url, error, request_began=request_began, key=key)

    def _kept_alive(self) -> LimitedSession:
        if self._session is None:
            self._session = self._new_session()
        return self._session

    def _new_session(self) -> LimitedSession:
        session = LimitedSession()
        # A trusted environment would put the credentials of a .netrc file in the place of our key.
        session.trust_env = False
        session.verify = self.connection.verify
        proxy = self.connection.proxy_for(self.connection.base_url)
        if proxy:
            session.proxies = {"http": proxy, "https": proxy}
        return session


def _chunks(response: requests.Response) -> Iterator[bytes]:
    unpacker = Unpacker(response.headers)
    for chunk in pieces(response, CHUNK):
        yield from unpacker.feed(chunk)
    yield from unpacker.feed(b"")
