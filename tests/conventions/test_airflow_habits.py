# SPDX-License-Identifier: Apache-2.0
"""What Airflow's users and committers expect of every operator, sensor, transfer and trigger."""

from __future__ import annotations

import importlib
import inspect
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.providers.common.compat.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger

from veo_provider import compat
from veo_provider.get_provider_info import get_provider_info
from veo_provider.hooks.connection import DEFAULT_BASE_URL, EXTRAS
from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.sensors.veo import VeoGenerationSensor
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator
from veo_provider.triggers.veo import VeoGenerationTrigger

OPERATORS: list[type[BaseOperator]] = [
    VeoGenerateOperator,
    VeoGenerationSensor,
    VeoToS3Operator,
    VeoToObjectStorageOperator,
]
TRIGGERS: list[type[BaseTrigger]] = [VeoGenerationTrigger]


def _parameters(cls: type) -> list[str]:
    """List the parameters that are ours: those of the class and of its own bases in this package."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    ours = [base for base in cls.__mro__ if base.__module__.startswith("veo_provider.")]
    signatures = [inspect.signature(base.__init__).parameters for base in ours]  # type: ignore[misc]
    found = [name for parameters in signatures for name, parameter in parameters.items() if parameter.kind in kinds]
    return [name for name in dict.fromkeys(found) if name != "self"]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_serialize_forgets_nothing(trigger: type[BaseTrigger]) -> None:
    values: dict[str, Any] = {name: f"value of {name}" for name in _parameters(trigger)}
    path, kwargs = trigger(**values).serialize()
    assert kwargs == values
    module, _, name = path.rpartition(".")
    assert getattr(importlib.import_module(module), name) is trigger


@pytest.mark.parametrize("operator", OPERATORS)
def test_connection_ids_are_templated_and_keys_are_not(operator: type[BaseOperator]) -> None:
    ids = [name for name in _parameters(operator) if name.endswith("conn_id")]
    assert "veo_conn_id" in ids
    assert set(ids) <= set(operator.template_fields)
    assert not [name for name in operator.template_fields if "key" in name.split("_") and name != "s3_key"]


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_parameter_is_documented_and_says_if_it_is_templated(operator: type[BaseOperator]) -> None:
    doc = inspect.getdoc(operator) or ""
    entries = {part.split(":")[0].strip(): part for part in doc.split(":param ")[1:]}
    for name in _parameters(operator):
        assert name in entries, f"{name} is not documented"
        assert ("(templated" in entries[name]) == (name in operator.template_fields), name


@pytest.mark.parametrize("operator", OPERATORS)
def test_template_fields_are_attributes_and_parameters(operator: type[BaseOperator]) -> None:
    assert set(operator.template_fields) <= set(_parameters(operator))


def test_the_metadata_is_what_airflow_wants() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    info = get_provider_info()
    jsonschema.validate(info, schema)
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for entry in info[kind]:
            for module in entry["python-modules"]:
                importlib.import_module(module)
    for transfer in info["transfers"]:
        importlib.import_module(transfer["python-module"])
    for path in [*info["extra-links"], info["connection-types"][0]["hook-class-name"]]:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name)


# Airflow 3.0 has no fields of any provider without the FAB provider, which brings wtforms.
@pytest.mark.skipif(compat.AIRFLOW <= (3, 0) and not find_spec("wtforms"), reason="no wtforms")
@pytest.mark.skipif(compat.AIRFLOW < (3, 0), reason="the form is made of other parts")
def test_the_connection_form() -> None:
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    [veo] = [meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "veo"]
    assert veo.standard_fields is not None
    assert veo.standard_fields.host is not None
    assert veo.standard_fields.host.placeholder == DEFAULT_BASE_URL
    assert veo.standard_fields.password is not None
    assert veo.standard_fields.password.title == "API key"
    for hidden in (veo.standard_fields.login, veo.standard_fields.port, veo.standard_fields.url_schema):
        assert hidden is not None
        assert hidden.hidden
    assert veo.extra_fields is not None
    assert set(veo.extra_fields) == set(EXTRAS)


@pytest.mark.skipif(compat.AIRFLOW >= (3, 0), reason="the form is made of other parts")
def test_the_connection_form_of_airflow_2() -> None:
    from airflow.providers_manager import ProvidersManager

    manager: Any = ProvidersManager()
    assert {name for name in manager.connection_form_widgets if "__veo__" in name} == {
        f"extra__veo__{name}" for name in EXTRAS
    }
    assert manager.field_behaviours["veo"]["placeholders"]["host"] == DEFAULT_BASE_URL


def test_the_hook_says_the_same_of_the_form_as_the_metadata() -> None:
    from veo_provider.hooks.veo import VeoHook

    behaviour = VeoHook.get_ui_field_behaviour()
    assert behaviour["placeholders"]["host"] == DEFAULT_BASE_URL
    assert set(behaviour) == {"hidden_fields", "relabeling", "placeholders"}
