"""One movie file through PyAV: H.264 and AAC, playable at any moment of its making."""

from __future__ import annotations

import errno
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import SinkError
from engine.messages import Float32, Uint8

if TYPE_CHECKING:
    import av

CONTAINERS = {
    # Fragments while it grows (a kill costs a second), an ordinary file once it is closed. The
    # moov atom is delayed until the first AAC packet is there: only then can it carry the edit
    # list that skips the 1024 samples of encoder priming.
    ".mp4": {"movflags": "hybrid_fragmented+frag_keyframe+delay_moov", "flush_packets": "1"},
    ".mov": {"movflags": "hybrid_fragmented+frag_keyframe+delay_moov", "flush_packets": "1"},
    ".mkv": {"cluster_time_limit": "1000", "flush_packets": "1"},
}
"""File name extension -> muxer options."""

AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Sample rates that every AAC player takes; anything else is resampled to 48 kHz."""

_BT709 = 1
_LIMITED_RANGE = 1


class MovieFile:
    """Pictures at slots of a constant frame rate and a gapless sound track.

    One thread at a time. Every method raises `SinkError`, one line; what was written before stays
    playable. `final` trades speed for size. Without a `size` there is only sound, without
    `channels` there are only pictures.
    """

    def __init__(
        self, path: Path, size: tuple[int, int] | None, rate: Fraction, sample_rate: int,
        channels: int, quality: int, *, final: bool,
    ) -> None:  # fmt: skip
        import av

        self.path = path
        self.sample_rate = sample_rate if sample_rate in AAC_RATES_HZ else 48_000
        self._channels = channels
        self._rate = rate
        self._audio_position = 0
        self._resampler = _resampler(sample_rate, self.sample_rate, channels) if channels else None
        self._picture: av.VideoFrame | None = None
        self.failed = False
        try:
            self._container = av.open(
                str(path), "w", options={}, container_options=CONTAINERS[path.suffix.lower()]
            )
        except (av.FFmpegError, OSError) as error:
            raise writing_failed(path, error) from error
        try:
            self._video = self._add_video(size, quality, final=final) if size else None
            self._audio = self._add_audio() if channels else None
            self._reformatter = av.video.reformatter.VideoReformatter()
            self._container.start_encoding()
        except (av.FFmpegError, OSError) as error:
            self.failed = True
            self._close_container()
            raise writing_failed(path, error) from error

    def write_picture(self, slot: int, pixels: Uint8) -> None:
        """Encode `pixels`, shape `(height, width, 3)`, as the picture of `slot`."""
        import av

        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        self._picture = self._reformatter.reformat(
            picture, format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE
        )
        self.repeat_picture(slot)

    def repeat_picture(self, slot: int) -> None:
        """Encode the previous picture once more, as the picture of `slot`."""
        if self._picture is None:
            raise ValueError("there is no previous picture to repeat")
        self._write(slot, self._picture)

    @property
    def picture(self) -> av.VideoFrame | None:
        """What the encoder got last: 4:2:0, its own memory, not to be changed."""
        return self._picture

    def write_planes(self, slot: int, planes: Uint8) -> None:
        """Encode what `picture.to_ndarray()` once gave, as the picture of `slot`."""
        import av

        self._picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        self._picture.colorspace = _BT709
        self._picture.color_range = _LIMITED_RANGE
        self._write(slot, self._picture)

    def write_sound(self, samples: Float32, *, last: bool = False) -> None:
        """Append `samples`, shape `(n, channels)`; `last` empties the resampler."""
        import av

        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        if samples.shape[0] == 0:
            return
        block = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T), format="fltp",
            layout="mono" if self._channels == 1 else "stereo",
        )  # fmt: skip
        block.sample_rate = self.sample_rate
        block.pts = self._audio_position
        block.time_base = Fraction(1, self.sample_rate)
        self._audio_position += samples.shape[0]
        self._mux(self._audio, block)

    def close(self) -> None:
        """Empty the encoders and finish the file; after a failure only let go of it."""
        try:
            for stream in (self._video, self._audio):
                if stream is not None and not self.failed:
                    self._mux(stream, None)
        finally:
            self._close_container()

    def _add_video(self, size: tuple[int, int], quality: int, *, final: bool) -> Any:
        stream = self._container.add_stream("libx264", rate=self._rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        codec = stream.codec_context
        codec.time_base = 1 / self._rate
        # A key frame per second, which is also a fragment; live without B-frames and with a short
        # look-ahead, so that a kill loses little.
        codec.gop_size = max(1, round(self._rate))
        codec.color_range = _LIMITED_RANGE
        codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
        stream.options = {
            "preset": "veryfast",
            "crf": str(quality),
            # x264's macroblock tree reads memory it has not written (seen with 165 in PyAV 18):
            # with it, equal pictures became unequal videos.
            **({"x264-params": "mbtree=0"} if final else {"bf": "0", "rc-lookahead": "5"}),
        }
        return stream

    def _close_container(self) -> None:
        """Close the file whatever happened: an open one would keep its space on a full disk."""
        import av

        try:
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            if not self.failed:
                self.failed = True
                raise writing_failed(self.path, error) from error

    def _add_audio(self) -> Any:
        stream = self._container.add_stream("aac", rate=self.sample_rate)
        stream.codec_context.layout = "mono" if self._channels == 1 else "stereo"
        stream.codec_context.bit_rate = 96_000 * self._channels
        return stream

    def _write(self, slot: int, picture: av.VideoFrame) -> None:
        picture.pts = slot
        picture.time_base = 1 / self._rate
        self._mux(self._video, picture)

    def _mux(self, stream: Any, frame: av.VideoFrame | av.AudioFrame | None) -> None:
        import av

        try:
            for packet in stream.encode(frame):
                self._container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            self.failed = True
            raise writing_failed(self.path, error) from error


def writing_failed(path: Path, error: OSError | Any) -> SinkError:
    """Say in one line why `path` cannot be written, and what to do."""
    remedies = {
        errno.ENOENT: f"the folder {path.parent} does not exist; create it or choose another",
        errno.EACCES: "no permission to write there; choose another folder",
        errno.EPERM: "no permission to write there; choose another folder",
        errno.EROFS: "that disk is read-only; choose another folder",
        errno.EISDIR: "that is a folder; give the name of a file",
        errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
        errno.ENOTDIR: f"{path.parent} is not a folder; choose another",
        errno.ENOSPC: "the disk is full; free some space or choose another disk",
        errno.EDQUOT: "your disk quota is used up; free some space or choose another disk",
        errno.EFBIG: "the file is too large for that disk; choose another disk",
    }
    if error.errno == errno.ENOENT and path.parent.is_dir():
        remedies[errno.ENOENT] = f"nothing can be created in {path.parent}; choose another folder"
    reason = remedies.get(error.errno or 0, f"{error.strerror or error}; try another place")
    return SinkError(f"cannot write {path}: {reason}")


def _resampler(source_hz: int, target_hz: int, channels: int) -> Any:
    if source_hz == target_hz:
        return None
    import soxr

    return soxr.ResampleStream(source_hz, target_hz, channels, dtype="float32")
