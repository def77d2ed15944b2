"""The aperiodic probe: drum hits at random times over a pad.

On periodic music a wrong song still correlates whenever its beat falls on the picture's, so
reactivity is measured on sound without a period.
"""

from __future__ import annotations

import numpy as np

from engine.synthesis.drummer import Drummer
from engine.synthesis.drums import make_kit
from engine.synthesis.filters import sweep
from engine.synthesis.mix import Bus
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32
from engine.synthesis.pads import drone
from engine.synthesis.truth import Truth, merge_onsets

# Mean seconds from one hit of a lane to the next; the shortest gap is `_MIN_GAP_S`.
_MEAN_GAP_S = {"kick": 0.95, "snare": 1.35, "hat": 0.75}
_MIN_GAP_S = 0.22
_FIRST_HIT_S = 0.8
_LAST_HIT_BEFORE_END_S = 0.5
_PAD_NOTES = (50, 57, 62, 65)
_PAD_HZ = 900.0
_PEAK = 0.8


def render_probe(seed: int = 0, duration_s: float = 45.0) -> tuple[Float32, Truth]:
    """Random kicks, snares and hats over a still pad; another seed is another sound.

    Returns samples of shape `(n, 2)` at 44.1 kHz, float32, peak 0.8, and the truth: `lanes` and
    `onsets_s` hold the hit times; there is no tempo, no beat and no section.
    """
    rng = np.random.default_rng(seed)
    kicks, others, pad = (Bus(duration_s) for _ in range(3))
    drummer = Drummer(make_kit(rng, variation=0.5), kicks, others, rng)
    for lane, mean_gap_s in _MEAN_GAP_S.items():
        for at_s in _random_times_s(rng, mean_gap_s, duration_s):
            drummer.strike(lane, at_s, float(rng.uniform(0.7, 1.0)))
    chord = drone(_PAD_NOTES, duration_s, rng)
    cutoff_hz = np.full(len(chord), _PAD_HZ)
    pad.place(sweep(chord, cutoff_hz), 0.0, 0.12)
    mixed = kicks.samples + others.samples + pad.samples
    samples = (_PEAK / np.max(np.abs(mixed)) * mixed).astype(np.float32)
    truth = Truth(
        duration_s=len(samples) / SAMPLE_RATE_HZ,
        onsets_s=merge_onsets(drummer.all_times_s()),
        lanes=drummer.lanes(),
        key="D minor",
    )
    return samples, truth


def _random_times_s(rng: np.random.Generator, mean_gap_s: float, duration_s: float) -> list[float]:
    times_s = []
    at_s = _FIRST_HIT_S + float(rng.exponential(mean_gap_s - _MIN_GAP_S))
    while at_s < duration_s - _LAST_HIT_BEFORE_END_S:
        times_s.append(at_s)
        at_s += _MIN_GAP_S + float(rng.exponential(mean_gap_s - _MIN_GAP_S))
    return times_s
