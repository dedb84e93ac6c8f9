# SPDX-License-Identifier: Apache-2.0
"""Who is told of stored videos: assets and their events, hook lineage, OpenLineage."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.providers.common.compat.sdk import Asset, AssetAlias

from veo_provider.api.locations import dataset_of
from veo_provider.operators.xcoms import VIDEOS_XCOM
from veo_provider.transfers.stored import StoredVideo, folder_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

FOLDER, OBJECT = "folder", "object"
# A MySQL database takes only ASCII in an asset's URI, and Airflow cuts off what looks like a fragment.
_SAFE = "".join(sorted(set(string.printable) - set("#?\t\n\r\x0b\x0c")))


def check_asset(asset: Any) -> list[str]:
    """Return what is wrong with a transfer's ``asset`` argument."""
    if isinstance(asset, Asset) or asset in (FOLDER, OBJECT) or (isinstance(asset, str) and "://" in asset):
        return []
    return [f"asset must be {FOLDER!r}, {OBJECT!r}, a URI or an Asset, not {asset!r}"]


def asset_for(asset: str | Asset, uri: str) -> Asset:
    """
    Return the asset that an alias's event is about.

    :param asset: the transfer's ``asset`` argument.
    :param uri: where the video is.
    """
    if isinstance(asset, Asset):
        return asset
    chosen = folder_of(uri) if asset == FOLDER else uri if asset == OBJECT else asset
    return Asset(uri=quote(chosen, safe=_SAFE))


def add_events(context: Context, outlets: Iterable[Any], videos: Sequence[StoredVideo], asset: str | Asset) -> None:
    """
    Hand the facts to the task's outlets: one event per asset, with the list of its videos as extra.

    Of two events that one task adds for the same asset, a DAG that is scheduled by it gets only the first:
    Airflow 3.3 queues the run with the first one's time and hands over what isn't younger.
    """
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            by_asset: dict[str, list[StoredVideo]] = {}
            for video in videos:
                by_asset.setdefault(asset_for(asset, video.uri).uri, []).append(video)
            for group in by_asset.values():
                place = asset_for(asset, group[0].uri)
                context["outlet_events"][outlet].add(place, extra=_extra(group))
        elif isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update(_extra(videos))


def _extra(videos: Iterable[StoredVideo]) -> dict[str, Any]:
    return {VIDEOS_XCOM: [video.as_dict() for video in videos]}


def add_hook_lineage(context: Any, uri: str) -> None:
    """
    Tell Airflow's hook lineage collector that an object is an output of this task.

    :param context: what wrote it.
    :param uri: where it is.
    """
    get_hook_lineage_collector().add_output_asset(context=context, uri=quote(uri, safe=_SAFE))


def open_lineage(videos: Iterable[StoredVideo]) -> OperatorLineage[Any, Any]:
    """Name the stored objects in OpenLineage's way, with their sizes."""
    from airflow.providers.common.compat.openlineage.facet import OutputDataset, OutputStatisticsOutputDatasetFacet
    from airflow.providers.openlineage.extractors import OperatorLineage

    outputs = []
    for video in videos:
        namespace, name = dataset_of(video.uri)
        size = OutputStatisticsOutputDatasetFacet(size=video.size, fileCount=1)
        outputs.append(OutputDataset(namespace, name, outputFacets={"outputStatistics": size}))
    return OperatorLineage(outputs=outputs)
