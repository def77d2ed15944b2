"""Pictures and sound out of a file, small enough to measure (PyAV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.errors import AudioFileError, ScoreError

if TYPE_CHECKING:
    import av.container

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

SOUND_RATE_HZ = 22_050
LONG_SIDE_PX = 112
_MIN_SIDE_PX = 32


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono sound at `SOUND_RATE_HZ`; `start_s` is the time of its first sample."""

    samples: Float32
    start_s: float

    @property
    def end_s(self) -> float:
        """Time one past the last sample."""
        return self.start_s + len(self.samples) / SOUND_RATE_HZ


def decode_pictures(path: Path) -> Iterator[tuple[float, UInt8]]:
    """Time in seconds and RGB picture `(h, w, 3)`, the longer side at most 112 px, in order.

    ScoreError when the file cannot be read or holds no pictures.
    """
    import av

    with _open(path, ScoreError) as container:
        if not container.streams.video:
            raise ScoreError(f"{path} has no pictures: give a video file")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        step_s = float(1 / stream.average_rate) if stream.average_rate else 1.0 / 30.0
        last_s = -step_s
        try:
            for picture in container.decode(stream):
                time_s = picture.time if picture.time is not None else last_s + step_s
                last_s = float(time_s)
                width, height = _small(picture.width, picture.height)
                small = picture.reformat(width, height, "rgb24", interpolation="AREA")
                yield last_s, small.to_ndarray().astype(np.uint8, copy=False)
        except av.error.FFmpegError as error:
            raise ScoreError(
                f"{path} is damaged after {max(0.0, last_s):.1f} s: {error.strerror}"
            ) from error


def decode_sound(path: Path) -> Sound:
    """The first sound track of any audio or video file, mixed to mono.

    AudioFileError when the file cannot be read, has no sound track or holds no samples.
    """
    import av

    pieces: list[Float32] = []
    start_s: float | None = None
    with _open(path, AudioFileError) as container:
        if not container.streams.audio:
            raise AudioFileError(f"{path} has no sound: name a sound file with --audio.")
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE_HZ)
        try:
            for block in container.decode(audio=0):
                if start_s is None:
                    start_s = float(block.time or 0.0)
                pieces += [part.to_ndarray()[0] for part in resampler.resample(block)]
            pieces += [part.to_ndarray()[0] for part in resampler.resample(None)]
        except av.error.FFmpegError as error:
            raise AudioFileError(f"{path}: its sound is damaged: {error.strerror}") from error
    samples = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)
    if samples.size == 0:
        raise AudioFileError(f"{path} has a sound track with 0 samples: choose another file.")
    return Sound(np.nan_to_num(samples), start_s or 0.0)


def _open(
    path: Path, failure: type[ScoreError] | type[AudioFileError]
) -> av.container.InputContainer:
    import av

    if path.is_dir():
        raise failure(f"{path} is a folder: name a file.")
    if not path.is_file():
        raise failure(f"{path} does not exist: check the name.")
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise failure(
            f"{path} cannot be read as a media file ({error.strerror}): give a video such as .mp4"
        ) from error


def _small(width_px: int, height_px: int) -> tuple[int, int]:
    scale = min(1.0, LONG_SIDE_PX / max(width_px, height_px))
    return (
        max(_MIN_SIDE_PX, round(width_px * scale)),
        max(_MIN_SIDE_PX, round(height_px * scale)),
    )
