# SPDX-License-Identifier: Apache-2.0
"""The models that a gateway lists for a key; how a connection is tested."""

from __future__ import annotations

from dataclasses import replace

from veo_provider.api.calls import Answer, Kind
from veo_provider.api.errors import problem_of
from veo_provider.api.problem import Problem, Reason


def read_models(answer: Answer) -> tuple[str, ...] | Problem:
    """Read the answer to ``GET /v1/models``: the ids of the models that the key may use."""
    document = answer.document
    models = document.get("data") if isinstance(document, dict) else None
    if answer.status == 200 and isinstance(models, list):
        return tuple(str(model["id"]) for model in models if isinstance(model, dict) and "id" in model)
    problem = problem_of(Kind.MODELS, answer)
    if answer.status == 200 and not isinstance(document, dict):
        # A console's own web page answers every path with 200: the address is right, the path isn't.
        wrong = problem_of(Kind.MODELS, replace(answer, status=404))
        return replace(wrong, reason=Reason.WRONG_BASE_URL, status_code=200)
    return problem
