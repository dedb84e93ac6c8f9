# SPDX-License-Identifier: Apache-2.0
"""The arguments of a request: rendered, and hidden where they must not be shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

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

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # As they will be sent; the template fields hold what may be shown.
        self.hidden: dict[str, Any] = {}

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
        from veo_provider.api.images import shorten_image, shorten_values
        from veo_provider.api.request import IMAGE_FIELDS

        names = list(template_fields)
        prompt = [name for name in names if name == "prompt"]
        super()._do_render_template_fields(parent, prompt, context, jinja_env, seen_oids)
        extensions, self.template_ext = self.template_ext, ()
        try:
            rest = [name for name in names if name != "prompt"]
            super()._do_render_template_fields(parent, rest, context, jinja_env, seen_oids)
        finally:
            self.template_ext = extensions
        for name in (*IMAGE_FIELDS, "extra_parameters"):
            value = getattr(self, name)
            shorten = shorten_image if name in IMAGE_FIELDS else shorten_values
            if value is not None and (shown := shorten(value)) != value:
                self.hidden[name] = value
                setattr(self, name, shown)
