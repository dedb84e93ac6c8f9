# SPDX-License-Identifier: Apache-2.0
"""What needs no server; the rest is in tests/integration/transfers."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from tests.unit.transfers.fakes import FakeHook, run
from veo_provider.exceptions import VeoValidationError
from veo_provider.transfers.s3 import _ascii
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator


def transfer(**arguments: Any) -> VeoToS3Operator:
    given = {"task_id": "store", "generation_id": "task_1", "s3_key": "s3://bucket/a.mp4", **arguments}
    return VeoToS3Operator(**given)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"s3_key": "a.mp4"}, "s3_bucket is missing"),
        ({"s3_key": ""}, "s3_key must name an object"),
        ({"s3_key": None}, "s3_key must name an object"),
        ({"s3_key": "s3://bucket/films/"}, "s3_key must name an object"),
        ({"s3_key": "s3://bucket"}, "s3_key must name an object"),
        ({"s3_key": "s3://bucket/take?1.mp4"}, r"everything after the '\?' would be lost"),
        ({"s3_key": 7}, "s3_key must be text, not 7"),
        ({"s3_key": ["s3://bucket/a.mp4"]}, "s3_key must be text"),
        ({"s3_key": "a.mp4", "s3_bucket": 7}, "s3_bucket must be text"),
        ({"acl_policy": True}, "acl_policy must be text"),
        ({"extra_args": {7: "x", "No": 1}}, "boto3 doesn't take 7, No"),
        ({"encrypt": "False"}, "encrypt: 'False' is neither True nor False"),
        ({"replace": 1}, "replace: 1 is neither True nor False"),
        ({"s3_key": "gs://bucket/a.mp4"}, "s3_key: "),
        ({"s3_key": "s3://other/a.mp4", "s3_bucket": "bucket"}, "should be a relative path"),
        ({"extra_args": "x"}, "must be mappings"),
        ({"extra_args": {"Nonsense": 1}}, "boto3 doesn't take Nonsense"),
        ({"extra_args": {"Metadata": {}}}, "user metadata goes into the argument metadata"),
        ({"extra_args": {"ServerSideEncryption": "aws:kms"}, "encrypt": True}, "encrypt=True means SSE-S3"),
        ({"extra_args": {"ACL": "private"}, "acl_policy": "private"}, "either acl_policy or ACL"),
        ({"metadata": {"veo-index": "1"}}, "'veo-index' must be made of"),
        ({"metadata": {"Title": "1"}}, "'Title' must be made of"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(VeoValidationError, match=words):
        run(transfer(**arguments), FakeHook())


def test_all_in_one_error() -> None:
    with pytest.raises(VeoValidationError) as caught:
        run(transfer(generation_id=None, s3_key="s3://bucket/", extra_args={"No": 1}, metadata={"É": "1"}), FakeHook())
    assert str(caught.value).count(";") >= 3
    with pytest.raises(VeoValidationError) as caught:
        run(transfer(s3_key=7, encrypt="no", extra_args={"No": 1}), FakeHook())
    for words in ("s3_key must be text", "encrypt: 'no'", "doesn't take No"):
        assert words in str(caught.value)


def test_the_connection_may_name_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"service_config": {"s3": {"bucket_name": "ours"}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "extra": extra}))
    operator = transfer(s3_key="films/a.mp4")
    assert operator.destination_problems() == []
    assert operator.destination().uri(operator.pattern) == "s3://ours/films/a.mp4"


@pytest.mark.parametrize("text", ["plain", "two words", " odd  spaces ", "Grüße 你好", "50%", "a\nb", "a+b=c;d"])
def test_metadata_is_text_that_a_header_can_hold(text: str) -> None:
    held = _ascii(text)
    assert held.isascii()
    assert held.isprintable()
    assert held == " ".join(held.split())
    assert unquote(held) == text
    assert " " in held or " " not in text or text != " ".join(text.split())


def test_connections_are_templated() -> None:
    assert {"aws_conn_id", "veo_conn_id", "s3_key", "s3_bucket", "generation_id", "extra_args"} <= set(
        VeoToS3Operator.template_fields
    )
