"""The work folder of a render, `NAME.part/` beside its output: all that is needed to go on.

It is the only thing that an interrupted render leaves; the movie so far lies in it, playable.
"""

from __future__ import annotations

import errno
import itertools
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import ResumeError, SinkError
from engine.export.state_file import load_state, save_state, sync_file
from engine.sinks.movie_file import writing_failed

_OURS = re.compile(
    r"(settings\.json|state\.npz)(\.new)?|(segment-\d{5,}|sound|joined|so-far)\.(mp4|mov|mkv)"
    r"|\.DS_Store|Thumbs\.db|desktop\.ini"  # what file managers leave in any folder they show
)

LEAST_FREE_BYTES = 48 * 1024
"""With less free a disk counts as full."""

logger = logging.getLogger(__name__)


class WorkFolder:
    """Closed video segments, the sound, the settings, and the state after the last saved frame.

    Only files that a render has made are ever deleted. Every method raises `SinkError` when the
    disk does not do as it is told.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output.with_name(f"{output.stem}.part")
        self.part_movie = self.path / f"so-far{output.suffix}"
        self.sound = self.path / "sound.mp4"
        self.joined = self.path / f"joined{output.suffix}"
        self._settings = self.path / "settings.json"
        self._state = self.path / "state.npz"

    @property
    def resumable(self) -> bool:
        """True when something is there to go on from."""
        return self._state.exists() and self._settings.exists()

    @property
    def aside(self) -> Path:
        """Where an interrupted render goes when another one begins: `NAME.part-1`, -2, ..."""
        numbers = itertools.count(1)
        names = (self.path.with_name(f"{self.path.name}-{number}") for number in numbers)
        return next(name for name in names if not name.exists())

    def check_space(self) -> None:
        """Raise `SinkError` when the disk is full: an encoder may notice it only at its end."""
        if shutil.disk_usage(self.path).free < LEAST_FREE_BYTES:
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise writing_failed(self.path, full)

    def room_for(self, size_bytes: int) -> bool:
        """True when a saved state of this size leaves room for the video, too."""
        return shutil.disk_usage(self.path).free > 4 * size_bytes

    def segment(self, index: int) -> Path:
        """Return the file of a segment."""
        return self.path / f"segment-{index:05d}.mp4"

    def create(self) -> None:
        """Make it, or leave it as it is: finds out whether one may write there."""
        try:
            self.path.mkdir(exist_ok=True)
            foreign = [e.name for e in self.path.iterdir() if not _OURS.fullmatch(e.name)]
        except OSError as error:
            raise writing_failed(self.output, error) from error
        if foreign and not self._settings.exists():
            raise SinkError(
                f"cannot work in {self.path}: it holds other things, such as {min(foreign)}; "
                "move them away or choose another name for the video"
            )

    def begin(self, settings: Mapping[str, str]) -> None:
        """Note the settings of a new render; one that could be resumed is set aside, not lost."""
        try:
            if self.resumable:
                self.path.rename(self.aside)
                self.path.mkdir()
            self._delete_files()
            self._settings.write_text(json.dumps(settings, indent=1), encoding="utf-8")
            sync_file(self._settings)
        except OSError as error:
            raise writing_failed(self._settings, error) from error

    def settings(self) -> dict[str, str]:
        """Return the settings of the render that began here. Raises `ResumeError`."""
        try:
            settings: dict[str, str] = json.loads(self._settings.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ResumeError(
                f"cannot continue: {self._settings} is damaged; leave out --resume to begin anew"
            ) from error
        return settings

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state at once, whatever happens meanwhile."""
        try:
            save_state(self._state, state)
        except OSError as error:
            raise writing_failed(self._state, error) from error

    def load(self, frames_each: int) -> dict[str, Any] | None:
        """Return the last saved state, None without one. Raises `ResumeError`."""
        state = load_state(self._state) if self.resumable else None
        if state is not None:
            for index in range(state["frames_done"] // frames_each):
                file = self.segment(index)
                if not file.exists() or file.stat().st_size == 0:
                    raise ResumeError(
                        f"cannot continue: {file} is missing; leave out --resume to begin anew"
                    )
        return state

    def publish(self, target: Path) -> None:
        """Give the joined movie its name, at once."""
        try:
            sync_file(self.joined)
            self.joined.replace(target)
        except OSError as error:
            raise writing_failed(target, error) from error

    def remove(self) -> None:
        """Delete what a render has made here, and the folder unless it holds other things."""
        if not self.path.is_dir():
            return
        try:
            self._delete_files()
            self.path.rmdir()
        except OSError as error:  # the video is there all the same
            logger.warning("cannot remove %s: %s", self.path, error.strerror)

    def _delete_files(self) -> None:
        self._state.unlink(missing_ok=True)  # first: without it the rest means nothing
        for file in self.path.iterdir():
            if _OURS.fullmatch(file.name):
                file.unlink()
