# SPDX-License-Identifier: Apache-2.0
"""The gateway as an Airflow hook, for workers. The triggerer's is in ``veo_async.py``."""

from __future__ import annotations

import random
import time
from contextlib import closing
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from veo_provider.api.calls import Answer, Call, models_call, poll_call, submit_call
from veo_provider.api.generation import Generation, Video, read_generation
from veo_provider.api.model_list import read_models
from veo_provider.api.problem import Accepted, Problem, Reason
from veo_provider.api.result import MAX_VIDEO_BYTES
from veo_provider.api.submission import read_submit
from veo_provider.api.waiting import Outcome, Seen, Sleep, WaitPlan, waiting
from veo_provider.exceptions import (
    VeoConfigurationError,
    VeoConnectionNotFoundError,
    VeoNotReadyError,
    VeoResultGoneError,
    VeoValidationError,
)
from veo_provider.hooks import form
from veo_provider.hooks.airflow_connection import NO_KEY, from_airflow, not_found
from veo_provider.hooks.http_sync import SyncHttp
from veo_provider.hooks.links import LinkRules, open_link
from veo_provider.hooks.patience import patiently
from veo_provider.raising import error_for, generation_of, unknown_submit

if TYPE_CHECKING:
    from veo_provider.api.request import VeoRequest
    from veo_provider.api.result import VideoStream
    from veo_provider.hooks.connection import VeoConnection
    from veo_provider.hooks.veo_async import VeoAsyncHook as VeoAsyncHook


