"""Does the picture answer the sound? Coupling with its own chance level.

On periodic music every shift by a beat correlates too and z saturates near 3 however well the
picture follows; z is meant for the aperiodic probe (`engine.synthesis.probe`). On music read `rho`
and `lag_ms`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.errors import ScoreError
from engine.scoring.decoding import Sound, decode_pictures, decode_sound
from engine.scoring.sound_flux import SoundFlux
from engine.scoring.video_features import CHANNELS, VideoFeatures, measure_video

Float64 = npt.NDArray[np.float64]

_LAG_STEP_MS = 10.0
_N_EARLY, _N_LATE = 10, 40
_LAGS_S = np.arange(-_N_EARLY, _N_LATE + 1) * _LAG_STEP_MS / 1000.0
_N_SHIFTS = 400
_SHORTEST_SHIFT_S = 2.0
_SHORTEST_VIDEO_S = 6.0
_TREND_S = 2.0
_CUT_PERCENTILE = 99.0


@dataclass(frozen=True, slots=True)
class ReactivityScore:
    """The JSON object of `sonolume score`.

    `rho` is the best correlation over channels and lags, `lag_ms` and `channel` where it was found
    (positive: the picture is late), `null_mean` the mean of the best correlation when the picture
    is shifted in time, and `z` = (rho - null_mean) / spread of it. The rest as in `VideoFeatures`.
    """

    z: float
    rho: float
    lag_ms: float
    channel: str
    null_mean: float
    flashes_per_s: float
    frozen_s: float
    black_share: float

    def as_dict(self) -> dict[str, float | str]:
        """Plain JSON types."""
        return asdict(self)


def score_video(video_path: Path, audio_path: Path | None = None) -> ReactivityScore:
    """Score a video against its own sound, or against another file that starts with it.

    Blocks while decoding, about 5 ms per picture. ScoreError when the video cannot be read, has no
    pictures or overlaps the sound for less than 6 s; AudioFileError when the sound cannot be read.
    """
    sound = decode_sound(audio_path or video_path)
    return score_coupling(measure_video(decode_pictures(video_path)), sound)


def score_coupling(video: VideoFeatures, sound: Sound) -> ReactivityScore:
    """Coupling of measured pictures and a sound (reference: R1 of the measurement suite).

    The sound is read as half-wave log-mel flux summed over each picture's interval, delayed by
    -100..+400 ms in steps of 10 ms; the pictures as four non-negative changes, each cut at its
    99th percentile so that one scene cut does not outweigh a hundred hits. Slow trends (2 s mean)
    are taken out of both. rho is the largest Pearson correlation over 4 channels x 51 lags. Its
    chance level is the same maximum after circular shifts of the pictures by more than 2 s: 400
    of them evenly spread, or every one when the video has fewer. ScoreError when less than 6 s
    overlap.
    """
    inside = (video.starts_s >= sound.start_s - 1e-3) & (video.ends_s <= sound.end_s + 0.05)
    starts_s, ends_s = video.starts_s[inside], video.ends_s[inside]
    overlap_s = float(ends_s[-1] - starts_s[0]) if len(ends_s) else 0.0
    if overlap_s < _SHORTEST_VIDEO_S:
        raise ScoreError(
            f"pictures and sound overlap for {overlap_s:.1f} s and a score needs "
            f"{_SHORTEST_VIDEO_S:.0f} s: render a longer piece"
        )
    picture_s = overlap_s / len(ends_s)
    flux = SoundFlux(sound)
    heard = np.stack([flux.over(starts_s - lag_s, ends_s - lag_s) for lag_s in _LAGS_S])
    heard = _standard(heard, picture_s)
    seen = np.stack([_cut(video.changes[name][inside]) for name in CHANNELS])
    seen = _standard(seen, picture_s)
    matched = seen @ heard.T / len(ends_s)
    null = _null(seen, heard, picture_s)
    best = np.unravel_index(int(np.argmax(matched)), matched.shape)
    rho, null_mean = float(matched[best]), float(null.mean())
    return ReactivityScore(
        z=(rho - null_mean) / max(float(null.std()), 1e-6),
        rho=rho,
        lag_ms=_LAG_STEP_MS * (int(best[1]) - _N_EARLY),
        channel=CHANNELS[int(best[0])],
        null_mean=null_mean,
        flashes_per_s=video.flashes_per_s,
        frozen_s=video.frozen_s,
        black_share=video.black_share,
    )


def _null(seen: Float64, heard: Float64, picture_s: float) -> Float64:
    """Best correlation over channels and lags for each circular shift, shape `(n_shifts,)`."""
    n_pictures = seen.shape[1]
    shortest = int(_SHORTEST_SHIFT_S / picture_s) + 1
    possible = n_pictures - 2 * shortest + 1
    shifts = shortest + np.unique(np.linspace(0, possible - 1, _N_SHIFTS).astype(int))
    # Circular correlation of every channel with every lag at all shifts at once.
    spectrum = np.fft.rfft(heard, axis=1)[None].conj() * np.fft.rfft(seen, axis=1)[:, None]
    every = np.fft.irfft(spectrum, n_pictures, axis=2) / n_pictures
    return np.asarray(every.max(axis=(0, 1))[shifts])


def _cut(change: Float64) -> Float64:
    return np.minimum(change, np.percentile(change, _CUT_PERCENTILE))


def _standard(rows: Float64, picture_s: float) -> Float64:
    """Each row without its 2 s trend, mean 0, variance 1; a constant row becomes 0."""
    width = max(1, round(_TREND_S / picture_s)) | 1
    half = width // 2
    padded = np.pad(rows, ((0, 0), (half + 1, half)), mode="reflect")
    total = np.cumsum(padded, axis=1)
    flat = rows - (total[:, width:] - total[:, :-width]) / width
    flat = flat - flat.mean(axis=1, keepdims=True)
    spread = flat.std(axis=1, keepdims=True)
    scale = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1.0)
    return np.where(spread > 1e-9 * scale, flat / np.maximum(spread, 1e-30), 0.0)
