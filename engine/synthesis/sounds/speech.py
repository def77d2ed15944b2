"""A voice that speaks no language, by source and filter. Mono at 44.1 kHz, peak 0.7.

Glottal pulses (A. E. Rosenberg, "Effect of Glottal Pulse Shape on the Quality of Natural Vowels",
J. Acoust. Soc. Am. 49, 1971) or breath go through five resonances that glide from one vowel to the
next (G. E. Peterson and H. L. Barney, "Control Methods Used in a Study of the Vowels", J. Acoust.
Soc. Am. 24, 1952); consonants are shaped noise. `speech_plan` says what is spoken when.
"""

from __future__ import annotations

import numpy as np

from engine.synthesis.envelope import n_samples
from engine.synthesis.filters import high_pass, low_pass
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32, Float64, noise
from engine.synthesis.sounds.shape import add_at, in_a_room, levelled, unit, wander
from engine.synthesis.sounds.speech_plan import FORMANTS, Manner, Track, plan_of

_FRAME = 1024
_HOP = _FRAME // 4
_BANDWIDTHS_HZ = (70.0, 95.0, 130.0, 200.0, 260.0)
_OPEN, _CLOSED = 0.40, 0.56
"""Parts of a cycle after which the glottis is widest and shut."""


def voice(rng: np.random.Generator, duration_s: float) -> Float32:
    """Someone talks, whispers or sings near a microphone; now and then someone else answers."""
    draw = rng.random()
    manner = Manner.WHISPERS if draw < 0.08 else Manner.SINGS if draw < 0.2 else Manner.SPEAKS
    track = plan_of(rng, duration_s, manner)
    count = len(track.pitch_hz)
    breath = noise(count, rng)
    source = breath * np.float32(0.3) * track.breath
    if manner is not Manner.WHISPERS:
        source = source + _pulses(rng, track)
    out = _through_the_mouth(source, track.formants_hz)
    for at_s, sound in track.consonants:
        add_at(out, sound, at_s)
    out = out[: n_samples(duration_s)]
    return levelled(_at_a_microphone(rng, out))


def _pulses(rng: np.random.Generator, track: Track) -> Float32:
    """The derivative of the flow through the glottis, its cycles never quite alike."""
    count = len(track.pitch_hz)
    jitter = float(rng.uniform(0.003, 0.015))
    shaken = track.pitch_hz * (1.0 + jitter * wander(rng, count, 60.0, -1.7, 1.7))
    cycles = np.cumsum(shaken) / SAMPLE_RATE_HZ
    place = cycles % 1.0
    opening = 0.5 - 0.5 * np.cos(np.pi * place / _OPEN)
    closing = np.cos(0.5 * np.pi * (place - _OPEN) / (_CLOSED - _OPEN))
    flow = np.where(place < _OPEN, opening, np.where(place < _CLOSED, closing, 0.0))
    shimmer = float(rng.uniform(0.02, 0.12))
    loudness = 1.0 + shimmer * rng.uniform(-1.0, 1.0, int(cycles[-1]) + 2)
    pulses = np.diff(flow, prepend=0.0) * loudness[cycles.astype(np.int64)]
    dull_hz = float(rng.uniform(2500.0, 12_000.0))
    return unit(low_pass(pulses.astype(np.float32), dull_hz, 1)) * track.voiced


def _through_the_mouth(source: Float32, formants_hz: Float64) -> Float32:
    """Overlap-add of frames, each under the resonances of its moment; zero phase.

    `formants_hz` has shape `(n, FORMANTS)` at sample rate `1 / _HOP`.
    """
    window = np.sqrt(np.hanning(_FRAME + 1)[:-1]).astype(np.float32)
    padded = np.pad(source, (_FRAME, _FRAME + (-len(source)) % _HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP] * window
    times = (np.arange(len(frames)) - 2) * _HOP / len(source) * (len(formants_hz) - 1)
    bins_hz = np.fft.rfftfreq(_FRAME, 1.0 / SAMPLE_RATE_HZ)
    gain = np.ones((len(frames), len(bins_hz)))
    for formant in range(FORMANTS):
        centre_hz = np.interp(times, np.arange(len(formants_hz)), formants_hz[:, formant])[:, None]
        apart = centre_hz**2 - bins_hz**2
        gain *= centre_hz**2 / np.hypot(apart, _BANDWIDTHS_HZ[formant] * bins_hz)
    # Of five poles the cascade falls too fast; what the higher ones would add (Fant 1960).
    gain *= 1.0 + (bins_hz / 1700.0) ** 2
    spectra = np.fft.rfft(frames, axis=1) * gain
    pieces = np.fft.irfft(spectra, _FRAME, axis=1) * (0.5 * window)
    out = np.zeros(len(padded), np.float32)
    for row, piece in enumerate(pieces):
        out[row * _HOP : row * _HOP + _FRAME] += piece.astype(np.float32)
    return unit(out[_FRAME : _FRAME + len(source)]) * np.float32(0.2)


def _at_a_microphone(rng: np.random.Generator, dry: Float32) -> Float32:
    """Room, the microphone's own range and the noise of the place."""
    heard = in_a_room(rng, dry)
    heard = high_pass(heard, float(rng.uniform(50.0, 220.0)))
    if rng.random() < 0.5:
        heard = low_pass(heard, float(rng.uniform(3400.0, 9000.0)), 4)
    hiss = unit(low_pass(noise(len(heard), rng), float(rng.uniform(300.0, 6000.0)), 1))
    level = 10.0 ** (float(rng.uniform(-75.0, -33.0)) / 20.0)
    return heard + np.float32(level) * hiss * wander(rng, len(heard), 0.5, 0.7, 1.0)
