"""The same sound, synthesised at 44.1 and at 48 kHz, is heard alike in every normalised output."""

from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.report import feature_arrays
from engine.messages import Float32

SECONDS = 12.0
CHORDS = (
    (261.63, 329.63, 392.0), (220.0, 261.63, 329.63), (174.61, 220.0, 261.63),
    (196.0, 246.94, 293.66),
)  # fmt: skip
TOLERANCE, CONFIDENCE_TOLERANCE = 0.04, 0.1
"""Of the means after 7 s, as `engine/analysis/README.md` states them."""
NUMBERS = (
    "time_s", "sample_index", "level_db", "tempo_bpm", "tonal_pitch_hz", "tonal_key", "bar_beats",
    "texture_loudness_lufs", "structure_section_delay_s", "structure_section",
)  # fmt: skip


def cluster(rng: np.random.Generator, low_hz: float, high_hz: float, at_s: np.ndarray) -> Float32:
    """Noise of 150 sines, so that it is the same sound at every rate."""
    tones_hz, turns = rng.uniform(low_hz, high_hz, 150), rng.uniform(0.0, 2.0 * np.pi, 150)
    waves = np.sin(2.0 * np.pi * tones_hz[:, None] * at_s + turns[:, None])
    return np.asarray(waves.sum(axis=0) / 12.0, np.float32)


def music(rate: int) -> Float32:
    """Kick, snare, hats at 120 BPM over four chords, no partial above 14 kHz."""
    rng = np.random.default_rng(1)
    at_s = np.arange(round(0.3 * rate)) / rate
    kick = np.sin(2.0 * np.pi * (50.0 * at_s + 8.0 * (1.0 - np.exp(-at_s / 0.03))))
    snare = 0.5 * cluster(rng, 1500.0, 6000.0, at_s) * np.exp(-at_s / 0.06)
    hat = 0.2 * cluster(rng, 7000.0, 14_000.0, at_s) * np.exp(-at_s / 0.02)
    time_s = np.arange(round(SECONDS * rate)) / rate
    sound = np.zeros(time_s.shape[0])
    for number, chord in enumerate(CHORDS * 2):
        inside = (time_s >= 2.0 * number) & (time_s < 2.0 * (number + 1))
        for tone_hz in chord:
            for partial in (1, 2, 3):
                wave = np.sin(2.0 * np.pi * partial * tone_hz * time_s[inside])
                sound[inside] += 0.06 / partial * wave
    for eighth in range(round(4 * SECONDS) - 2):
        strokes: list[np.ndarray] = [hat]
        if eighth % 2 == 0:
            strokes.append(snare if eighth % 4 == 2 else kick * np.exp(-at_s / 0.08))
        first = round(0.25 * eighth * rate)
        for stroke in strokes:
            sound[first : first + stroke.shape[0]] += stroke
    return np.repeat(np.asarray(sound / 3.0, np.float32)[:, None], 2, axis=1)


@pytest.fixture(scope="module")
def tables() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    ours, others = (
        feature_arrays(Analyzer(rate).push(music(rate)), rate) for rate in (44_100, 48_000)
    )
    return ours, others


def late(columns: dict[str, np.ndarray], name: str) -> np.ndarray:
    inside = (columns["time_s"] >= 7.0) & (columns["time_s"] < SECONDS - 0.5)
    mean: np.ndarray = columns[name][inside].astype(np.float64).mean(axis=0)
    return mean


def test_every_normalised_output_is_the_same_at_both_rates(
    tables: tuple[dict[str, np.ndarray], dict[str, np.ndarray]],
) -> None:
    ours, others = tables
    compared = 0
    for name in ours:
        if name in NUMBERS or name.endswith("count"):
            continue
        tolerance = CONFIDENCE_TOLERANCE if name.endswith("confidence") else TOLERANCE
        np.testing.assert_allclose(
            late(others, name), late(ours, name), atol=tolerance, err_msg=name
        )
        compared += 1
    assert compared >= 25


def test_what_is_counted_and_named_is_the_same_at_both_rates(
    tables: tuple[dict[str, np.ndarray], dict[str, np.ndarray]],
) -> None:
    ours, others = tables
    for name in ("onset_count", "lanes_count", "beat_count", "bar_count"):
        assert np.abs(ours[name][-1] - others[name][-1]).max() <= 1, name
    assert ours["tonal_key"][-1] == others["tonal_key"][-1] >= 0
    assert others["tempo_bpm"][-1] == pytest.approx(ours["tempo_bpm"][-1], rel=0.005)
    assert late(others, "texture_loudness_lufs") == pytest.approx(
        late(ours, "texture_loudness_lufs"), abs=0.1
    )
