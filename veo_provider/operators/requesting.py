# SPDX-License-Identifier: Apache-2.0
"""The arguments of a request: rendered, and hidden where they must not be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from veo_provider.compat import CLASSES_IN_XCOMS
from veo_provider.exceptions import VeoValidationError
from veo_provider.request import VideoRequest

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context


REQUEST_FIELDS = tuple(field.name for field in fields(VideoRequest))

if CLASSES_IN_XCOMS:
    # It may come out of an XCom, for which Airflow keeps a list of classes.
    from airflow.sdk.serde import allow_class

    allow_class(VideoRequest)


class RequestOperator(BaseOperator):
    """
    An operator whose arguments make a request.

    It reads files for ``prompt`` alone, and keeps inline images and signed URLs out of the rendered view.
    """

    request: Any
    shortened: Sequence[str] = ("extra_parameters", "request")
    """Arguments besides the images that may hold what must not be shown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # As they will be sent; the template fields hold what may be shown.
        self.hidden: dict[str, Any] = {}

    def request_values(self, context: Context) -> dict[str, Any]:
        """
        Return the request's fields by name: the arguments, and over them what ``request`` says.

        :param context: the task's context.
        """
        del context  # Whoever makes the request by a function needs it.
        values = {name: self.as_given(name) for name in (*REQUEST_FIELDS, "request")}
        request = values.pop("request")
        return values | given_fields("request", request)

    def as_given(self, name: str) -> Any:
        """
        Return an argument as it was rendered, also where it is hidden.

        :param name: the argument's name.
        """
        return self.hidden[name] if name in self.hidden else getattr(self, name)

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

        if isinstance(self.request, VideoRequest):
            # Its texts are templates like all others, unless it came out of an XCom.
            given, self.request = self.request, self.request.as_dict()
            if id(given) in seen_oids:
                seen_oids.add(id(self.request))
        names = list(template_fields)
        prompt = [name for name in names if name == "prompt"]
        super()._do_render_template_fields(parent, prompt, context, jinja_env, seen_oids)
        extensions, self.template_ext = self.template_ext, ()
        try:
            rest = [name for name in names if name != "prompt"]
            super()._do_render_template_fields(parent, rest, context, jinja_env, seen_oids)
        finally:
            self.template_ext = extensions
        for name in (*IMAGE_FIELDS, *self.shortened):
            value = getattr(self, name)
            shorten = shorten_image if name in IMAGE_FIELDS else shorten_values
            if value is not None and (shown := shorten(value)) != value:
                self.hidden[name] = value
                setattr(self, name, shown)


def given_fields(what: str, value: Any) -> dict[str, Any]:
    """
    Return the fields that somebody gives as a :class:`~veo_provider.request.VideoRequest`, a dict, or JSON text.

    :param what: how the value is called in an error.
    :param value: the value; an empty text gives none. A field that is ``None``, or blank, is left out.
    :raises VeoValidationError: it is something else.
    """
    from veo_provider.api.request import left_out
    from veo_provider.api.text import parse_json

    if isinstance(value, str) and not value.strip():
        return {}
    if left_out(value):
        # A look-up that found nothing must not end in a purchase of something else.
        raise VeoValidationError(
            f"{what} is given and came out as None: nothing was sent. Leave it out, or let it be an empty text, to "
            "send the other arguments"
        )
    given = parse_json(value) if isinstance(value, str) else value
    if isinstance(given, VideoRequest):
        given = given.as_dict()
    if not isinstance(given, Mapping):
        raise VeoValidationError(
            f"{what} is a {type(value).__name__}, not a VideoRequest or an object of request fields "
            f"({', '.join(REQUEST_FIELDS)}). Nothing was sent"
        )
    return {str(name): field for name, field in given.items() if not left_out(field)}
