# SPDX-License-Identifier: Apache-2.0
"""The models that the contract names."""

from __future__ import annotations

MODELS = (
    "veo-3.0-fast-generate-001",
    "veo-3.1-fast-generate-preview",
    "veo-3.0-generate-preview",
    "veo-3.1-generate-preview",
)
"""The models that Mixroute documents. The list is open: an unknown id passes with a warning."""


def is_fast(model: str) -> bool:
    """Whether this is one of the fast models, which always make sound."""
    return "-fast-" in model
