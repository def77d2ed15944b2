"""Transitions that announce a section: risers, falls and impacts. Stereo, shape `(n, 2)`."""

from __future__ import annotations

import numpy as np

from engine.synthesis.drums import crash
from engine.synthesis.envelope import fade_out, n_samples, seconds
from engine.synthesis.filters import sweep
from engine.synthesis.oscillator import Float32, noise, saw, sine


def riser(duration_s: float, rng: np.random.Generator) -> Float32:
    """Noise and a rising saw under an opening filter; loudest at the very end."""
    count = n_samples(duration_s)
    climb = seconds(count).astype(np.float64) / duration_s
    air = np.stack([noise(count, rng), noise(count, rng)], axis=1)
    opened = sweep(air, 350.0 * 32.0**climb, order=3, peak=0.8)
    opened = sweep(opened, 180.0 * 12.0**climb, high=True, order=2)
    tone_hz = 146.8 * 4.0**climb
    tone = np.stack([saw(tone_hz, count), saw(tone_hz * 1.007, count, 0.5)], axis=1)
    tone = sweep(tone, 400.0 * 12.0**climb, order=2)
    swell = (climb**2.2)[:, None]
    return fade_out(((0.30 * opened + 0.11 * tone) * swell).astype(np.float32), 0.012)


def fall(duration_s: float, rng: np.random.Generator) -> Float32:
    """Noise through a closing filter: the wash after an impact."""
    count = n_samples(duration_s)
    drop = seconds(count).astype(np.float64) / duration_s
    air = np.stack([noise(count, rng), noise(count, rng)], axis=1)
    closed = sweep(air, 9000.0 * 0.03**drop, order=3)
    shape = ((1.0 - drop) ** 2)[:, None]
    return fade_out((0.22 * closed * shape).astype(np.float32), 0.05)


def impact(rng: np.random.Generator) -> Float32:
    """Low boom with a wash of noise, for the first beat of a section."""
    count = n_samples(1.8)
    at_s = seconds(count)
    boom_hz = (38.0 + 42.0 * np.exp(-at_s / 0.12)).astype(np.float64)
    boom = (sine(boom_hz, count) * np.exp(-at_s / 0.5)).astype(np.float32)
    wash = fall(1.8, rng)[:count]
    return fade_out(0.5 * boom[:, None] + wash, 0.1)


def reversed_crash(duration_s: float, rng: np.random.Generator) -> Float32:
    """Cymbal played backwards into a downbeat."""
    decay_s = duration_s / 3.6
    sounds = [crash(rng, decay_s)[::-1] for _ in range(2)]
    count = min(len(sound) for sound in sounds)
    return np.stack([0.6 * sound[-count:] for sound in sounds], axis=1).astype(np.float32)
