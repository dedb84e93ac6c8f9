# SPDX-License-Identifier: Apache-2.0
"""Airflow's simple auth manager, with rights on single DAGs as others have them."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class ByDag(SimpleAuthManager):
    """Whoever is called ``only-X`` may do something with the DAG X alone, ``blind-X`` may not read its XComs."""

    def is_authorized_dag(self, *, user: Any, details: Any = None, access_entity: Any = None, **kwargs: Any) -> bool:
        """Say no to all others."""
        blind = user.username.startswith("blind-") and access_entity is DagAccessEntity.XCOM and details is not None
        if blind and details.id == user.username.removeprefix("blind-"):
            return False
        alone = user.username.startswith("only-") and details is not None and details.id is not None
        if alone and details.id != user.username.removeprefix("only-"):
            return False
        return super().is_authorized_dag(user=user, details=details, access_entity=access_entity, **kwargs)
