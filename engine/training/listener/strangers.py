"""Sounds that are none of the labels, so that the listener learns to say that it knows none.

Outlier exposure after Hendrycks et al. 2019, "Deep Anomaly Detection with Outlier Exposure": the
network is shown strangers and asked to be even over all labels. They are textures with no likeness
in the world; `engine.bench.strange_sounds`, with which the result is tested, makes others.
"""

from __future__ import annotations

import numpy as np

from engine.messages import Float32
from engine.synthesis.envelope import n_samples, seconds
from engine.synthesis.filters import band_pass, convolve, high_pass, low_pass
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, noise, sine
from engine.synthesis.sounds.catalogue import SOUNDS
from engine.synthesis.sounds.shape import add_at, in_a_room, levelled, moments_s, unit, wander

_TONAL = ("clock", "train", "bells", "birds", "guitar", "piano", "synthesiser", "voice", "drums")
"""Sounds whose spectrum, turned upside down, is no longer theirs."""


def stranger(rng: np.random.Generator, duration_s: float) -> Float32:
    """One texture of some kind, mono `(n,)` at 44.1 kHz, peak 0.7; now and then two at once."""
    out = _one(rng, duration_s)
    if rng.random() < 0.2:
        out = unit(out) + np.float32(rng.uniform(0.2, 1.0)) * unit(_one(rng, duration_s))
    return levelled(in_a_room(rng, out))


def hum_or_hiss(rng: np.random.Generator, duration_s: float) -> Float32:
    """Coloured noise and bare harmonic tones, steady: what a line and a device sound like."""
    count = n_samples(duration_s)
    spectrum = np.fft.rfft(noise(count, rng))
    bins_hz = np.fft.rfftfreq(count, 1.0 / SAMPLE_RATE_HZ)
    tilt = float(rng.uniform(0.5, 1.5))
    hiss = np.fft.irfft(spectrum * np.maximum(bins_hz, 30.0) ** -tilt, count)
    out = float(rng.random()) * hiss / (np.abs(hiss).max() + 1e-9)
    base_hz = float(rng.choice((50.0, 60.0, rng.uniform(80.0, 3000.0))))
    for n in range(1, int(rng.integers(1, 8))):
        out += float(rng.random()) ** 2 / n * sine(n * base_hz, count, float(rng.random()))
    return levelled(out.astype(np.float32))


def _one(rng: np.random.Generator, duration_s: float) -> Float32:
    kinds = (_partials, _roaming_band, _grains, _chaos, _comb, _upside_down, _knocks, _scrapes)
    return unit(kinds[int(rng.integers(len(kinds)))](rng, duration_s))


def _partials(rng: np.random.Generator, duration_s: float) -> Float32:
    """Partials at places without order, each swelling and bending by itself."""
    count = n_samples(duration_s)
    out = np.zeros(count, np.float32)
    for _ in range(int(rng.integers(1, 14))):
        base_hz = 70.0 * 100.0 ** float(rng.random())
        bend = wander(rng, count, float(rng.uniform(0.2, 4.0)), -1.0, 1.0)
        pitch_hz = base_hz * 2.0 ** (float(rng.choice((0.0, 0.02, 0.3))) * bend)
        swell = np.maximum(wander(rng, count, float(rng.uniform(0.2, 6.0)), -0.5, 1.0), 0.0)
        out += sine(pitch_hz.astype(np.float64), count, float(rng.random())) * swell
    return out


def _roaming_band(rng: np.random.Generator, duration_s: float) -> Float32:
    """Noise between two corners that wander, in gusts or stutters."""
    count = n_samples(duration_s)
    bands = []
    for low_hz in 150.0 * 30.0 ** rng.random(3):
        width = float(rng.uniform(1.05, 2.5))
        bands.append(unit(band_pass(noise(count, rng), float(low_hz), width * float(low_hz), 4)))
    rate_hz = float(rng.uniform(0.3, 12.0))
    out = np.zeros(count, np.float32)
    for band in bands:
        out += band * np.maximum(wander(rng, count, rate_hz, -0.7, 1.0), 0.0)
    return out


def _grains(rng: np.random.Generator, duration_s: float) -> Float32:
    """A cloud of short grains whose pitch is drawn anew for each."""
    out = np.zeros(n_samples(duration_s), np.float32)
    length_s = float(rng.uniform(0.01, 0.25))
    low_hz, octaves = float(rng.uniform(100.0, 2000.0)), float(rng.uniform(0.3, 4.0))
    rising = rng.random() < 0.5
    for at_s in moments_s(rng, duration_s, float(rng.uniform(0.02, 0.3)), 0.2):
        count = n_samples(length_s * float(rng.uniform(0.5, 1.5)))
        share = np.linspace(0.0, 1.0, count)
        tone = sine(low_hz * 2.0 ** (octaves * float(rng.random())), count)
        shape = share**2 if rising else np.sin(np.pi * share)
        add_at(out, (tone * shape).astype(np.float32), at_s, float(rng.uniform(0.2, 1.0)))
    return out


