# SPDX-License-Identifier: Apache-2.0
"""Puts one video of a generation into its place, or knows it there; and looks at what it is."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from veo_provider.api.text import printable
from veo_provider.exceptions import VeoMediaError, VeoStorageError
from veo_provider.operators.metrics import Metrics
from veo_provider.transfers.ahead import ReadAhead
from veo_provider.transfers.asked import differences
from veo_provider.transfers.media import Ends
from veo_provider.transfers.posters import write_poster
from veo_provider.transfers.stored import Destination, Found, Marks, StoredVideo, media_type

if TYPE_CHECKING:
    import logging

    from veo_provider.api.result import VideoStream


@dataclass(frozen=True)
class MediaCheck:
    """
    What is looked at in a video besides its bytes.

    :param verifies: whether it is compared with what was asked for.
    :param fails: whether the task fails if it differs.
    :param poster: whether its first picture is stored.
    :param asked: what was asked for, as in the XCom ``veo_generation``.
    """

    verifies: bool
    fails: bool
    poster: bool
    asked: Mapping[str, Any]

    def ends(self) -> Ends | None:
        """Return what looks at a video; ``None`` if nobody wants to know."""
        return Ends(poster=self.poster) if self.verifies or self.poster else None

    def differences(self, ends: Ends) -> list[str]:
        """Say in what a video isn't what was asked for."""
        return differences(ends.look, self.asked) if self.verifies else []


class Storing:
    """
    Stores a generation's videos for one try of a task.

    :param destination: the store.
    :param open_video: opens one of the videos by its index.
    :param check: what is looked at.
    :param overwrites: whether another object may be replaced.
    :param log: the task's logger.
    """

    def __init__(
        self,
        destination: Destination,
        open_video: Callable[[int], VideoStream],
        check: MediaCheck,
        *,
        overwrites: bool,
        log: logging.Logger | Any,
    ) -> None:
        self._destination = destination
        self._open_video = open_video
        self._check = check
        self._overwrites = overwrites
        self._log = log
        self.differing: list[str] = []
        """What was stored and isn't what was asked for, and why."""
        self.refused: list[str] = []
        """What was not stored, and why."""

    def keep(self, name: str, mark: Marks, there: Found | None) -> StoredVideo | None:
        """
        Make sure that a video is in its place, unless it must not take another's: then return ``None``.

        :param name: its name there.
        :param mark: what a later try is to know it by.
        :param there: what was found there.
        """
        ends = self._check.ends()
        if there and there.size and mark.same_video(there.marks):
            video = self._known(name, mark, there, ends)
        else:
            try:
                video = self._store(name, mark, there, ends)
            except VeoMediaError as error:
                # The generation's other videos are paid for, and their links die, too.
                self.refused.append(error.message)
                return None
        return self._looked_at(name, mark, video, ends) if ends else video

    def failure(self) -> VeoMediaError | None:
        """Return what the task is to fail with, once everything is stored that may be."""
        texts = self.refused
        if self.differing and self._check.fails:
            stored = (
                f"What is stored isn't what was asked for: {'. '.join(self.differing)}. The videos stay where they "
                "are. To go on with them, give verify_media='warn' and clear this task; for another video, which costs "
                "again, clear the task that generates it"
            )
            texts = [stored, *texts]
        return VeoMediaError(". ".join(texts)) if texts else None

    def _known(self, name: str, mark: Marks, there: Found, ends: Ends | None) -> StoredVideo:
        uri, sha256 = self._destination.uri(name), there.sha256
        if ends or not sha256:
            digest = hashlib.sha256()
            for chunk in self._destination.read(name):
                digest.update(chunk)
                if ends:
                    ends.feed(chunk)
            sha256 = digest.hexdigest()
        self._log.info("Video %d of generation %s is already at %s", mark.index, mark.generation_id, uri)
        return StoredVideo(uri, mark.index, there.size, sha256, there.content_type, mark.generation_id)

    def _store(self, name: str, mark: Marks, there: Found | None, ends: Ends | None) -> StoredVideo:
        started = time.monotonic()
        stream = self._open_video(mark.index)

        def at_end() -> None:
            self._look_again(name, mark, there)
            if ends and self._check.fails:
                self._refuse(name, there, ends)

        # A store completes nothing before its reader has learnt of the end.
        with ReadAhead(stream, at_end, *([ends.feed] if ends else [])) as source:
            self._destination.write(name, source, mark, there)
            video = StoredVideo(
                self._destination.uri(name),
                mark.index,
                source.size,
                source.sha256,
                media_type(source),
                mark.generation_id,
            )
        metrics = Metrics(mark)
        metrics.count("veo.stored")
        metrics.count("veo.stored_bytes", video.size)
        self._log.info(
            "Stored video %d of generation %s at %s: %d bytes, sha256 %s..., %.1f s",
            mark.index,
            mark.generation_id,
            video.uri,
            video.size,
            video.sha256[:12],
            time.monotonic() - started,
        )
        return video

    def _look_again(self, name: str, mark: Marks, there: Found | None) -> None:
        """Minutes may have passed: what another task stored in them must not be replaced unseen."""
        if self._overwrites:
            return
        now = self._destination.find(name)
        if now != there and not (now and mark.same_video(now.marks)):
            raise VeoStorageError(
                f"{self._destination.uri(name)} changed while the video was on its way: another task may write to the "
                "same name"
            )

    def _refuse(self, name: str, there: Found | None, ends: Ends) -> None:
        """Keep what is there by now: a video that isn't what was asked for must not take its place."""
        wrong = self._check.differences(ends)
        if wrong and (there or (self._overwrites and self._destination.find(name))):
            raise VeoMediaError(
                f"The video for {self._destination.uri(name)} isn't what was asked for: {'; '.join(wrong)}. It was not "
                "stored, because another object would have been replaced (verify_media='fail'). To store it all the "
                "same, give verify_media='warn' and clear this task while the gateway still has the video"
            )

    def _looked_at(self, name: str, mark: Marks, video: StoredVideo, ends: Ends) -> StoredVideo:
        """Add what was seen of a video, which is stored whatever that is."""
        if wrong := self._check.differences(ends):
            self.differing.append(f"{video.uri}: {'; '.join(wrong)}")
            self._log.warning("%s isn't what was asked for: %s", video.uri, "; ".join(wrong))
            Metrics(mark).count("veo.media_differs")
        return replace(video, media=ends.look.facts, poster=self._poster(name, mark, ends))

    def _poster(self, name: str, mark: Marks, ends: Ends) -> str | None:
        jpeg = ends.look.poster
        if jpeg is None:
            if self._check.poster:
                self._log.warning("%s gets no poster: %s", self._destination.uri(name), ends.look.problem)
            return None
        try:
            return write_poster(self._destination, name, mark, jpeg, overwrites=self._overwrites)
        except Exception as error:  # noqa: BLE001 - a picture less is no reason to fail a task that has paid
            self._log.warning("The poster couldn't be stored: %s", printable(f"{type(error).__name__}: {error}", 300))
            return None
