# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias

from tests.support.inside import outlet_events
from tests.unit.transfers.fakes import context_of
from veo_provider.transfers.lineage import add_events, asset_for, check_asset
from veo_provider.transfers.stored import StoredVideo

VIDEOS = [StoredVideo(f"s3://bucket/films/{i}.mp4", i, 10, "ab" * 32, "video/mp4", "task_1") for i in range(3)]


@pytest.mark.parametrize(
    ("asset", "uri"),
    [
        ("folder", "s3://bucket/films"),
        ("object", "s3://bucket/films/0.mp4"),
        ("s3://bucket/everything", "s3://bucket/everything"),
        (Asset(uri="s3://bucket/x"), "s3://bucket/x"),
    ],
)
def test_what_an_event_is_about(asset: Any, uri: str) -> None:
    assert check_asset(asset) == []
    assert asset_for(asset, VIDEOS[0].uri).uri == uri


@pytest.mark.parametrize("asset", ["", "prefix", None, 1])
def test_an_asset_that_is_none(asset: Any) -> None:
    assert "asset must be 'folder', 'object', a URI or an Asset" in check_asset(asset)[0]


def test_an_asset_uri_is_ascii_and_whole() -> None:
    assert asset_for("object", "s3://bucket/ü/a#b?.mp4").uri == "s3://bucket/%C3%BC/a%23b%3F.mp4"


def test_an_alias_gets_one_event_per_asset() -> None:
    context = context_of()
    alias = AssetAlias("films")
    add_events(context, [alias, "something else"], VIDEOS, "folder")
    events = outlet_events(context["outlet_events"])
    assert [event["extra"] for event in events] == [{"veo_videos": [video.as_dict() for video in VIDEOS]}]
    assert {event["uri"] for event in events} == {"s3://bucket/films"}
    assert {event["alias"] for event in events} == {"films"}


def test_an_alias_of_exact_objects_gets_one_event_per_video() -> None:
    context = context_of()
    add_events(context, [AssetAlias("films")], VIDEOS, "object")
    events = outlet_events(context["outlet_events"])
    assert [event["extra"] for event in events] == [{"veo_videos": [video.as_dict()]} for video in VIDEOS]
    assert [event["uri"] for event in events] == [video.uri for video in VIDEOS]


def test_an_asset_gets_the_list() -> None:
    context = context_of()
    asset = Asset("films")
    add_events(context, [asset], VIDEOS, "folder")
    (event,) = outlet_events(context["outlet_events"])
    assert event["extra"] == {"veo_videos": [video.as_dict() for video in VIDEOS]}
