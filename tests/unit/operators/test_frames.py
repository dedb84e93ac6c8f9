# SPDX-License-Identifier: Apache-2.0
"""Frames in the user's storage: what is said of one that can't be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from tests.unit.api.test_request import BASE
from veo_provider.api.request import RequestError, parse_request
from veo_provider.exceptions import VeoStorageError
from veo_provider.operators import frames
from veo_provider.operators.frames import read_frames

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


class Storage:
    """A storage whose every path fails as told."""

    failure: Exception

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def open(self, _mode: str) -> Any:
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (FileNotFoundError(2, "No such file", "s3://key:S3CRET@b/k.png"), "FileNotFoundError (No such file"),
        (FileNotFoundError("https://b.example/k.png?X-Amz-Signature=S3CRET"), "FileNotFoundError."),
        # s3fs raises it also for ExpiredToken and RequestTimeTooSkewed.
        (PermissionError(13, "S3CRET"), "PermissionError (Permission denied)"),
        (OSError("S3CRET", "S3CRET"), "OSError."),
        (RuntimeError("The conn_id `key:S3CRET` isn't defined"), "RuntimeError."),
        # Said also of a connection that can't be read just now.
        (AirflowNotFoundException("The conn_id `S3CRET` isn't defined"), "AirflowNotFoundException."),
    ],
)
def test_what_cannot_be_read_is_said_without_a_secret(
    failure: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Storage, "failure", failure, raising=False)
    monkeypatch.setattr(frames, "ObjectStoragePath", Storage)
    request = parse_request(BASE | {"image": "s3://conn_id@b/k.png?versionId=S3CRET"})
    lasts = isinstance(failure, FileNotFoundError)
    with pytest.raises(RequestError if lasts else VeoStorageError) as caught:
        read_frames(request)
    problem = str(caught.value)
    assert "not sent: image: 's3://conn_id@b/k.png?...' can't be read: " in problem
    assert words in problem
    assert "S3CRET" not in problem
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_each_frame_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    stored = {"image": f" file://{tmp_path}/a.png", "last_frame_image": f"file://{tmp_path}/nowhere.png"}
    with pytest.raises(RequestError) as caught:
        read_frames(parse_request(BASE | stored))
    [problem] = caught.value.problems
    assert problem.startswith("last_frame_image: 'file:///")
    assert "No such file or directory" in problem
