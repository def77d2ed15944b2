"""Five thousand pictures that feed on each other: nothing burns, fades, blurs or freezes.

A matter of minutes, so it runs where it is asked for: `SONOLUME_SLOW=1 pytest tests/integration`.
"""

from __future__ import annotations

import math
import os
import random

import numpy as np
import pytest

from engine.diffusion.models.ember.bundle import open_ember
from engine.messages import ControlState, Travel, Uint8
from engine.registry import ModelRequest
from tests.states import control

PICTURES = 5_000
FPS = 25.0
WINDOW = 250
FIRST = 4
"""Windows that say what the scene is like: one alone is no measure of a picture that lives."""
BAND = 0.35
"""How far a window's light, spread and colour may be from those of the first ones."""
TREND = 0.15
"""How far the last quarter of all windows may be from the first."""
SIDE = 128


def show(k: int, hits: random.Random) -> ControlState:
    """A quiet flight with hits now and then, one prompt throughout."""
    strength = 0.9 if hits.random() < 0.05 else 0.45
    travel = Travel(0.04 * k / FPS, 6.0 * math.sin(k / 400.0), 0.0, 0.0, 0.25 * k / FPS)
    return control(
        k / FPS, prompts=(("a sunset over the sea", 1.0),), travel=travel,
        diffusion__strength=strength,
    )  # fmt: skip


def figures(pixels: Uint8) -> tuple[float, float, float]:
    """Light, spread and saturation in grey levels."""
    levels = pixels.astype(np.float32)
    saturation = levels.max(axis=2) - levels.min(axis=2)
    return float(levels.mean()), float(levels.std()), float(saturation.mean())


@pytest.mark.skipif(not os.environ.get("SONOLUME_SLOW"), reason="minutes: set SONOLUME_SLOW=1")
@pytest.mark.timeout(3600)
def test_five_thousand_pictures_stay_within_their_band() -> None:
    model = open_ember(ModelRequest("ember", SIDE, SIDE, "cpu", "float32", 1))
    hits = random.Random(0)
    seen, frozen, before = [], 0, b""
    for k in range(PICTURES):
        pixels = model.generate(show(k, hits), 1.0 / FPS if k else 0.0)
        seen.append(figures(pixels))
        frozen += pixels.tobytes() == before
        before = pixels.tobytes()
    model.close()
    windows = np.array(seen).reshape(-1, WINDOW, 3).mean(axis=1)
    share = windows / windows[:FIRST].mean(axis=0)
    quarter = len(share) // 4
    assert frozen == 0
    assert np.abs(share - 1.0).max() < BAND, np.round(share, 2)
    trend = share[-quarter:].mean(axis=0) / share[:quarter].mean(axis=0)
    assert np.abs(trend - 1.0).max() < TREND, np.round(trend, 2)


def test_the_stronger_a_picture_is_painted_the_further_it_is_from_the_one_before() -> None:
    model = open_ember(ModelRequest("ember", SIDE, SIDE, "cpu", "float32", 1))
    distances = []
    for strength in (0.1, 0.3, 0.5, 0.7, 0.9, 1.0):
        model.restart()
        first = model.generate(control(0.0), 0.0).astype(int)
        state = control(0.04, travel=Travel(noise_rad=3.0), diffusion__strength=strength)
        distances.append(float(np.abs(model.generate(state, 0.04) - first).mean()))
    model.close()
    assert distances == sorted(distances)
    assert distances[-1] > 3.0 * distances[0]
