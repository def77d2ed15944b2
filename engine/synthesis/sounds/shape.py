"""What all sound events are made with: slow curves, scattered moments, a common loudness."""

from __future__ import annotations

import numpy as np

from engine.synthesis.envelope import n_samples
from engine.synthesis.filters import high_pass
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32
from engine.synthesis.space import reverb

PEAK = 0.7


def wander(
    rng: np.random.Generator, count: int, rate_hz: float, low: float, high: float
) -> Float32:
    """A smooth random curve in [low, high], shape `(count,)`, about `rate_hz` turns a second."""
    points = max(4, round(count / SAMPLE_RATE_HZ * rate_hz * 2.0) + 3)
    heights = rng.uniform(low, high, points)
    place = np.linspace(0.0, points - 1.001, count)
    left = place.astype(np.int64)
    share = place - left
    share = share * share * (3.0 - 2.0 * share)
    curve = heights[left] * (1.0 - share) + heights[left + 1] * share
    return curve.astype(np.float32)


def moments_s(
    rng: np.random.Generator, duration_s: float, gap_s: float, regularity: float = 0.0
) -> list[float]:
    """Ascending times below `duration_s`; `regularity` 0 is a Poisson process, 1 a metronome."""
    times = []
    at_s = float(rng.uniform(0.0, gap_s)) * (0.5 + 0.5 * regularity)
    while at_s < duration_s:
        times.append(at_s)
        free = float(rng.exponential(gap_s))
        at_s += max(0.01, regularity * gap_s + (1.0 - regularity) * free)
    return times


def scatter(rng: np.random.Generator, count: int, per_s: float, lowest: float = 0.02) -> Float32:
    """Single samples at random places, shape `(count,)`: many small ones and a few large."""
    number = max(1, int(rng.poisson(per_s * count / SAMPLE_RATE_HZ)))
    out = np.zeros(count, np.float32)
    sizes = lowest * rng.pareto(1.3, number) + lowest
    signs = rng.choice((-1.0, 1.0), number)
    out[rng.integers(0, count, number)] = (np.minimum(sizes, 1.0) * signs).astype(np.float32)
    return out


def add_at(out: Float32, sound: Float32, at_s: float, gain: float = 1.0) -> None:
    """Add a mono sound to `out` in place; what would lie outside is cut off."""
    start = n_samples(at_s) if at_s > 0.0 else 0
    piece = sound[: max(0, len(out) - start)]
    out[start : start + len(piece)] += np.float32(gain) * piece


def levelled(sound: Float32) -> Float32:
    """The sound with peak `PEAK`; silence stays silence."""
    peak = float(np.max(np.abs(sound), initial=0.0))
    return (sound * np.float32(PEAK / peak)).astype(np.float32) if peak > 0.0 else sound


def unit(sound: Float32) -> Float32:
    """The sound with RMS 1."""
    rms = float(np.sqrt(np.mean(sound.astype(np.float64) ** 2))) + 1e-9
    return (sound / np.float32(rms)).astype(np.float32)


def in_a_room(rng: np.random.Generator, dry: Float32) -> Float32:
    """The sound with a room's answer, often a little and sometimes none."""
    wet = float(rng.uniform(0.0, 0.5))
    if wet < 0.1:
        return dry
    tail = reverb(np.stack([dry, dry], axis=1), rng, decay_s=float(rng.uniform(0.4, 2.0)))
    return high_pass((dry + np.float32(wet) * tail[:, 0]).astype(np.float32), 30.0)
