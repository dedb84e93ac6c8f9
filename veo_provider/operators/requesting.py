# SPDX-License-Identifier: Apache-2.0
"""The arguments of a request: rendered, hidden where they must not be shown, checked and priced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from veo_provider.api.calls import id_problem
from veo_provider.api.images import shorten_image
from veo_provider.api.request import IMAGE_FIELDS, RequestError, VeoRequest, parse_request
from veo_provider.exceptions import VeoValidationError

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context


REQUEST_FIELDS = (
    "prompt",
    "model",
    "duration_seconds",
    "aspect_ratio",
    "resolution",
    "sample_count",
    "generate_audio",
    "image",
    "last_frame_image",
    "person_generation",
    "add_watermark",
    "seed",
    "extra_parameters",
)


class RequestOperator(BaseOperator):
    """
    An operator whose arguments make a request.

    It reads files for ``prompt`` alone, and keeps inline images and signed URLs out of the rendered view.
    """

    generation_id: str | None
    max_cost: float | None
    hook: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Images as they will be sent; the template fields hold what may be shown.
        self._images: dict[str, Any] = {}

    def resolve_template_files(self) -> None:
        """Read the prompt's file when the DAG is parsed; a model that ends in ``.prompt`` names no file."""
        names = self.template_fields
        try:
            self.template_fields = ("prompt",)
            super().resolve_template_files()
        finally:
            self.template_fields = names

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        names = list(template_fields)
        prompt = [name for name in names if name == "prompt"]
        super()._do_render_template_fields(parent, prompt, context, jinja_env, seen_oids)
        extensions, self.template_ext = self.template_ext, ()
        try:
            rest = [name for name in names if name != "prompt"]
            super()._do_render_template_fields(parent, rest, context, jinja_env, seen_oids)
        finally:
            self.template_ext = extensions
        for name in IMAGE_FIELDS:
            value = getattr(self, name)
            if value is not None and (shown := shorten_image(value)) != value:
                self._images[name] = value
                setattr(self, name, shown)

    def _adopted(self) -> str:
        given = str(self.generation_id).strip()
        if given == "None":
            # A look-up that found nothing must not end in a purchase.
            raise VeoValidationError(
                "generation_id is given and came out as None: nothing was sent. Leave it out, or let it be an empty "
                "text, to submit a new generation"
            )
        if given and (problem := id_problem(given)):
            raise VeoValidationError(f"generation_id: {given[:100]!r} can't be asked for: {problem}")
        return given

    def _request(self) -> VeoRequest:
        from veo_provider.operators.frames import read_frames

        values = {name: getattr(self, name) for name in REQUEST_FIELDS} | self._images
        try:
            request = read_frames(parse_request(values))
        except RequestError as error:
            raise VeoValidationError(str(error)) from None
        for warning in request.warnings:
            self.log.warning("%s", warning)
        return request

    def _check_cost(self, request: VeoRequest) -> None:
        """Refuse what is dearer than ``max_cost``, or has no price."""
        if self.max_cost is None:
            return
        cost = self.hook.connection.prices.estimate(request)
        if cost is None:
            raise VeoValidationError(
                f"max_cost={self.max_cost:g}: the price of {request.model} at {request.resolution} is unknown, so "
                "nothing was sent. Name its price in the connection's extra prices, or leave max_cost out"
            )
        if cost > self.max_cost:
            raise VeoValidationError(
                f"max_cost={self.max_cost:g}: the request costs an estimated {cost:g} US dollars "
                f"({request.sample_count} x {request.duration_seconds} s), so nothing was "
                "sent. Ask for less, or raise max_cost"
            )
