"""Sustained chords in stereo: detuned saws, and a soft electric piano for the quiet parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.synthesis.envelope import adsr, exponential, n_samples, seconds
from engine.synthesis.oscillator import Float32, midi_hz, saw, sine


def pad_chord(
    notes: Sequence[float],
    held_s: float,
    rng: np.random.Generator,
    *,
    attack_s: float = 0.25,
    release_s: float = 0.5,
    detune_cents: float = 9.0,
) -> Float32:
    """A chord of detuned saws, shape `(n, 2)`; two voices per note and side, unfiltered."""
    shape = adsr(held_s, attack_s=attack_s, decay_s=4.0, sustain=0.85, release_s=release_s)
    count = len(shape)
    sides = []
    for side in (-1.0, 1.0):
        total = np.zeros(count, dtype=np.float32)
        for note in notes:
            for cents in (detune_cents * side, -0.45 * detune_cents * side):
                pitch_hz = midi_hz(note + cents / 100.0)
                total += saw(pitch_hz, count, float(rng.random()))
        sides.append(total * shape)
    scale = np.float32(0.5 / max(1.0, len(notes) ** 0.5))
    return scale * np.stack(sides, axis=1)


def electric_piano(note: float, held_s: float, velocity: float = 0.8) -> Float32:
    """Frequency-modulated tine piano, mono `(n,)`; harder strikes are brighter."""
    shape = adsr(held_s, attack_s=0.003, decay_s=1.1, sustain=0.18, release_s=0.35)
    count = len(shape)
    pitch_hz = midi_hz(note)
    at_s = seconds(count)
    body_index = (0.5 + 1.1 * velocity) * np.exp(-at_s / 0.5)
    tine = 0.35 * velocity * sine(pitch_hz * 14.0, count) * exponential(count, 0.05)
    modulator = body_index * sine(pitch_hz, count) + tine
    carrier = np.sin(2.0 * np.pi * pitch_hz * at_s.astype(np.float64) + modulator)
    return np.asarray(0.8 * velocity * carrier * shape, dtype=np.float32)


def tremolo_pan(sound: Float32, rate_hz: float = 2.1, depth: float = 0.35) -> Float32:
    """Mono to stereo `(n, 2)` with the slow left-right motion of a suitcase piano."""
    swing = np.float32(0.5 * depth) * sine(rate_hz, len(sound))
    return np.stack([sound * (0.75 + swing), sound * (0.75 - swing)], axis=1).astype(np.float32)


def chorus(sound: Float32, depth_ms: float = 2.5, rate_hz: float = 0.45) -> Float32:
    """Stereo chorus of a `(n, 2)` sound: one slowly moving delayed copy per side."""
    count = len(sound)
    index = np.arange(count, dtype=np.float64)
    out = sound * np.float32(0.8)
    for side in range(2):
        swing = np.sin(2.0 * np.pi * (rate_hz * index / 44_100.0 + 0.25 * side))
        delay = (9.0 + 3.0 * side + depth_ms * swing) * 44.1
        copy = np.interp(index - delay, index, sound[:, 1 - side], left=0.0)
        out[:, side] += (0.45 * copy).astype(np.float32)
    return out


def drone(notes: Sequence[float], duration_s: float, rng: np.random.Generator) -> Float32:
    """A chord that never strikes: 3 s fades and slow beating only; shape `(n, 2)`."""
    count = n_samples(duration_s)
    chord = pad_chord(notes, duration_s, rng, attack_s=3.0, release_s=0.05)[:count]
    end = np.minimum(1.0, (count - np.arange(count, dtype=np.float32)) / (3.0 * 44_100))
    return np.asarray(chord * end[:, None], dtype=np.float32)
