# SPDX-License-Identifier: Apache-2.0
"""Submit a generation, wait for it off the worker, and hand its id on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from veo_provider.exceptions import VeoValidationError
from veo_provider.operators.checks import check_choices, check_cost_limit, check_flags, check_waiting
from veo_provider.operators.links import VeoConsoleLink, VeoVideosLink
from veo_provider.operators.requesting import REQUEST_FIELDS, RequestOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from veo_provider.hooks.veo import VeoHook
    from veo_provider.operators.running import Run
    from veo_provider.request import VideoRequest


class VeoGenerateOperator(RequestOperator):
    """
    Generate a video with one of Google's Veo models.

    The task submits the request and, by default, defers: the triggerer polls, no worker slot waits. It returns
    the generation id, from which a transfer operator stores the video, and pushes the XCom ``veo_generation``
    with the facts (id, status, reason, the request) before it returns or raises.

    A submit costs money and can't be taken back: a gateway of this family has no cancel and no idempotency
    key. All arguments are checked, and every problem named in one error, before anything is sent.

    Facts about fields come from Mixroute's documentation, limits from Google's; see the page "Gateway contract".

    :param prompt: what the video shows (templated; the name of a ``.prompt`` file is read as a template).
    :param model: the model's id (templated). Known are ``veo-3.0-fast-generate-001``,
        ``veo-3.1-fast-generate-preview``, ``veo-3.0-generate-preview`` and ``veo-3.1-generate-preview``; another
        id passes with a warning.
    :param duration_seconds: 4, 6 or 8 seconds (templated).
    :param aspect_ratio: ``16:9`` or ``9:16`` (templated).
    :param resolution: ``720p`` or ``1080p`` (templated). Google documents 1080p for 8 seconds only.
    :param sample_count: how many videos, 1 to 4 (templated). It multiplies the price.
    :param generate_audio: whether the video has sound (templated); left out, the model decides. Fast models
        always make sound.
    :param image: the first frame (templated): an https URL, which the gateway fetches; a data URI; raw base64;
        or a storage URI (``s3://``, ``gs://``, ``file://``, ...), which the worker reads. JPEG or PNG of at
        most 20 MB. A bare path is refused.
    :param last_frame_image: the last frame (templated), as ``image``. Only veo-3.1 models, only with ``image``.
    :param person_generation: ``allow_adult``, ``dont_allow`` or ``allow_all`` (templated).
    :param add_watermark: whether the gateway adds a watermark (templated).
    :param seed: 0 to 4294967295 (templated).
    :param extra_parameters: other fields of the gateway by their wire names, such as ``negativePrompt``
        (templated). Not every gateway forwards them.
    :param request: any of the fields above as a :class:`~veo_provider.request.VideoRequest` or a dict (templated); what
        it gives counts before the argument of that name. For ``expand(request=[...])``. An empty text, the default,
        gives nothing; ``None`` is an error, because a look-up that found nothing must not buy.
    :param veo_conn_id: the connection, of type ``veo`` (templated).
    :param deferrable: wait on the triggerer. ``False`` waits on the worker; nothing else changes.
    :param wait_for_completion: ``False`` returns the id right after the submit, for
        :class:`~veo_provider.sensors.veo.VeoGenerationSensor` to wait for.
    :param poll_interval: seconds between two polls. The gateway refreshes a task about every 15 s. Default: 5, and
        fewer polls before the time that the triggerer knows this model to take.
    :param timeout: seconds, counted in each try from its start, after which the task stops waiting and fails. The
        generation, and its bill, go on; a retry takes it up.
    :param on_unknown_submit: what follows a submit that got no verdict and may have been billed: ``"fail"``,
        without a retry, for a person to look it up; or ``"resubmit"``: Airflow's next try sends it again, at the
        price of a possible second bill.
    :param on_filtered: what a refusal by a safety filter does: ``"fail"``, without a retry, or ``"skip"``.
    :param on_clear: what a clear of a task that has succeeded means: ``"regenerate"``, another video; or ``"keep"``:
        the same one again. Machines clear too (``reset_dag_run=True``, backfills, an upstream clear of a mapped run).
    :param generation_id: take up a generation that was already submitted elsewhere instead of submitting
        (templated). The request fields are not sent then. An empty text, the default, submits; ``None`` is an
        error, because a look-up that found nothing must not buy.
    :param max_cost: US dollars. A request whose estimate is higher is refused before anything is sent, and so is one
        without a price in the connection's extra ``prices``. Default: no limit.
    :param reuse: hand back the video of an earlier, equal request, whichever task made it, if the gateway still has it,
        instead of buying another one. It needs ``[veo] ledger_path``, and only tasks with ``reuse=True`` are found.
    """

    template_fields: Sequence[str] = (*REQUEST_FIELDS, "request", "generation_id", "veo_conn_id")
    template_ext: Sequence[str] = (".prompt",)
    template_fields_renderers = {"extra_parameters": "json", "request": "json"}  # noqa: RUF012
    operator_extra_links = (VeoConsoleLink(), VeoVideosLink())
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        prompt: str | None = None,
        model: str = "veo-3.1-fast-generate-preview",
        duration_seconds: int | str = 8,
        aspect_ratio: str = "16:9",
        resolution: str = "720p",
        sample_count: int | str = 1,
        generate_audio: bool | str | None = None,
        image: str | None = None,
        last_frame_image: str | None = None,
        person_generation: str | None = None,
        add_watermark: bool | str | None = None,
        seed: int | str | None = None,
        extra_parameters: Mapping[str, Any] | str | None = None,
        request: VideoRequest | Mapping[str, Any] | str | None = "",
        veo_conn_id: str = "veo_default",
        deferrable: bool = True,
        wait_for_completion: bool = True,
        poll_interval: float | None = None,
        timeout: float = 1200.0,
        on_unknown_submit: str = "fail",
        on_filtered: str = "fail",
        on_clear: str = "regenerate",
        generation_id: str | None = "",
        max_cost: float | None = None,
        reuse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        problems = check_waiting(poll_interval=1.0 if poll_interval is None else poll_interval, timeout=timeout)
        problems += check_choices(
            on_unknown_submit=(on_unknown_submit, "fail", "resubmit"),
            on_filtered=(on_filtered, "fail", "skip"),
            on_clear=(on_clear, "regenerate", "keep"),
        )
        problems += check_cost_limit(max_cost)
        problems += check_flags(deferrable=deferrable, wait_for_completion=wait_for_completion, reuse=reuse)
        if problems:
            raise VeoValidationError("; ".join(problems))
        self.prompt = prompt
        self.model = model
        self.duration_seconds = duration_seconds
        self.aspect_ratio = aspect_ratio
        self.resolution = resolution
        self.sample_count = sample_count
        self.generate_audio = generate_audio
        self.image = image
        self.last_frame_image = last_frame_image
        self.person_generation = person_generation
        self.add_watermark = add_watermark
        self.seed = seed
        self.extra_parameters = extra_parameters
        self.request = request
        self.veo_conn_id = veo_conn_id
        self.deferrable = deferrable
        self.wait_for_completion = wait_for_completion
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.on_unknown_submit = on_unknown_submit
        self.on_filtered = on_filtered
        self.on_clear = on_clear
        self.generation_id = generation_id
        self.max_cost = max_cost
        self.reuse = reuse
        self._run: Run | None = None

    @cached_property
    def hook(self) -> VeoHook:
        """The hook, made when the task runs: parsing a DAG must stay cheap."""
        from veo_provider.hooks.veo import VeoHook

        return VeoHook(self.veo_conn_id)

    def execute(self, context: Context) -> str:
        """Submit, or take a generation up; then wait as asked."""
        return self._run_of(context).execute()

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """Turn the trigger's event into the task's result; the one ending of both modes."""
        return self._run_of(context).complete(event)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Come back from the triggerer, also where Airflow has ended the waiting."""
        next_method, next_kwargs = self._run_of(context).resumed(next_method, next_kwargs)
        return super().resume_execution(next_method, next_kwargs, context)

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Name the frames in storage. The official provider asks for this at the end, too."""
        from veo_provider.operators.lineage import frames_in_storage

        return frames_in_storage(self)

    def on_kill(self) -> None:
        """Say that the generation goes on: this gateway can't cancel."""
        if self._run is not None:
            self._run.say_that_it_goes_on()

    def _run_of(self, context: Context) -> Run:
        # Imported when the task runs, with all that it needs: parsing a DAG must stay cheap.
        from veo_provider.operators.running import Run

        self._run = Run(self, context)
        return self._run