class VeoHook(BaseHook):
    """
    Talk to the gateway from a worker, on ``requests``.

    :param veo_conn_id: the connection, of type ``veo``.
    """

    conn_name_attr = "veo_conn_id"
    default_conn_name = "veo_default"
    conn_type = "veo"
    hook_name = "Veo"

    def __init__(self, veo_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.veo_conn_id = veo_conn_id

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled or copied: the connection, with its key, is looked up anew."""
        return {name: value for name, value in vars(self).items() if name not in ("connection", "_http")}

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return what becomes of Airflow's own fields in the form, for the Airflow versions that ask the hook."""
        return form.behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's fields of ours, for the Airflow versions that ask the hook."""
        return form.widgets()

    @cached_property
    def connection(self) -> VeoConnection:
        """The checked connection."""
        try:
            found = self.get_connection(self.veo_conn_id)
        except AirflowNotFoundException:
            raise VeoConnectionNotFoundError(not_found(self.veo_conn_id)) from None
        except PermissionError as error:
            # Airflow 3.3, where the task's team may not use it.
            raise VeoConfigurationError(str(error)) from None
        return from_airflow(self.veo_conn_id, found)

    @cached_property
    def _http(self) -> SyncHttp:
        return SyncHttp(self.connection)

    def get_conn(self) -> SyncHttp:
        """Return what sends the calls; it keeps connections alive until :meth:`close`."""
        return self._http

    def close(self) -> None:
        """Close the connections that are kept alive."""
        if "_http" in self.__dict__:
            self._http.close()

    def submit(self, request: VeoRequest) -> str:
        """
        Submit a generation, once. **This costs money**, and is never repeated here.

        :param request: a request from :func:`~veo_provider.api.request.parse_request`.
        :returns: the generation id.
        :raises VeoUnknownSubmitError: the request was sent and no verdict came back: it may be billed.
        :raises VeoError: it was not accepted; the class says why.
        """
        sent_at = time.time()
        answer = self._send(submit_call(request.wire(self.connection.last_frame_field)))
        submitted = answer if isinstance(answer, Problem) else _read_submit(answer)
        if isinstance(submitted, str):
            return submitted
        if submitted.accepted is Accepted.NO:
            raise error_for(submitted)
        raise unknown_submit(submitted, request.model, self.connection.base_url, sent_at)

    @property
    def request_began(self) -> bool:
        """Whether anything of the last submit was handed over for sending."""
        return self._http.request_began

    def poll(self, generation_id: str) -> Seen:
        """
        Ask for a generation.

        :param generation_id: the gateway's id.
        :returns: what the gateway says of it, or the problem in asking; nothing is raised for either.
        """
        answer = self._send(poll_call(generation_id))
        return answer if isinstance(answer, Problem) else read_generation(answer, generation_id)

    def get_generation(self, generation_id: str) -> Generation:
        """
        Ask for a generation.

        :param generation_id: the gateway's id.
        :returns: what the gateway says of it. A generation that failed is returned, not raised.
        :raises VeoError: the gateway couldn't be asked, or doesn't know the id.
        """
        return generation_of(generation_id, self.poll(generation_id))

    def get_finished(self, generation_id: str) -> Generation:
        """
        Ask for a generation that has at least one video; again for a minute, if asking fails.

        :param generation_id: the gateway's id.
        :raises VeoNotReadyError: it has none yet.
        :raises VeoError: it never will, or the gateway couldn't be asked.
        """
        generation = patiently(lambda: self.get_generation(generation_id), self.log)
        if generation.problem is not None:
            raise error_for(generation.problem, generation_id)
        if not generation.videos:
            raise VeoNotReadyError(
                f"The generation is {generation.status or 'waiting'!r} and has no video yet: wait for it with "
                "VeoGenerateOperator or VeoGenerationSensor before it is stored",
                generation_id=generation_id,
            )
        return generation

    def open_video(
        self, generation_id: str, index: int = 0, *, max_bytes: int = MAX_VIDEO_BYTES, known: Generation | None = None
    ) -> VideoStream:
        """
        Open one video of a finished generation as a binary stream, in memory that doesn't grow with it.

        What fails to open is tried again for a minute, and a link that has died is asked for once more. Reading
        to the end without an exception means that the video is whole.

        :param generation_id: the gateway's id.
        :param index: which of its videos, from 0.
        :param max_bytes: a larger video is refused.
        :param known: what :meth:`get_finished` has just returned. Asking again would carry each video of an answer
            that holds them over the network once more.
        :raises VeoResultGoneError: the video can't be had any more.
        :raises VeoError: anything else that prevents reading it.
        """
        try:
            return self._open(known or self.get_finished(generation_id), index, max_bytes)
        except VeoResultGoneError:
            self.log.info("The link of generation %s has died; asking for a fresh one", generation_id)
        return self._open(self.get_finished(generation_id), index, max_bytes)

    def wait(self, plan: WaitPlan) -> Outcome:
        """Wait for a generation on this worker. The triggerer's twin is :meth:`VeoAsyncHook.wait`."""
        flow = waiting(plan, time.time, random.random, partial(tell, self))
        step = next(flow)
        while not isinstance(step, Outcome):
            if isinstance(step, Sleep):
                time.sleep(step.seconds)
                step = next(flow)
            else:
                step = flow.send(self.poll(plan.generation_id))
        return step

    def test_connection(self) -> tuple[bool, str]:
        """
        Check the base URL and the key with one call that costs nothing (``GET /v1/models``).

        :returns: whether it works, and in words what is wrong or which models the key may use.
        """
        try:
            with closing(self):
                answer = self._send(models_call())
        except (VeoConfigurationError, VeoConnectionNotFoundError) as error:
            return False, str(error)
        models = answer if isinstance(answer, Problem) else read_models(answer)
        if isinstance(models, Problem):
            return False, str(error_for(models))
        veo = [model for model in models if model.startswith("veo")]
        named = f"models: {', '.join(veo)}" if veo else "but it lists no veo model for this key"
        return True, f"{self.connection.base_url} accepts the key; {named}"

    def _open(self, generation: Generation, index: int, max_bytes: int) -> VideoStream:
        generation_id, videos = generation.generation_id, generation.videos
        if not 0 <= index < len(videos):
            raise VeoValidationError(
                f"index {index}: the generation has {len(videos)} video(s), counted from 0",
                generation_id=generation_id,
            )
        video = videos[index]
        error = partial(error_for, generation_id=generation_id)
        if video.inline is not None:
            call = poll_call(generation_id)
            inline, kind = video.inline, video.content_type
            return patiently(lambda: self._http.open_inline(call, inline, kind, max_bytes, error), self.log)
        url, rules = self._url(video), LinkRules.of(self.connection)
        return patiently(lambda: open_link(url, rules, max_bytes=max_bytes, error=error), self.log)

    def _url(self, video: Video) -> str:
        # Only a path belongs to the gateway; what is wrong with a whole URL is for the link rules to say.
        url = video.url or ""
        return urljoin(f"{self.connection.base_url}/", url) if url[:1] == "/" and url[:2] != "//" else url

    def _send(self, call: Call) -> Answer | Problem:
        return self._http.send(call) if self.connection.api_key else NO_KEY


def _read_submit(answer: Answer) -> str | Problem:
    # Airflow's execution_timeout may strike here too; it strikes once.
    for _ in range(2):
        try:
            return read_submit(answer)
        except BaseException as error:  # noqa: BLE001
            why = f"The answer wasn't read: {type(error).__name__}"
    return Problem(Reason.NETWORK, why, accepted=Accepted.MAYBE)


def tell(hook: BaseHook, message: str, *, warning: bool = False) -> None:
    """Log what a waiting says; see :class:`~veo_provider.api.waiting.Tell`."""
    (hook.log.warning if warning else hook.log.info)("%s", message)


def __getattr__(name: str) -> Any:
    # It brings aiohttp along, which no worker needs.
    if name == "VeoAsyncHook":
        from veo_provider.hooks.veo_async import VeoAsyncHook

        return VeoAsyncHook
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
