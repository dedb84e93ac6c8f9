# SPDX-License-Identifier: Apache-2.0
"""What a generate task reads, in OpenLineage's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from veo_provider.api.images import ImageKind, image_kind
from veo_provider.api.locations import dataset_of
from veo_provider.api.request import IMAGE_FIELDS
from veo_provider.exceptions import VeoValidationError
from veo_provider.operators.requesting import given_fields

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from veo_provider.operators.veo import VeoGenerateOperator


def frames_in_storage(task: VeoGenerateOperator) -> OperatorLineage[Any, Any]:
    """
    Name the frames that are read from the user's storage.

    :param task: the operator, rendered: its arguments hold what may be shown of a URI.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    if task.generation_id:
        return OperatorLineage()  # Nothing is read for one that was submitted elsewhere.
    values = {name: getattr(task, name) for name in IMAGE_FIELDS}
    try:
        values |= given_fields("request", task.request)
    except VeoValidationError:
        return OperatorLineage()  # The task itself says what is wrong.
    uris = [str(values[name]).strip() for name in IMAGE_FIELDS if values[name]]
    stored = [uri.partition("?")[0] for uri in uris if image_kind(uri) is ImageKind.STORAGE]
    return OperatorLineage(inputs=[Dataset(*dataset_of(uri)) for uri in stored])