def _chaos(rng: np.random.Generator, duration_s: float) -> Float32:
    """The logistic map x -> r x (1 - x), held for some samples each and smoothed."""
    count = n_samples(duration_s)
    held = int(rng.integers(8, 160))
    growth = wander(rng, count, float(rng.uniform(0.3, 3.0)), 3.5, 4.0)[::held]
    values = np.empty(len(growth))
    value = float(rng.uniform(0.2, 0.8))
    for index, r in enumerate(growth):
        value = float(np.clip(float(r) * value * (1.0 - value), 1e-3, 0.999))
        values[index] = value - 0.5
    steps = np.repeat(values, held)[:count].astype(np.float32)
    return low_pass(high_pass(steps, 60.0), float(rng.uniform(1500.0, 9000.0)))


def _comb(rng: np.random.Generator, duration_s: float) -> Float32:
    """Noise through a comb filter, as in a pipe that someone turns on and off."""
    count = n_samples(duration_s)
    step = int(SAMPLE_RATE_HZ / rng.uniform(80.0, 1500.0))
    impulse = np.zeros(step * 24 + 1, np.float32)
    impulse[::step] = float(rng.uniform(0.6, 0.97)) ** np.arange(25)
    impulse[step::step] *= rng.choice((-1.0, 1.0))
    gate = np.maximum(wander(rng, count, float(rng.uniform(0.3, 8.0)), -0.6, 1.0), 0.0)
    return convolve(noise(count, rng) * gate, impulse)


def _upside_down(rng: np.random.Generator, duration_s: float) -> Float32:
    """A sound that is known, its spectrum mirrored at 1.5 to 5 kHz: the harmony is gone."""
    known = SOUNDS[_TONAL[int(rng.integers(len(_TONAL)))]](rng, duration_s)
    top_hz = float(rng.uniform(3000.0, 10_000.0))
    carrier = sine(top_hz, len(known))
    return low_pass(low_pass(known, 0.9 * top_hz, 8) * carrier, 0.95 * top_hz, 8)


def _knocks(rng: np.random.Generator, duration_s: float) -> Float32:
    """Things that are hit in no rhythm, each ringing in some modes of its own."""
    out = np.zeros(n_samples(duration_s), np.float32)
    things = [_struck(rng) for _ in range(int(rng.integers(1, 5)))]
    gap_s = float(rng.uniform(0.06, 0.7))
    for at_s in moments_s(rng, duration_s, gap_s, 0.1):
        add_at(out, things[int(rng.integers(len(things)))], at_s, float(rng.uniform(0.1, 1.0)))
    return out


def _struck(rng: np.random.Generator) -> Float32:
    count = n_samples(0.4)
    at_s = seconds(count)
    out = np.zeros(count, np.float32)
    low_hz = float(rng.uniform(120.0, 1500.0))
    for _ in range(int(rng.integers(2, 9))):
        tau_s = float(rng.uniform(0.004, 0.08))
        wave = sine(low_hz * float(rng.uniform(1.0, 8.0)), count, float(rng.random()))
        out += float(rng.random()) * wave * np.exp(-at_s / tau_s)
    rise = np.minimum(1.0, at_s / np.float32(rng.uniform(0.0005, 0.03)))
    return np.asarray(out * rise, np.float32)


def _scrapes(rng: np.random.Generator, duration_s: float) -> Float32:
    """Friction: strokes of rough noise of one colour, back and forth."""
    out = np.zeros(n_samples(duration_s), np.float32)
    low_hz = float(rng.uniform(200.0, 3500.0))
    rough_hz = float(rng.uniform(30.0, 200.0))
    for at_s in moments_s(rng, duration_s, float(rng.uniform(0.2, 1.2)), 0.5):
        count = n_samples(float(rng.uniform(0.1, 0.9)))
        rough = np.maximum(wander(rng, count, rough_hz, -0.5, 1.0), 0.0)
        stroke = band_pass(noise(count, rng) * rough, low_hz, 2.5 * low_hz)
        swell = np.sin(np.pi * np.linspace(0.0, 1.0, count)) ** float(rng.uniform(0.3, 2.0))
        add_at(out, (stroke * swell).astype(np.float32), at_s, float(rng.uniform(0.3, 1.0)))
    return out
