# SPDX-License-Identifier: Apache-2.0
"""From Airflow's connection to ours: looked up, checked, its secrets masked."""

from __future__ import annotations

import logging
import re
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import unquote

from airflow.providers.common.compat.sdk import mask_secret

from veo_provider.api.problem import Problem, Reason
from veo_provider.api.text import parse_json
from veo_provider.hooks.connection import VeoConnection, read_connection

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

log = logging.getLogger(__name__)

NO_KEY = Problem(Reason.AUTHENTICATION, "The connection has no API key: put it in the password field")

# Of a malformed URL too, and of one without a scheme.
_PROXY_PASSWORD = re.compile(r"\s*(?:\w+://)?[^:/@]*:(?!//)(?P<password>.+)@", re.DOTALL)


def not_found(conn_id: str) -> str:
    """Say that Airflow doesn't find a connection."""
    return (
        f"Airflow has no connection {conn_id!r}, or can't read it just now: it says the same while its API server or a "
        "secrets backend is away. Check veo_conn_id, and that the connection is there"
    )


def from_airflow(conn_id: str, found: Connection, known: VeoConnection | None = None) -> VeoConnection:
    """
    Check an Airflow connection, have its secrets masked in logs, and log its warnings.

    :param conn_id: its id.
    :param found: the connection.
    :param known: the same as it was before. If nothing has changed, there are no warnings again.
    :raises VeoConfigurationError: naming everything that is wrong.
    """
    # Airflow takes extras that are no JSON for none, and with them the prices and the hosts that are allowed.
    text = (found.extra or "").strip() or "{}"
    parsed = parse_json(text)
    extra = text if parsed is None else parsed
    connection = read_connection(
        conn_id, host=found.host, schema=found.schema, port=found.port, password=found.password, extra=extra
    )
    # Airflow masks only the key by itself. The environment's proxies are masked even where one of them is wrong.
    proxies = [connection.proxy] if connection.proxy else urllib.request.getproxies().values()
    passwords = [match["password"] for match in map(_PROXY_PASSWORD.match, proxies) if match]
    for secret in dict.fromkeys([connection.api_key, *passwords, *map(unquote, passwords)]):
        if secret:
            mask_secret(secret)
    connection.proxy_for(connection.base_url)
    for warning in connection.warnings if connection != known else ():
        log.warning("%s", warning)
    return connection
