# SPDX-License-Identifier: Apache-2.0
"""The two origins as web applications: the API, and the store its result links lead to."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from aiohttp import web

from veo_provider.simulator import control
from veo_provider.simulator.delivery import Answer, Break, deliver, hang_up, json_answer
from veo_provider.simulator.errors import ERRORS, relay
from veo_provider.simulator.faults import error_answer, suffer
from veo_provider.simulator.gateway import Gateway
from veo_provider.simulator.job import Job
from veo_provider.simulator.ledger import Entry
from veo_provider.simulator.store import ranged, whole, xml_error

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = "X-Oneapi-Request-Id"
# Not kept in the request: the kind of key it wants there differs between the versions of aiohttp.
_request_id: ContextVar[str] = ContextVar("request_id", default="")
_LARGEST_BODY = 128 * 1024 * 1024  # Two images of 20 MB in base64 pass.
_NOWHERE = "/redirected"


class _Api:
    """
    The handlers of the API origin.

    :param gateway: who answers.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def _elsewhere(self) -> str:
        return self.gateway.signer.origin + _NOWHERE

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        _request_id.set(time.strftime("%Y%m%d%H%M%S") + secrets.token_hex(5))
        if request.path.startswith("/v1/"):
            reason = self.gateway.turned_away(_key(request))
            if reason is not None:
                self.gateway.ledger.refused(reason)
                await request.read()  # An unread body would turn the answer into a reset.
                return await deliver(request, error_answer(ERRORS[reason]))
        return await handler(request)

    async def models(self, request: web.Request) -> web.StreamResponse:
        self.gateway.ledger.models()
        answer = self.gateway.models()
        fault = self.gateway.faults.next("models")
        if fault is not None:
            return await suffer(fault, request, answer, self._elsewhere())
        return await deliver(request, answer)

    async def submit(self, request: web.Request) -> web.StreamResponse:
        text = await request.read()
        fault = self.gateway.faults.next("submit")
        try:
            body = json.loads(text) if request.content_type == "application/json" else {}
        except ValueError:
            entry = self.gateway.ledger.submit(_key(request), {"unreadable": repr(text[:80])}, _request_id.get())
            entry["status"] = 400
            return await deliver(request, error_answer(ERRORS["invalid_json"]))
        entry = self.gateway.ledger.submit(_key(request), _readable(body), _request_id.get())
        if fault is not None and not fault.accepted:
            entry["fault"], entry["status"] = fault.kind, fault.shown_status
            return await suffer(fault, request, None, self._elsewhere())
        answer, scenario = self.gateway.submit(body, _key(request), entry)
        if fault is not None:
            entry["fault"] = fault.kind
            if not fault.wants_real:
                entry["status"] = fault.shown_status
            return await suffer(fault, request, answer, self._elsewhere())
        if scenario is not None and scenario.lost_answer:
            entry["fault"], entry["status"] = "lost_answer", None
            return await hang_up(request, reset=True)
        if scenario is not None and scenario.truncated_answer:
            entry["fault"] = "truncated_answer"
            return await deliver(request, answer, end=Break())
        return await deliver(request, answer)

    async def poll(self, request: web.Request) -> web.StreamResponse:
        generation_id = request.match_info["generation_id"]
        with self.gateway.ledger.poll(generation_id, request.headers.get("User-Agent", "")) as entry:
            fault = self.gateway.faults.next("poll")
            if fault is None:
                return await deliver(request, self.gateway.status(generation_id, entry))
            entry["fault"] = fault.kind
            answer = self.gateway.status(generation_id, entry) if fault.wants_real else None
            return await suffer(fault, request, answer, self._elsewhere())

    async def content(self, request: web.Request) -> web.StreamResponse:
        generation_id = request.match_info["generation_id"]
        number = request.query.get("index", "0")
        index = int(number) if number.isdecimal() else -1
        job = self.gateway.job(generation_id)
        entry = self.gateway.ledger.download(generation_id, index, "api", True, request.headers.get("Range"))
        if job is None or job.phase(time.time()) != "succeeded":
            answer = json_answer(relay("Task is not completed yet", "invalid_request_error"), 400)
        elif job.gone(time.time()) or not 0 <= index < len(job.videos):
            answer = json_answer(relay("Video content is no longer available", "invalid_request_error"), 404)
        elif job.scenario.results == "content-redirect":
            answer = Answer(302, {"Location": self.gateway.link(job, index)})
        else:
            # The family's proxy copies from start to end and knows no ranges.
            answer = whole(job.videos[index])
        return await _download(self.gateway, request, answer, entry, self._elsewhere())

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        message = f"Invalid URL ({request.method} {request.path})"
        return await deliver(request, json_answer(relay(message, "invalid_request_error"), 404))


