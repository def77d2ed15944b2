"""Shapes of loudness over the life of a note."""

from __future__ import annotations

import numpy as np

from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32


def n_samples(duration_s: float) -> int:
    """Whole samples in a duration, at least one."""
    return max(1, round(duration_s * SAMPLE_RATE_HZ))


def seconds(count: int) -> Float32:
    """Time axis in seconds, shape `(count,)`."""
    return np.arange(count, dtype=np.float32) / np.float32(SAMPLE_RATE_HZ)


def exponential(count: int, tau_s: float) -> Float32:
    """Decay from 1 with time constant `tau_s`, closed by a 4 ms fade so that it ends at 0."""
    curve = np.exp(-seconds(count) / np.float32(tau_s))
    return fade_out(curve, 0.004)


def adsr(
    held_s: float, *, attack_s: float, decay_s: float, sustain: float, release_s: float
) -> Float32:
    """Attack, decay, sustain (0..1), release; lasts `held_s + release_s`."""
    held = n_samples(held_s)
    at_s = seconds(held)
    rise = np.minimum(1.0, at_s / np.float32(max(attack_s, 1e-4)))
    fall = np.exp(-np.maximum(0.0, at_s - np.float32(attack_s)) / np.float32(decay_s))
    body = rise * (sustain + (1.0 - sustain) * fall)
    tail = n_samples(release_s)
    left = np.linspace(1.0, 0.0, tail, dtype=np.float32)
    return np.concatenate([body, body[-1] * left * left]).astype(np.float32)


def fade_out(sound: Float32, fade_s: float) -> Float32:
    """The sound with its last `fade_s` seconds drawn to 0, first axis is time."""
    count = min(len(sound), n_samples(fade_s))
    faded = sound.copy()
    ramp = np.linspace(1.0, 0.0, count, dtype=np.float32)
    faded[len(sound) - count :] *= ramp.reshape((count,) + (1,) * (sound.ndim - 1))
    return faded
