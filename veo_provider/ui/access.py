# SPDX-License-Identifier: Apache-2.0
"""Who may see what: the one place that knows Airflow's own authentication and authorization, which are internal."""

# No annotations as texts here: the FastAPI of Airflow 3.1 doesn't read those of a class.
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel
from fastapi import Depends


class Reader:
    """
    A user who has been authenticated.

    :param user: as Airflow's auth manager knows him.
    """

    def __init__(self, user: GetUserDep) -> None:
        self._user = user

    def may_read(self, dag_id: str | None) -> bool:
        """
        Whether he may read the XComs of a DAG.

        :param dag_id: the DAG; ``None`` asks whether he may read any.
        """
        team = DagModel.get_team_name(dag_id) if dag_id else None
        return get_auth_manager().is_authorized_dag(
            method="GET",
            access_entity=DagAccessEntity.XCOM,
            details=DagDetails(id=dag_id, team_name=team),
            user=self._user,
        )

    def dag_ids(self) -> set[str]:
        """Return the DAGs that he may read; that says nothing yet of the XComs of each."""
        if not self.may_read(None):
            return set()
        return get_auth_manager().get_authorized_dag_ids(user=self._user, method="GET")


ReaderDep = Annotated[Reader, Depends(Reader)]
"""A request without a user is answered with 401."""
