# SPDX-License-Identifier: Apache-2.0
"""What Airflow is told about this provider: its entry point ``apache_airflow_provider``."""

from __future__ import annotations

from typing import Any

_VEO = "Veo"
_STORES = "Object storage"
_S3 = "Amazon Simple Storage Service (S3)"


def _field(label: str, description: str, schema_type: str, **schema: Any) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": [schema_type, "null"], **schema},
    }


def _option(description: str, option_type: str, default: str, example: str | None = None) -> dict[str, Any]:
    return {
        "description": description,
        "type": option_type,
        "default": default,
        "example": example,
        "version_added": "0.1.0",
    }


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-veo",
        "name": "Veo",
        "description": "Generate videos with Google's Veo models through a Mixroute gateway.",
        "integrations": [
            {
                "integration-name": _VEO,
                "external-doc-url": "https://console.mixroute.io",
                "tags": ["service"],
            },
            {
                "integration-name": _STORES,
                "external-doc-url": "https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/objectstorage.html",
                "tags": ["protocol"],
            },
        ],
        "hooks": [{"integration-name": _VEO, "python-modules": ["veo_provider.hooks.veo"]}],
        "operators": [{"integration-name": _VEO, "python-modules": ["veo_provider.operators.veo"]}],
        "sensors": [{"integration-name": _VEO, "python-modules": ["veo_provider.sensors.veo"]}],
        "triggers": [{"integration-name": _VEO, "python-modules": ["veo_provider.triggers.veo"]}],
        "task-decorators": [{"name": "veo", "class-name": "veo_provider.decorators.veo.veo_task"}],
        "transfers": [
            {
                "source-integration-name": _VEO,
                "target-integration-name": _S3,
                "python-module": "veo_provider.transfers.veo_to_s3",
            },
            {
                "source-integration-name": _VEO,
                "target-integration-name": _STORES,
                "python-module": "veo_provider.transfers.veo_to_object_storage",
            },
        ],
        "config": {
            "veo": {
                "description": "Settings of a whole deployment for the Veo provider.",
                "options": {
                    "ledger_path": _option(
                        "Folder in which VeoGenerateOperator keeps a record of each submit, as a URI that "
                        "ObjectStoragePath knows. Empty: Airflow's own task_state_store (3.3 and later) is used.",
                        "string",
                        "",
                        "s3://aws_default@my-bucket/veo-ledger",
                    ),
                    "deployment": _option(
                        "Name of this Airflow within ledger_path. Deployments that share a folder need different ones.",
                        "string",
                        "default",
                    ),
                    "generation_dead_after": _option(
                        "Seconds after which a generation that has no end counts as dead when its task is cleared.",
                        "float",
                        "7200",
                    ),
                    "ui_page": _option('Whether Airflow\'s UI has the page "Veo videos".', "boolean", "True"),
                    "ui_link_seconds": _option(
                        "Seconds that a presigned link to a video in S3 lives, at most 900. The page renews it.",
                        "integer",
                        "300",
                    ),
                    "ui_folders": _option(
                        "Comma-separated local folders below which the page may play videos that were stored with "
                        "file:// URIs. Empty: none, or whoever writes a DAG could show any file of the API server.",
                        "string",
                        "",
                        "/data/videos",
                    ),
                    "ui_own_credentials": _option(
                        "Whether the page may play videos that were stored without a connection, with the credentials "
                        "of the API server itself. Whoever writes a DAG chooses which videos those are.",
                        "boolean",
                        "False",
                    ),
                },
            }
        },
        "extra-links": [
            "veo_provider.operators.links.VeoConsoleLink",
            "veo_provider.operators.links.VeoVideosLink",
        ],
        "connection-types": [
            {
                "connection-type": "veo",
                "hook-class-name": "veo_provider.hooks.veo.VeoHook",
                "hook-name": "Veo",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "login", "port", "extra"],
                    "relabeling": {"host": "Base URL", "password": "API key"},
                    "placeholders": {"host": "https://console.mixroute.io", "password": "sk-..."},
                },
                "conn-fields": {
                    "connect_timeout": _field(
                        "Connect timeout (s)", "Seconds to wait for a connection. Default 10.", "number"
                    ),
                    "read_timeout": _field(
                        "Read timeout (s)", "Seconds without a byte before a request fails. Default 60.", "number"
                    ),
                    "proxy": _field(
                        "Proxy",
                        "URL of an HTTP proxy. Default: the environment's HTTPS_PROXY and NO_PROXY.",
                        "string",
                    ),
                    "ca_bundle": _field("CA bundle", "Path of a PEM file with the certificates to trust.", "string"),
                    "allowed_result_hosts": _field(
                        "Allowed result hosts",
                        "Comma-separated host names that result links may name although their address is "
                        "private or their scheme is http.",
                        "string",
                    ),
                    "last_frame_field": _field(
                        "Wire name of the last frame",
                        "lastFrameImage (default); some gateways of the family read lastFrame.",
                        "string",
                        enum=["lastFrameImage", "lastFrame"],
                        default="lastFrameImage",
                    ),
                    "prices": _field(
                        "Prices",
                        "US dollars per second of video, for estimates: an object of model ids and prices. A price is "
                        'a number, {"audio": ..., "no_audio": ...}, or {"720p": ..., "1080p": ...} of these.',
                        "object",
                    ),
                    "max_concurrent_polls": _field(
                        "Polls at a time",
                        "How many polls a triggerer has on their way at a time. Default 64.",
                        "number",
                    ),
                },
            }
        ],
    }
