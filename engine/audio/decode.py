"""`SoundReader`: samples out of a sound file or out of the sound of a video, as a stream."""

from __future__ import annotations

import logging
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from engine.audio.downmix import finite, to_stereo
from engine.errors import AudioFileError
from engine.messages import Float32

logger = logging.getLogger(__name__)

_CONTAINERS = frozenset(
    {
        ".mp4",
        ".m4a",
        ".m4v",
        ".mov",
        ".mkv",
        ".mka",
        ".webm",
        ".aac",
        ".avi",
        ".ts",
        ".wma",
        ".mp3",
    }
)
_BLOCK = 65536
_REMEDY = "choose a WAV, FLAC, OGG, MP3, M4A, MP4, MKV or WEBM file"
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 192_000
"""What the analysis takes (`engine.analysis.analyzer`); telephone to studio."""
_MAX_ABS = 64.0  # float files may hold anything; beyond this it is damage, not sound


class Decoder(Protocol):
    """One file format family behind `SoundReader`: native channels, float32."""

    sample_rate: int
    channels: int
    duration_s: float
    note: str

    def read(self, n: int) -> Float32:
        """Return at most `n` samples `(m, channels)`; empty at the end."""
        ...

    def seek(self, sample: int) -> None:
        """Make `sample` the next one read."""
        ...

    def close(self) -> None:
        """Free the file; idempotent."""
        ...


class SoundReader:
    """Streaming reader of one file; always yields two channels. One thread at a time.

    Raises `AudioFileError` (one line with the remedy) when nothing can be read; a file that breaks
    off is read as far as it goes and `note` says so.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.replaced = 0
        """Non-finite samples replaced by 0 so far."""
        self._decoder = _open(self.path)
        self._position = 0
        self._ended_at: int | None = None
        try:
            self._require_sound()
        except BaseException:
            self._decoder.close()
            raise

    @property
    def sample_rate(self) -> int:
        """Samples per second of the file."""
        return self._decoder.sample_rate

    @property
    def channels(self) -> int:
        """Channels in the file; what `read` returns always has two."""
        return self._decoder.channels

    @property
    def duration_s(self) -> float:
        """Length in seconds: exact once the end was met, before that what the file claims."""
        if self._ended_at is not None:
            return self._ended_at / self.sample_rate
        return self._decoder.duration_s

    @property
    def position(self) -> int:
        """Index of the next sample to be read."""
        return self._position

    @property
    def note(self) -> str:
        """One line when the file is damaged but playable, else empty."""
        if self.replaced:
            return f"{self.path.name}: {self.replaced} samples are not numbers and play as silence"
        return self._decoder.note

    def read(self, n: int) -> Float32:
        """Return the next at most `n` samples, shape `(m, 2)` float32; empty at the end."""
        block, replaced = finite(self._decoder.read(n))
        self.replaced += replaced
        self._position += block.shape[0]
        if block.shape[0] == 0 and n > 0:
            self._ended_at = self._position
        return np.clip(to_stereo(block), -_MAX_ABS, _MAX_ABS)

    def seek(self, sample: int) -> None:
        """Go to a sample index; clamped to the file."""
        last = max(0, round(self.duration_s * self.sample_rate))
        self._position = min(max(0, sample), last)
        self._decoder.seek(self._position)

    def read_all(self) -> Float32:
        """Return everything from here to the end, shape `(n, 2)` float32."""
        blocks = []
        while (block := self.read(_BLOCK)).shape[0]:
            blocks.append(block)
        return np.concatenate(blocks) if blocks else np.zeros((0, 2), np.float32)

    def close(self) -> None:
        """Free the file; idempotent."""
        self._decoder.close()

    def __enter__(self) -> SoundReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _require_sound(self) -> None:
        if not LOWEST_RATE_HZ <= self.sample_rate <= HIGHEST_RATE_HZ:
            raise AudioFileError(
                f"{self.path.name} has {self.sample_rate} samples per second, outside "
                f"{LOWEST_RATE_HZ}..{HIGHEST_RATE_HZ}: convert it to 48000"
            )
        if self._decoder.read(1).shape[0] == 0:
            raise AudioFileError(
                f"{self.path.name} holds no samples ({self.path.stat().st_size} bytes): {_REMEDY}"
            )
        self._decoder.seek(0)


def _open(path: Path) -> Decoder:
    from engine.audio.container import ContainerDecoder

    _require_file(path)
    if path.suffix.lower() in _CONTAINERS:
        return ContainerDecoder(path)
    plain = _open_plain(path)
    return plain if plain is not None else ContainerDecoder(path)


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise AudioFileError(f"{path} is a folder, not a sound file: {_REMEDY}")
    if not path.is_file():
        raise AudioFileError(f"there is no file {path}: check the path")
    try:
        if path.stat().st_size == 0:
            raise AudioFileError(f"{path.name} is empty (0 bytes): {_REMEDY}")
        with path.open("rb"):
            pass
    except OSError as error:
        raise AudioFileError(f"{path} cannot be read: {error.strerror}") from error


def _open_plain(path: Path) -> Decoder | None:
    import soundfile

    from engine.audio.plain import PlainDecoder

    try:
        return PlainDecoder(path)
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: MP3, .raw
        logger.debug("libsndfile refuses %s: %s", path, error)
        return None
