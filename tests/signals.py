"""Sounds with a known answer, synthesised on the spot. Mono float32, shape `(n,)`."""

from __future__ import annotations

import numpy as np

from engine.messages import Float32


def sine(frequency_hz: float, seconds: float, sample_rate: int, level: float = 0.25) -> Float32:
    time_s = np.arange(round(seconds * sample_rate)) / sample_rate
    return (level * np.sin(2.0 * np.pi * frequency_hz * time_s)).astype(np.float32)


def sweep(
    low_hz: float, high_hz: float, seconds: float, sample_rate: int, level: float = 0.25
) -> Float32:
    """A sine that rises by the same number of octaves every second."""
    time_s = np.arange(round(seconds * sample_rate)) / sample_rate
    octaves_per_s = np.log(high_hz / low_hz) / seconds
    phase = 2.0 * np.pi * low_hz * np.expm1(octaves_per_s * time_s) / octaves_per_s
    return (level * np.sin(phase)).astype(np.float32)


def noise(seconds: float, sample_rate: int, seed: int = 0, level: float = 0.1) -> Float32:
    count = round(seconds * sample_rate)
    return (level * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def clicks(times_s: np.ndarray, seconds: float, sample_rate: int, level: float = 0.6) -> Float32:
    """Bursts of noise, 20 ms long, that start exactly at the given times."""
    burst = noise(0.02, sample_rate, seed=7, level=1.0)
    burst *= level * np.exp(-np.arange(burst.size) / (0.004 * sample_rate)).astype(np.float32)
    return place(burst, times_s, seconds, sample_rate)


def place(sound: Float32, times_s: np.ndarray, seconds: float, sample_rate: int) -> Float32:
    out = np.zeros(round(seconds * sample_rate) + sound.size, np.float32)
    for time_s in times_s:
        start = round(float(time_s) * sample_rate)
        if start >= 0 and start + sound.size <= out.size:
            out[start : start + sound.size] += sound
    return out[: round(seconds * sample_rate)]


def drums(bpm: float, seconds: float, sample_rate: int = 24_000, start_s: float = 0.0) -> Float32:
    """Four to the floor: a kick on every beat, a snare on every second, hats in between."""
    beat_s = 60.0 / bpm
    beats = start_s + beat_s * np.arange(int(np.ceil((seconds - start_s) / beat_s)))
    time_s = np.arange(round(0.18 * sample_rate)) / sample_rate
    kick = 0.7 * np.exp(-time_s / 0.05) * np.sin(2 * np.pi * (50 * time_s + 4 * np.sqrt(time_s)))
    snare = noise(0.15, sample_rate, seed=3, level=0.25)
    snare *= np.exp(-np.arange(snare.size) / (0.05 * sample_rate)).astype(np.float32)
    hat = np.diff(noise(0.04, sample_rate, seed=4, level=0.1), prepend=np.float32(0.0))
    hat *= np.exp(-np.arange(hat.size) / (0.01 * sample_rate)).astype(np.float32)
    return (
        place(kick.astype(np.float32), beats, seconds, sample_rate)
        + place(snare, beats[1::2], seconds, sample_rate)
        + place(hat.astype(np.float32), beats + beat_s / 2, seconds, sample_rate)
    )


def in_blocks(samples: Float32, size: int) -> list[Float32]:
    return [samples[start : start + size] for start in range(0, samples.shape[0], size)]