class _Store:
    """
    The handlers of the result origin.

    :param gateway: whose videos these are.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def video(self, request: web.Request) -> web.StreamResponse:
        generation_id, index = request.match_info["generation_id"], int(request.match_info["index"])
        wanted = request.headers.get("Range")
        key = "Authorization" in request.headers
        entry = self.gateway.ledger.download(generation_id, index, "results", key, wanted)
        refused = self.gateway.signer.refusal(generation_id, index, request.query)
        job = self.gateway.job(generation_id)
        if key:
            answer = xml_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        elif refused is not None:
            answer = xml_error(403, "AccessDenied", refused)
        elif job is None or job.gone(time.time()) or index >= len(job.videos):
            answer = xml_error(404, "NoSuchKey", "The specified key does not exist.")
        else:
            answer = self._bytes(job, index, wanted, request.headers.get("If-Range"))
        return await _download(self.gateway, request, answer, entry, self.gateway.signer.origin + _NOWHERE)

    def _bytes(self, job: Job, index: int, wanted: str | None, if_range: str | None) -> Answer:
        video = job.videos[index]
        return ranged(video, wanted, if_range) if self.gateway.options.ranges else whole(video)

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        self.gateway.ledger.stray(request.path, "Authorization" in request.headers)
        return await deliver(request, xml_error(404, "NoSuchKey", "The specified key does not exist."))


async def _download(
    gateway: Gateway, request: web.Request, answer: Answer, entry: Entry, elsewhere: str
) -> web.StreamResponse:
    def sent(count: int) -> None:
        entry["bytes"] += count

    fault = gateway.faults.next("download")
    entry["status"] = answer.status
    if fault is None:
        return await deliver(request, answer, sent=sent)
    entry["fault"] = fault.kind
    if not fault.wants_real:
        entry["status"] = fault.shown_status
    return await suffer(fault, request, answer, elsewhere, sent)


def _key(request: web.Request) -> str:
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" else ""


def _readable(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    return {name: _short(value) for name, value in body.items()}


def _short(value: Any) -> Any:
    return value[:40] + "..." if isinstance(value, str) and len(value) > 2000 else value


def make_api(gateway: Gateway) -> web.Application:
    """
    Build the API origin.

    :param gateway: who answers.
    """
    api = _Api(gateway)
    app = web.Application(middlewares=[api.middleware], client_max_size=_LARGEST_BODY)

    async def name_request(request: web.Request, response: web.StreamResponse) -> None:
        response.headers[REQUEST_ID] = _request_id.get()

    app.on_response_prepare.append(name_request)
    router = app.router
    router.add_get("/v1/models", api.models, allow_head=False)
    router.add_post("/v1/video/generations", api.submit)
    router.add_get("/v1/video/generations/{generation_id}", api.poll, allow_head=False)
    router.add_get("/v1/videos/{generation_id}/content", api.content, allow_head=False)
    control.add_routes(router, gateway)
    router.add_route("*", "/{rest:.*}", api.unknown)
    return app


def make_store(gateway: Gateway) -> web.Application:
    """
    Build the result origin.

    :param gateway: whose videos it serves.
    """
    store = _Store(gateway)
    app = web.Application()
    app.router.add_get(r"/results/{generation_id}/{index:\d{1,4}}.mp4", store.video, allow_head=False)
    app.router.add_route("*", "/{rest:.*}", store.unknown)
    return app
