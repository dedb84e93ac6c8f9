# SPDX-License-Identifier: Apache-2.0
"""URIs of the user's own stores: whether all processes find the same place, and how lineage calls it."""

from __future__ import annotations

from urllib.parse import urlsplit

LOCAL_SCHEMES = ("", "file", "local")
"""What :class:`~airflow.sdk.ObjectStoragePath` takes for the machine's own disk."""

_SPELLINGS = {"local": "file", "s3a": "s3", "gcs": "gs"}


def is_absolute(uri: str) -> bool:
    """
    Tell whether a URI, or a path, means the same place wherever a process was started.

    With two slashes a folder's name becomes a host, and fsspec finds a path below the current directory.
    """
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return parts.scheme not in LOCAL_SCHEMES or (not host and parts.path.startswith("/"))


def dataset_of(uri: str) -> tuple[str, str]:
    """
    Return the namespace and the name that OpenLineage's naming has for an object.

    :param uri: where it is. A connection id in it is left out, and nothing is decoded.
    """
    scheme, _, rest = uri.partition("://")
    place, _, path = rest.partition("/")
    scheme, place = _SPELLINGS.get(scheme, scheme), place.rpartition("@")[2]
    return (f"{scheme}://{place}", path) if place else (scheme, f"/{path}")
