"""Melody voices: singing lead, pluck, bell. Mono one-shots, shape `(n,)`, peak about 1."""

from __future__ import annotations

import numpy as np

from engine.synthesis.envelope import adsr, exponential, n_samples, seconds
from engine.synthesis.filters import closing, low_pass
from engine.synthesis.oscillator import Float32, midi_hz, pulse, saw, sine

# Frequency ratio, level, decay in seconds.
_BELL_PARTIALS = ((1.0, 1.0, 0.5), (2.0, 0.45, 0.3), (3.01, 0.2, 0.16), (5.4, 0.12, 0.06))


def lead_note(note: float, held_s: float, *, from_note: float | None = None) -> Float32:
    """Two detuned saws and a hollow pulse with late vibrato; glides from `from_note` in 45 ms."""
    shape = adsr(held_s, attack_s=0.008, decay_s=0.4, sustain=0.7, release_s=0.12)
    count = len(shape)
    at_s = seconds(count).astype(np.float64)
    vibrato = 0.16 * np.clip((at_s - 0.22) / 0.3, 0.0, 1.0) * np.sin(2.0 * np.pi * 5.4 * at_s)
    glide = (from_note - note) * np.exp(-at_s / 0.014) if from_note is not None else 0.0
    pitch_hz = midi_hz(note) * 2.0 ** ((vibrato + glide) / 12.0)
    wave = 0.4 * saw(pitch_hz * 1.0035, count) + 0.4 * saw(pitch_hz * 0.9965, count, 0.37)
    wave += 0.35 * pulse(pitch_hz, count, width=0.5)
    openness = (0.35 + 0.65 * np.exp(-at_s / 0.16)).astype(np.float32)
    return closing(wave.astype(np.float32), 4600.0, 1300.0, openness) * shape


def pluck_note(note: float, held_s: float = 0.12, *, bright_hz: float = 3200.0) -> Float32:
    """Short saw-and-pulse pluck for arpeggios; `bright_hz` opens with the arrangement."""
    shape = adsr(held_s, attack_s=0.002, decay_s=0.14, sustain=0.12, release_s=0.18)
    count = len(shape)
    pitch_hz = midi_hz(note)
    wave = 0.5 * saw(pitch_hz, count, 0.1) + 0.4 * pulse(pitch_hz * 1.004, count, width=0.3)
    openness = np.exp(-seconds(count) / np.float32(0.07)).astype(np.float32)
    return closing(wave.astype(np.float32), bright_hz, 420.0, openness) * shape


def bell_note(note: float, velocity: float = 0.7) -> Float32:
    """Soft bell: four partials near 1, 2, 3 and 5.4, the higher ones gone sooner."""
    count = n_samples(1.6)
    pitch_hz = midi_hz(note)
    total = np.zeros(count, dtype=np.float32)
    for ratio, level, tau_s in _BELL_PARTIALS:
        total += np.float32(level) * sine(pitch_hz * ratio, count) * exponential(count, tau_s)
    soft = low_pass(total, 7000.0) * np.minimum(1.0, seconds(count) / np.float32(0.002))
    return np.asarray(velocity * 0.6 * soft, dtype=np.float32)
