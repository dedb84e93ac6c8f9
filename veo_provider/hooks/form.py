# SPDX-License-Identifier: Apache-2.0
"""The connection form for the Airflow versions that ask the hook for it; later ones read the provider's metadata."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from veo_provider.get_provider_info import get_provider_info


def behaviour() -> dict[str, Any]:
    """Return what becomes of Airflow's own fields."""
    named = _metadata()["ui-field-behaviour"]
    return {name.replace("-", "_"): value for name, value in named.items()}


def widgets() -> dict[str, Any]:
    """Return the fields of ours. All are text: each is checked when the connection is used."""
    from wtforms import StringField
    from wtforms.validators import Optional, any_of

    widget = None
    # Airflow 3 makes do without it, and Airflow 2's form needs it to look like the other fields.
    with suppress(ImportError):
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget

        widget = BS3TextFieldWidget()
    fields = {}
    for name, field in _metadata()["conn-fields"].items():
        choice = [any_of(field["schema"]["enum"])] if "enum" in field["schema"] else []
        fields[name] = StringField(
            field["label"],
            validators=[Optional(), *choice],
            description=field["description"],
            default=field["schema"].get("default"),
            widget=widget,
        )
    return fields


def _metadata() -> Any:
    return get_provider_info()["connection-types"][0]
