# SPDX-License-Identifier: Apache-2.0
"""``@task.veo``: a function makes the request, the operator does the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    DecoratedOperator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)

from veo_provider.exceptions import VeoValidationError
from veo_provider.operators.requesting import given_fields
from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.request import VideoRequest

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, TaskDecorator


class VeoDecoratedOperator(DecoratedOperator, VeoGenerateOperator):
    """
    Calls a function for the request and generates its video.

    The function runs once in each try, before anything is sent. What it returns is used as it is and is no template.
    If it fails in a later try, a generation that an earlier one has paid for is taken up all the same.

    :param python_callable: returns the prompt, a :class:`~veo_provider.request.VideoRequest`, or a dict of its fields;
        they count before the arguments of the decorator, which are those of
        :class:`~veo_provider.operators.veo.VeoGenerateOperator`.
    :param op_args: positional arguments for the function (templated).
    :param op_kwargs: keyword arguments for the function (templated).
    """

    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *VeoGenerateOperator.template_fields)
    template_fields_renderers = {  # noqa: RUF012
        **DecoratedOperator.template_fields_renderers,
        **VeoGenerateOperator.template_fields_renderers,
    }
    shortened: Sequence[str] = (*VeoGenerateOperator.shortened, "op_args", "op_kwargs")
    custom_operator_name = "@task.veo"
    # Airflow 3.0 looks for it when a decorated task has ended, has it no longer, and so fails what is paid for. It is
    # for several outputs, which there are not here.
    xcom_push: Any = None

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Sequence[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # Airflow reads it off a function that says it returns a dict. But the task returns the generation id, and
        # would fail after it has paid.
        kwargs["multiple_outputs"] = False
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs)

    def request_values(self, context: Context) -> dict[str, Any]:
        """Call the function, and let what it returns count before the arguments."""
        values = super().request_values(context)
        # A copy: an argument that is called like a part of the context must not take its place.
        known: Any = {**context}
        args, kwargs = self.as_given("op_args"), self.as_given("op_kwargs")
        context_merge(known, kwargs)
        made = self.python_callable(*args, **determine_kwargs(self.python_callable, args, known))
        if isinstance(made, str):
            return values | {"prompt": made}
        if not isinstance(made, (Mapping, VideoRequest)):
            raise VeoValidationError(
                f"{self.python_callable.__name__}() returned a {type(made).__name__}, not a prompt, a VideoRequest or "
                "a dict of request fields. Nothing was sent"
            )
        return values | given_fields("what the function returned", made)


def veo_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """
    Make a task of a function that returns a request.

    :param python_callable: the function.
    :param kwargs: arguments of :class:`~veo_provider.operators.veo.VeoGenerateOperator`.
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=VeoDecoratedOperator, **kwargs
    )
