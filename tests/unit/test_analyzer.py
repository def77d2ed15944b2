from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.report import analyze, feature_arrays
from engine.messages import AudioFeatures
from tests.signals import drums, in_blocks, noise, sine, sweep


def table(features: list[AudioFeatures]) -> list[np.ndarray]:
    return [array.astype(np.float64) for array in feature_arrays(features, 48_000).values()]


def heard(samples: np.ndarray, rate: int, size: int | None = None) -> list[AudioFeatures]:
    analyzer = Analyzer(rate)
    return [f for b in in_blocks(samples, size or len(samples)) for f in analyzer.push(b)]


@pytest.mark.parametrize("size", [1, 64, 65, 480, 512, 4096])
def test_features_are_bit_identical_for_every_block_size(size: int) -> None:
    rate = 12_000
    music = drums(130.0, 4.0, rate)
    for ours, whole in zip(
        table(heard(music, rate, size)), table(heard(music, rate)), strict=True
    ):
        np.testing.assert_array_equal(ours, whole)


@pytest.mark.parametrize("rate", [8_000, 11_025, 96_000, 192_000])
def test_every_rate_gives_94_hops_a_second_and_finds_the_tempo(rate: int) -> None:
    features = heard(drums(125.0, 7.0, rate), rate)
    assert len(features) == pytest.approx(7.0 * 93.75, abs=5)
    assert features[-1].tempo_bpm == pytest.approx(125.0, rel=0.01)
    assert all(np.isfinite(column).all() for column in table(features))


def test_two_sample_rates_hear_the_same() -> None:
    from soxr import resample

    music = drums(120.0, 6.0, 48_000) + noise(6.0, 48_000, level=0.003)
    ours = heard(music, 48_000)[-1]
    other = heard(resample(music, 48_000, 44_100).astype(np.float32), 44_100)[-1]
    assert other.tempo_bpm == pytest.approx(ours.tempo_bpm, rel=0.005)
    assert other.onset_count == ours.onset_count
    assert other.level_db == pytest.approx(ours.level_db, abs=1.0)
    np.testing.assert_allclose(other.band_presence, ours.band_presence, atol=0.05)


def test_rates_outside_the_limits_are_refused_with_the_figure() -> None:
    with pytest.raises(ValueError, match="7999"):
        Analyzer(7_999)


def test_damaged_samples_leave_only_numbers() -> None:
    rate = 12_000
    music = drums(120.0, 3.0, rate)
    music[1000:1100] = np.nan
    music[9000] = np.inf
    music[20_000:20_010] = 3e38
    assert all(np.isfinite(column).all() for column in table(heard(music, rate)))


def test_level_and_peak_are_those_of_the_sound_before_any_gain() -> None:
    analyzer = Analyzer(24_000)
    analyzer.gain_db = 12.0
    last = analyzer.push(sine(440.0, 1.0, 24_000, 0.5))[-1]
    assert last.level_db == pytest.approx(-9.03, abs=0.1)
    assert last.peak == pytest.approx(0.5, abs=0.01)


def test_gain_opens_the_gate() -> None:
    soft = sine(440.0, 1.0, 24_000, 0.0005)
    closed, opened = Analyzer(24_000), Analyzer(24_000)
    opened.gain_db = 24.0
    assert closed.push(soft)[-1].silent
    assert not opened.push(soft)[-1].silent


def test_the_gate_closes_after_300_ms_and_opens_at_once() -> None:
    rate = 24_000
    tone, pause = sine(440.0, 1.0, rate), np.zeros(rate, np.float32)
    features = heard(np.concatenate([tone, pause, tone]), rate)
    silent = {round(f.sample_index / rate, 2): f.silent for f in features}
    by_time = sorted(silent.items())
    closes = next(t for t, quiet in by_time if t > 1.0 and quiet)
    opens = next(t for t, quiet in by_time if t > 2.0 and not quiet)
    assert 1.3 < closes < 1.4
    assert opens < 2.02


def test_silence_holds_centroid_and_flatness() -> None:
    rate = 24_000
    features = heard(np.concatenate([noise(1.0, rate), np.zeros(3 * rate, np.float32)]), rate)
    first_silent = next(f for f in features if f.sample_index > 2 * rate)
    assert features[-1].centroid == first_silent.centroid
    assert features[-1].flatness == first_silent.flatness


def test_the_centroid_rises_with_a_sweep() -> None:
    features = heard(sweep(150.0, 6000.0, 6.0, 24_000), 24_000)
    centroid = np.array([f.centroid for f in features])
    expected = np.array([f.sample_index for f in features]) / (6.0 * 24_000)
    np.testing.assert_allclose(centroid[30:], expected[30:], atol=0.08)


def test_a_tone_is_not_flat_and_noise_is() -> None:
    assert heard(sine(800.0, 1.0, 24_000), 24_000)[-1].flatness < 0.2
    assert heard(noise(1.0, 24_000), 24_000)[-1].flatness > 0.9


def test_published_arrays_cannot_be_changed() -> None:
    features = heard(sine(800.0, 0.2, 24_000), 24_000)[-1]
    with pytest.raises(ValueError, match="read-only"):
        features.band_level[0] = 1.0


def test_stereo_of_two_equal_channels_is_heard_like_mono() -> None:
    mono = drums(120.0, 1.0, 24_000)
    stereo = np.stack([mono, mono], axis=1)
    for ours, theirs in zip(table(heard(stereo, 24_000)), table(heard(mono, 24_000)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_report_has_every_key_and_one_row_per_hop() -> None:
    rate = 24_000
    report, arrays = analyze(in_blocks(drums(120.0, 8.0, rate), 1000), rate)
    assert set(report) == {
        "duration_s", "tempo_bpm", "beats_s", "downbeats_s",
        "onsets_s", "lanes", "key", "sections",
    }  # fmt: skip
    assert report["duration_s"] == 8.0
    assert report["tempo_bpm"] == pytest.approx(120.0, rel=0.01)
    assert set(report["downbeats_s"]) <= set(report["beats_s"])
    assert report["lanes"] == {"kick": None, "snare": None, "hat": None}
    assert all(row.shape[0] == 8 * rate // 256 for row in arrays.values())
    assert arrays["band_level"].shape == (750, 6)


def test_the_report_of_silence_has_no_tempo_and_no_events() -> None:
    report, _ = analyze([np.zeros(48_000, np.float32)], 24_000)
    assert report["tempo_bpm"] is None
    assert report["beats_s"] == []
    assert report["onsets_s"] == []


def test_the_report_of_nothing_is_empty_and_no_error() -> None:
    report, arrays = analyze([], 24_000)
    assert report["duration_s"] == 0.0
    assert arrays["band_level"].shape[0] == 0
