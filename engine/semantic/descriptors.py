"""What can be said of any sound from its features alone: for when no listener knows it.

Five words with a picture each. How well a word fits is the product of how loud, bright, noisy and
struck the sound is, each in [0, 1]; the fits are made to sum to 1.
"""

from __future__ import annotations

import numpy as np

from engine.messages import AudioFeatures, Float32
from engine.semantic.bank import Bank, Label

DESCRIPTORS = Bank(
    (
        Label("deep", ("a deep dark sound",), "a nebula, dark, deep violet"),
        Label("bright", ("a bright clear sound",), "northern lights over a frozen lake"),
        Label("noisy", ("a rough noisy sound",), "ink in water, churning"),
        Label("striking", ("a sound of hard strokes",), "fireworks in the night sky"),
        Label("calm", ("a soft calm sound",), "a sea of clouds"),
    )
)
"""The words and what they let ember paint."""


def describe(features: AudioFeatures) -> Float32:
    """Return how well each of `DESCRIPTORS` fits, shape `(5,)`, sum 1. Pure.

    `bright` is the centroid, `noisy` the flatness on a root axis (music lies below 0.1), `struck`
    how much of the sound are strokes, `loud` the level against the last 45 s.
    """
    bright = _unit(features.centroid)
    noisy = _unit(features.flatness**0.5 * 1.4)
    struck = _unit(max(features.texture.percussive, float(features.band_presence[-1]) * 0.5))
    loud = _unit(float(features.band_level[-1]))
    calm = 1.0 - 0.5 * (loud + struck)
    fits = np.array(
        [
            (1.0 - bright) * (1.0 - 0.5 * noisy) * (0.4 + 0.6 * loud),
            bright * (1.0 - noisy) * (0.4 + 0.6 * loud),
            noisy * (0.4 + 0.6 * loud),
            struck * (0.3 + 0.7 * loud),
            calm * (1.0 - 0.5 * noisy) * 0.7,
        ]
    )
    fits = (fits + 0.01) ** 2
    return np.asarray(fits / fits.sum(), np.float32)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0) if np.isfinite(value) else 0.0
