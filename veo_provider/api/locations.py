# SPDX-License-Identifier: Apache-2.0
"""URIs of the user's own stores: which are of this machine, and whether every process would find the same place."""

from __future__ import annotations

from urllib.parse import urlsplit

LOCAL_SCHEMES = ("", "file", "local")
"""What :class:`~airflow.sdk.ObjectStoragePath` takes for the machine's own disk."""


def is_absolute(uri: str) -> bool:
    """
    Tell whether a URI, or a path, means the same place wherever a process was started.

    With two slashes a folder's name becomes a host, and fsspec finds a path below the current directory.
    """
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return parts.scheme not in LOCAL_SCHEMES or (not host and parts.path.startswith("/"))
