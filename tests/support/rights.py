# SPDX-License-Identifier: Apache-2.0
"""Airflow's simple auth manager, with rights on single DAGs as others have them."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class ByDag(SimpleAuthManager):
    """Whoever is called ``only-X`` may do something with the DAG X alone."""

    def is_authorized_dag(self, *, user: Any, details: Any = None, **kwargs: Any) -> bool:
        """Say no to all others."""
        alone = user.username.startswith("only-") and details is not None and details.id is not None
        if alone and details.id != user.username.removeprefix("only-"):
            return False
        return super().is_authorized_dag(user=user, details=details, **kwargs)
