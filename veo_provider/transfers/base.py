# SPDX-License-Identifier: Apache-2.0
"""What storing a video is, whatever the store: find out what is there, write, check, tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, Asset, BaseOperator, XComArg

from veo_provider.api.result import MAX_VIDEO_BYTES
from veo_provider.api.text import mapping, printable
from veo_provider.exceptions import (
    VeoDeadlineError,
    VeoDestinationError,
    VeoError,
    VeoMediaError,
    VeoNotFoundError,
    VeoResultGoneError,
    VeoStorageError,
    VeoValidationError,
)
from veo_provider.operators.checks import check_choices, check_flags, check_generation_id
from veo_provider.operators.links import VeoVideosLink
from veo_provider.operators.xcoms import VIDEOS_XCOM
from veo_provider.transfers import manifest
from veo_provider.transfers.asked import find_facts
from veo_provider.transfers.lineage import (
    FOLDER,
    add_events,
    add_hook_lineage,
    asset_for,
    check_asset,
    open_lineage,
)
from veo_provider.transfers.media import is_installed
from veo_provider.transfers.stored import Destination, Found, Marks, StoredVideo, name_for
from veo_provider.transfers.storing import MediaCheck, Storing

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from veo_provider.api.generation import Generation
    from veo_provider.hooks.veo import VeoHook


class VeoTransferOperator(BaseOperator):
    """
    Store the videos of a finished generation; its subclasses know the stores.

    :param generation_id: the generation (templated).
    :param veo_conn_id: the connection, of type ``veo`` (templated).
    :param max_bytes: a larger video is refused.
    :param asset: what the events of an alias are about: ``"folder"``, ``"object"``, a URI (templated) or an asset.
    :param write_manifest: whether a document with the facts is stored beside each video.
    :param verify_media: what follows if a video isn't what was asked for: ``"warn"``, ``"fail"`` or ``"off"``.
    :param write_poster: whether the first picture is stored beside each video.
    """

    template_fields: Sequence[str] = ("generation_id", "veo_conn_id", "asset")
    operator_extra_links = (VeoVideosLink(),)
    ui_color = "#e6f4ea"

    overwrite_argument: str
    """The argument that allows another object to be replaced."""

    def __init__(
        self,
        *,
        generation_id: str | XComArg,
        veo_conn_id: str = "veo_default",
        max_bytes: int = MAX_VIDEO_BYTES,
        asset: str | Asset = FOLDER,
        write_manifest: bool = False,
        verify_media: str = "warn",
        write_poster: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Rendering leaves text in the place of another task's output.
        self.generation_id: str = generation_id  # type: ignore[assignment]
        self.veo_conn_id = veo_conn_id
        self.max_bytes = max_bytes
        self.asset = asset
        self.write_manifest = write_manifest
        self.verify_media = verify_media
        self.write_poster = write_poster
        self._videos: list[StoredVideo] = []

    @cached_property
    def hook(self) -> VeoHook:
        """The hook to the gateway."""
        from veo_provider.hooks.veo import VeoHook

        return VeoHook(self.veo_conn_id)

    def execute(self, context: Context) -> list[str]:
        """Store the videos; return their URIs."""
        flags = {name: getattr(self, name) for name in (self.overwrite_argument, "write_manifest")}
        problems = [*self._problems(), *check_flags(**flags), *self._media_problems()]
        with _naming(str(self.generation_id)):
            problems += self.destination_problems()
        if problems:
            raise VeoValidationError("; ".join(problems))
        self.generation_id = str(self.generation_id).strip()
        self._videos = []
        with closing(self.hook), _naming(self.generation_id):
            failure = self._store_all(self.destination(), context)
        # The page in Airflow's UI fetches them by the same connection.
        stored = [{**video.as_dict(), "conn_id": self.store_conn_id} for video in self._videos]
        context["ti"].xcom_push(key=VIDEOS_XCOM, value=stored)
        if failure:
            raise failure.about(self.generation_id)
        add_events(context, self.outlets, self._videos, self.asset)
        return [video.uri for video in self._videos]

    def get_openlineage_facets_on_complete(self, _: Any) -> OperatorLineage[Any, Any]:
        """Name the stored objects, which are known only now. After a failure it is asked for, too."""
        return open_lineage(self._videos)

    def destination_problems(self) -> list[str]:
        """Return what is wrong with the arguments that say where to."""
        raise NotImplementedError

    def destination(self) -> Destination:
        """Return the store."""
        raise NotImplementedError

    @property
    def store_conn_id(self) -> str | None:
        """Airflow's connection to the store."""
        raise NotImplementedError

    @property
    def pattern(self) -> str:
        """The name of a video, before its index is put in."""
        raise NotImplementedError

    def _problems(self) -> list[str]:
        problems = [*check_asset(self.asset), *check_generation_id(self.generation_id)]
        limit: Any = self.max_bytes
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            problems.append(f"max_bytes must be a whole number of bytes above 0, not {limit!r}")
        return problems

    def _media_problems(self) -> list[str]:
        problems = check_choices(verify_media=(self.verify_media, "warn", "fail", "off"))
        if self.write_poster is not None:
            problems += check_flags(write_poster=self.write_poster)
        wanting = [
            name
            for name, wants in (
                ("verify_media='fail'", self.verify_media == "fail"),
                ("write_poster", self.write_poster),
            )
            if wants and not is_installed()
        ]
        if wanting:
            problems.append(
                f"{' and '.join(wanting)}: PyAV isn't on this worker, or doesn't load: pip install "
                "'airflow-provider-veo[media]' there"
            )
        return problems

    def _store_all(self, destination: Destination, context: Context) -> VeoMediaError | None:
        """Store all videos; return what the task is to fail with, if they aren't what was asked for."""
        finished, count = self._finished(destination)
        names = [name_for(self.pattern, index, count) for index in range(count)]
        marks = [self._marks(context, index, count) for index in range(count)]
        found = [destination.find(name) for name in names]
        # Everything that could refuse, before the first byte is written.
        refusals = [
            self._refusal(destination.uri(name), there)
            for name, mark, there in zip(names, marks, found, strict=True)
            if there and not self.overwrites and not mark.same_video(there.marks) and not mark.same_task(there.marks)
        ]
        if self.write_manifest and not self.overwrites:
            refusals += manifest.refusals(destination, names)
        if refusals:
            raise VeoDestinationError("; ".join(refusals), generation_id=self.generation_id)
        for name in names:
            asset_for(self.asset, destination.uri(name))
        verifies = self.verify_media != "off" and is_installed()
        facts: Mapping[str, Any] = {}
        if verifies or self.write_manifest:
            facts = find_facts(context["ti"], self.upstream_task_ids, self.generation_id, self.log)
        check = MediaCheck(
            verifies=verifies,
            fails=self.verify_media == "fail",
            poster=is_installed() if self.write_poster is None else self.write_poster,
            asked=mapping(facts.get("request")),
        )
        open_video = partial(self.hook.open_video, self.generation_id, max_bytes=self.max_bytes, known=finished)
        storing = Storing(destination, open_video, check, overwrites=self.overwrites, log=self.log)
        for one in zip(names, marks, found, strict=True):
            if video := storing.keep(*one):
                # One by one: a failure reports those before it to OpenLineage.
                self._videos.append(video)
                add_hook_lineage(self, video.uri)
        if self.write_manifest:
            kept = [(names[video.index], marks[video.index], video) for video in self._videos]
            manifest.write_manifests(destination, kept, facts)
        return storing.failure()

    @property
    def overwrites(self) -> bool:
        """Whether another object may be replaced."""
        return bool(getattr(self, self.overwrite_argument))

    def _finished(self, destination: Destination) -> tuple[Generation | None, int]:
        """Return the generation, if the gateway still has it, and how many videos there are."""
        try:
            generation = self.hook.get_finished(self.generation_id)
            return generation, len(generation.videos)
        except (VeoResultGoneError, VeoNotFoundError):
            # The gateway forgets; what an earlier try stored is still there.
            for name in {name_for(self.pattern, 0, count) for count in (1, 2)}:
                there = destination.find(name)
                if there and there.marks and there.marks.generation_id == self.generation_id:
                    self.log.info("The gateway no longer has generation %s; it was stored", self.generation_id)
                    return None, there.marks.count
            raise

    def _marks(self, context: Context, index: int, count: int) -> Marks:
        ti = context["ti"]
        map_index = getattr(ti, "map_index", None)
        return Marks(
            generation_id=self.generation_id,
            index=index,
            count=count,
            dag_id=ti.dag_id,
            task_id=ti.task_id,
            run_id=ti.run_id,
            map_index=-1 if map_index is None else map_index,
        )

    def _refusal(self, uri: str, there: Found) -> str:
        whose = "something that isn't a video of this provider" + (", nor facts of one" if there.uri else "")
        if there.marks:
            mark = there.marks
            mapped = f", map index {mark.map_index}" if mark.map_index >= 0 else ""
            whose = (
                f"video {mark.index} of generation {mark.generation_id}, stored by {mark.dag_id}.{mark.task_id} "
                f"in {mark.run_id}{mapped}"
            )
        return (
            f"{there.uri or uri} holds {whose}. Choose a name that every run and every map index has for itself (with "
            "{{ run_id }} or {{ ti.map_index }}), remove what is there, or allow it to be replaced with "
            f"{self.overwrite_argument}=True"
        )


@contextmanager
def _naming(generation_id: str) -> Iterator[None]:
    """Let whatever is raised be one of our exceptions, which name the generation."""
    try:
        yield
    except VeoError as error:
        error.about(generation_id)
        raise
    except AirflowTaskTimeout as error:
        raise VeoDeadlineError(
            "The task's execution_timeout came while the video was being stored; nothing partial is left",
            generation_id=generation_id,
        ) from error
    except Exception as error:
        # A store's client raises classes of its own, and often the next try goes well.
        raise VeoStorageError(
            f"The store failed or refused: {printable(f'{type(error).__name__}: {error}')}. Check the destination, its "
            "connection and its rights. The generation isn't touched by that, but the gateway keeps its video for a "
            "short time only",
            generation_id=generation_id,
        ) from error
