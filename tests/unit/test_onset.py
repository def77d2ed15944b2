from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.report import analyze
from tests.signals import clicks, drums, noise, sine

RATE = 24_000


def test_every_click_is_one_onset_at_its_time() -> None:
    times = np.array([0.5, 0.9, 1.15, 1.3, 2.0, 2.6, 3.1])
    report, _ = analyze([clicks(times, 4.0, RATE)], RATE)
    assert len(report["onsets_s"]) == len(times)
    np.testing.assert_allclose(report["onsets_s"], times, atol=0.015)


@pytest.mark.parametrize("level", [0.02, 0.9])
def test_soft_and_loud_clicks_count_the_same(level: float) -> None:
    features = Analyzer(RATE).push(clicks(np.arange(0.5, 4.0, 0.5), 4.0, RATE, level))
    assert features[-1].onset_count == 7


def test_clicks_are_heard_through_a_loud_steady_tone() -> None:
    mix = clicks(np.arange(1.0, 4.0, 0.5), 4.5, RATE, 0.4) + sine(220.0, 4.5, RATE, 0.4)
    features = Analyzer(RATE).push(mix)
    before = next(f.onset_count for f in features if f.sample_index > 0.9 * RATE)
    assert features[-1].onset_count - before == 6


def test_vibrato_is_not_an_attack() -> None:
    time_s = np.arange(4 * RATE) / RATE
    phase = 2 * np.pi * 440 * time_s + 6.0 * np.sin(2 * np.pi * 5.5 * time_s)
    features = Analyzer(RATE).push((0.3 * np.sin(phase)).astype(np.float32))
    assert features[-1].onset_count <= 2


def test_steady_noise_has_hardly_any_onsets() -> None:
    assert Analyzer(RATE).push(noise(8.0, RATE))[-1].onset_count <= 8


def test_silence_has_none() -> None:
    assert Analyzer(RATE).push(np.zeros(3 * RATE, np.float32))[-1].onset_count == 0


def test_the_strength_is_near_one_at_an_attack_and_near_zero_between() -> None:
    features = Analyzer(RATE).push(drums(60.0, 6.0, RATE))
    strength = np.array([f.onset_strength for f in features])
    hop_s = 256 / RATE
    assert all(strength[int(t / hop_s) : int(t / hop_s) + 4].max() > 0.8 for t in (2.0, 3.0, 4.0))
    assert all(strength[int(t / hop_s)] < 0.1 for t in (2.4, 3.4, 4.4))
