"""How much new sound begins at each moment: half-wave rectified log-mel flux."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.scoring.decoding import SOUND_RATE_HZ, Sound

Float64 = npt.NDArray[np.float64]

_N_FFT = 512
_HOP = 128
_N_MELS = 40
_LOWEST_HZ, _HIGHEST_HZ = 30.0, 10_000.0
# log(1 + c E): a full-scale tone lies 40 dB above the knee of the curve.
_COMPRESSION = 1e4
# Every sound is brought to this level first, so that its volume does not matter.
_RMS = 0.1
_SILENT_RMS = 1e-5


class SoundFlux:
    """The flux of a sound, summable over any interval.

    `flux[m]` = mean over 40 mel bands of max(0, d log(1 + 1e4 E_band)), in 23 ms windows every
    5.8 ms, dated at the window's centre.
    """

    def __init__(self, sound: Sound) -> None:
        rms = float(np.sqrt(np.mean(sound.samples.astype(np.float64) ** 2)))
        level = np.float32(_RMS / max(rms, _SILENT_RMS))
        padded = np.pad(level * sound.samples, (_N_FFT, _N_FFT))
        frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::_HOP]
        mel = _mel_energies(frames)
        rises = np.maximum(0.0, np.diff(np.log1p(_COMPRESSION * mel), axis=0)).mean(axis=1)
        centres = (np.arange(1, len(frames)) * _HOP - _N_FFT + _N_FFT / 2) / SOUND_RATE_HZ
        self._times_s = sound.start_s + centres
        self._total = np.cumsum(rises)

    def over(self, starts_s: Float64, ends_s: Float64) -> Float64:
        """Flux summed over each interval, 0 outside the sound; same shape as the arguments."""
        return self._until(ends_s) - self._until(starts_s)

    def _until(self, times_s: Float64) -> Float64:
        return np.asarray(np.interp(times_s, self._times_s, self._total, left=0.0))


def _mel_energies(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    window = np.hanning(_N_FFT + 1)[:-1].astype(np.float32)
    window /= window.sum() / 2.0
    bank = _mel_bank()
    block = 4096
    rows = [
        (np.abs(np.fft.rfft(frames[first : first + block] * window, axis=1)) ** 2) @ bank.T
        for first in range(0, len(frames), block)
    ]
    return np.concatenate(rows).astype(np.float32)


def _mel_bank() -> Float64:
    """Triangles of equal width in mel = 2595 log10(1 + f / 700), each peaking at 1."""
    low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (_LOWEST_HZ, _HIGHEST_HZ))
    corners_hz = 700.0 * (10.0 ** (np.linspace(low, high, _N_MELS + 2) / 2595.0) - 1.0)
    bins_hz = np.fft.rfftfreq(_N_FFT, 1.0 / SOUND_RATE_HZ)
    # The lowest triangles are narrower than a bin: each keeps at least one bin's width.
    bin_hz = SOUND_RATE_HZ / _N_FFT
    rise_hz = np.maximum(corners_hz[1:-1] - corners_hz[:-2], bin_hz)[:, None]
    fall_hz = np.maximum(corners_hz[2:] - corners_hz[1:-1], bin_hz)[:, None]
    offset_hz = bins_hz[None, :] - corners_hz[1:-1, None]
    bank = np.minimum(1.0 + offset_hz / rise_hz, 1.0 - offset_hz / fall_hz)
    return np.clip(bank, 0.0, 1.0)
