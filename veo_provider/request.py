# SPDX-License-Identifier: Apache-2.0
"""A request as an author writes it in Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from airflow.providers.common.compat.sdk import XComArg


@dataclass(frozen=True, kw_only=True)
class VideoRequest:
    """
    The fields of one request, each of which may be left out: then the operator's argument counts.

    Give it as ``request`` to :class:`~veo_provider.operators.veo.VeoGenerateOperator`, map over a list of them
    (``expand(request=[...])``), or return it from a function under ``@task.veo``. It is checked when the task runs,
    before anything is paid for. XComs carry it as :meth:`as_dict`, which is taken just as well.

    :param prompt: what the video shows.
    :param model: the model's id.
    :param duration_seconds: 4, 6 or 8 seconds.
    :param aspect_ratio: ``16:9`` or ``9:16``.
    :param resolution: ``720p`` or ``1080p``.
    :param sample_count: how many videos, 1 to 4.
    :param generate_audio: whether the video has sound.
    :param image: the first frame, as the operator takes it.
    :param last_frame_image: the last frame, only with ``image`` and a veo-3.1 model.
    :param person_generation: ``allow_adult``, ``dont_allow`` or ``allow_all``.
    :param add_watermark: whether the gateway adds a watermark.
    :param seed: 0 to 4294967295.
    :param extra_parameters: other fields of the gateway by their wire names.
    :raises TypeError: a field is the output of another task.
    """

    prompt: str | None = None
    model: str | None = None
    duration_seconds: int | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    sample_count: int | None = None
    generate_audio: bool | None = None
    image: str | None = field(default=None, repr=False)
    last_frame_image: str | None = field(default=None, repr=False)
    person_generation: str | None = None
    add_watermark: bool | None = None
    seed: int | None = None
    extra_parameters: Mapping[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse another task's output: Airflow looks for those in dicts, and not in objects like this one."""
        outputs = [one.name for one in fields(self) if any(XComArg.iter_xcom_references(getattr(self, one.name)))]
        if outputs:
            raise TypeError(
                f"VideoRequest({', '.join(outputs)}=...) is another task's output, for which Airflow would not wait: "
                "give the request as a dict, make it in a task, or use the operator's own argument"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are given, by name."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in given.items() if value is not None}
