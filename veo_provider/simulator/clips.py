# SPDX-License-Identifier: Apache-2.0
"""Keeps drawn clips on disk and draws the missing ones beside the event loop."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from veo_provider.simulator.drawing import Picture, draw


def default_cache_dir() -> Path:
    """Return the user's own cache folder, or the system's temporary one where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base) / "veo-simulator"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.gettempdir()) / f"veo-simulator-{os.getuid()}"


class ClipCache:
    """
    Clips by what they show. Processes may share the folder: a file appears there complete or not at all.

    :param folder: where the clips are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._clips: dict[Picture, Future[Path]] = {}
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="veo-simulator-drawing")

    def clip(self, picture: Picture) -> Future[Path]:
        """
        Return the clip, perhaps still being drawn.

        :param picture: what it shows.
        """
        if picture not in self._clips:
            path = self.folder / picture.file_name
            if path.exists():
                self._clips[picture] = Future()
                self._clips[picture].set_result(path)
            else:
                self._clips[picture] = self._pool.submit(self._draw, picture, path)
        return self._clips[picture]

    def _draw(self, picture: Picture, path: Path) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".drawing-", suffix=".mp4")
        os.close(handle)
        try:
            draw(picture, Path(name), lambda: not self._stopping.is_set())
            os.replace(name, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        return path

    def close(self) -> None:
        """Stop drawing and end the thread."""
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)
