from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.report import analyze, feature_arrays
from engine.messages import AudioFeatures
from tests.signals import clicks, drums, in_blocks, noise, sine, sweep

ABSOLUTE = {"level_db", "peak", "texture_loudness_lufs"}
"""What the gain of the line is meant to change."""
COUNTS = {
    "sample_index", "time_s", "tempo_bpm", "tonal_pitch_hz", "tonal_key", "bar_beats",
    "structure_section_delay_s",
}  # fmt: skip
"""What is no share of anything; all others run in [0, 1], or count."""


def table(features: list[AudioFeatures]) -> dict[str, np.ndarray]:
    """Every field, those of the groups too: whoever adds one has it tested here."""
    arrays = feature_arrays(features, features[0].sample_rate)
    return {name: np.asarray(column, np.float64) for name, column in arrays.items()}


def shares(features: list[AudioFeatures]) -> dict[str, np.ndarray]:
    """The fields that run in [0, 1] whatever the gain."""
    return {
        name: column
        for name, column in table(features).items()
        if name not in ABSOLUTE | COUNTS and not name.endswith(("count", "section"))
    }


def heard(samples: np.ndarray, rate: int, size: int | None = None) -> list[AudioFeatures]:
    analyzer = Analyzer(rate)
    return [f for b in in_blocks(samples, size or len(samples)) for f in analyzer.push(b)]


@pytest.mark.parametrize("size", [1, 64, 65, 480, 512, 4096])
def test_features_are_bit_identical_for_every_block_size(size: int) -> None:
    rate = 12_000
    music = drums(130.0, 4.0, rate)
    ours, whole = table(heard(music, rate, size)), table(heard(music, rate))
    for name, column in whole.items():
        np.testing.assert_array_equal(ours[name], column, err_msg=name)


def test_features_are_bit_identical_for_blocks_of_random_length() -> None:
    rate = 24_000
    music = np.stack([drums(118.0, 3.0, rate), drums(97.0, 3.0, rate)], axis=1)
    rng = np.random.default_rng(4)
    cuts = np.cumsum(rng.integers(1, 4097, size=200))
    blocks = np.split(music, cuts[cuts < music.shape[0]])
    analyzer = Analyzer(rate)
    ours = table([features for block in blocks for features in analyzer.push(block)])
    for name, column in table(heard(music, rate)).items():
        np.testing.assert_array_equal(ours[name], column, err_msg=name)


@pytest.mark.parametrize("rate", [8_000, 11_025, 96_000, 192_000])
def test_every_rate_gives_94_hops_a_second_and_finds_the_tempo(rate: int) -> None:
    features = heard(drums(125.0, 7.0, rate), rate)
    assert len(features) == pytest.approx(7.0 * 93.75, abs=5)
    assert features[-1].tempo_bpm == pytest.approx(125.0, rel=0.01)
    assert all(np.isfinite(column).all() for column in table(features).values())


def test_two_sample_rates_hear_the_same() -> None:
    from soxr import resample

    music = drums(120.0, 6.0, 48_000) + noise(6.0, 48_000, level=0.003)
    all_ours = heard(music, 48_000)
    all_others = heard(resample(music, 48_000, 44_100).astype(np.float32), 44_100)
    ours, other = all_ours[-1], all_others[-1]
    assert other.tempo_bpm == pytest.approx(ours.tempo_bpm, rel=0.005)
    assert other.onset_count == ours.onset_count
    assert other.level_db == pytest.approx(ours.level_db, abs=1.0)
    np.testing.assert_allclose(other.band_presence, ours.band_presence, atol=0.05)
    assert np.abs(np.array(other.lanes.count) - ours.lanes.count).max() <= 2
    late = slice(3 * 94, 5 * 94)  # the resampler takes what lies above 22 kHz
    here, there = (table(features[late]) for features in (all_ours, all_others))
    for name in ("mel", "rolloff", "flux", "crest", "width", "percussive", "loudness_lufs"):
        tolerance = 0.3 if name == "loudness_lufs" else 0.05
        np.testing.assert_allclose(
            there[f"texture_{name}"].mean(axis=0), here[f"texture_{name}"].mean(axis=0),
            atol=tolerance, err_msg=name,
        )  # fmt: skip


def test_rates_outside_the_limits_are_refused_with_the_figure() -> None:
    with pytest.raises(ValueError, match="7999"):
        Analyzer(7_999)


def test_damaged_samples_leave_only_numbers() -> None:
    rate = 12_000
    music = drums(120.0, 3.0, rate)
    music[1000:1100] = np.nan
    music[9000] = np.inf
    music[20_000:20_010] = 3e38
    assert all(np.isfinite(column).all() for column in table(heard(music, rate)).values())


@pytest.mark.parametrize("offset", [0.5, -1.0])
def test_an_offset_of_the_line_is_not_music(offset: float) -> None:
    rate = 24_000
    features = heard(np.full(4 * rate, offset, np.float32), rate)
    columns = table(features)
    assert all(np.isfinite(column).all() for column in columns.values())
    assert max(features[-1].lanes.count) <= 1  # the click of plugging in
    assert features[-1].texture.loudness_lufs < -60.0


def test_a_clipped_line_still_has_its_beat_and_its_strokes() -> None:
    rate = 24_000
    music = drums(120.0, 8.0, rate)
    clipped = heard(np.clip(music * np.float32(8.0), -1.0, 1.0), rate)
    assert clipped[-1].tempo_bpm == pytest.approx(120.0, rel=0.01)
    assert max(f.peak for f in clipped) == 1.0
    assert clipped[-1].lanes.count[0] >= 8


def test_shares_stay_between_0_and_1() -> None:
    rate = 24_000
    music = np.concatenate([drums(120.0, 3.0, rate), noise(1.0, rate), np.zeros(rate, np.float32)])
    for name, column in shares(heard(music, rate)).items():
        assert column.min() >= 0.0, name
        assert column.max() <= 1.0, name


@pytest.mark.parametrize("gain_db", [-20.0, 20.0])
def test_20_db_of_gain_change_no_share_by_more_than_a_twentieth_after_10_s(gain_db: float) -> None:
    rate = 24_000
    music = 0.5 * drums(120.0, 12.0, rate) + noise(12.0, rate, level=0.02)
    changed = shares(heard(music * np.float32(10.0 ** (gain_db / 20.0)), rate))
    late = slice(round(10.0 * 93.75), None)
    for name, column in shares(heard(music, rate)).items():
        difference = np.abs(changed[name][late] - column[late])
        if name.endswith("phase"):
            difference = np.minimum(difference, 1.0 - difference)
        assert difference.max() < 0.05, name


def test_after_a_silence_the_music_is_heard_as_it_was_before() -> None:
    rate = 24_000
    music, pause = drums(120.0, 8.0, rate), np.zeros(20 * rate, np.float32)
    features = heard(np.concatenate([np.zeros(2 * rate, np.float32), music, pause, music]), rate)
    columns = shares(features)
    before = slice(round(6.0 * 93.75), round(10.0 * 93.75))
    after = slice(before.start + round(28.0 * 93.75), before.stop + round(28.0 * 93.75))
    for name, column in columns.items():
        if name.endswith("phase") or name.startswith(("structure", "tonal", "bar", "tempo")):
            continue
        assert column[after].mean(axis=0) == pytest.approx(
            column[before].mean(axis=0), abs=0.05
        ), name
    first, second = (features[round(t * 93.75)].lanes.count for t in (9.9, 29.9))
    strokes = np.array(features[-1].lanes.count) - np.array(second)
    assert features[round(1.9 * 93.75)].lanes.count == (0, 0, 0)
    assert second == first
    assert np.abs(strokes - np.array(first)).max() <= 1


def test_a_click_is_seen_within_two_hops() -> None:
    rate = 48_000
    features = heard(clicks(np.array([1.0]), 2.0, rate), rate)
    seen = next(f.sample_index for f in features if f.onset_count) / rate
    lit = next(f.sample_index for f in features if f.band_hit.max() > 0.5) / rate
    assert 1.0 < seen < 1.025
    assert 1.0 < lit < 1.025


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
    ours = table(heard(stereo, 24_000))
    for name, column in table(heard(mono, 24_000)).items():
        np.testing.assert_array_equal(ours[name], column, err_msg=name)


def test_the_report_has_every_key_and_one_row_per_hop() -> None:
    rate = 24_000
    report, arrays = analyze(in_blocks(drums(120.0, 8.0, rate), 1000), rate)
    assert set(report) == {
        "duration_s", "tempo_bpm", "beats_s", "downbeats_s",
        "onsets_s", "lanes", "key", "sections",
        "keys", "tempo", "build_ups", "drops_s", "loudness",
    }  # fmt: skip
    assert report["duration_s"] == 8.0
    assert report["tempo_bpm"] == pytest.approx(120.0, rel=0.01)
    assert set(report["lanes"]) == {"kick", "snare", "hat"}
    assert len(report["lanes"]["kick"]) == pytest.approx(16, abs=2)
    assert set(report["downbeats_s"]) <= set(report["beats_s"])
    assert all(row.shape[0] == 8 * rate // 256 for row in arrays.values())
    assert arrays["band_level"].shape == (750, 6)


def test_the_report_of_silence_has_no_tempo_and_no_events() -> None:
    report, _ = analyze([np.zeros(48_000, np.float32)], 24_000)
    assert report["tempo_bpm"] is None
    assert report["beats_s"] == []
    assert report["onsets_s"] == []
    assert report["sections"] == []
    assert report["lanes"] == {"kick": [], "snare": [], "hat": []}


def test_the_report_of_nothing_is_empty_and_no_error() -> None:
    report, arrays = analyze([], 24_000)
    assert report["duration_s"] == 0.0
    assert report["keys"] == report["tempo"] == []
    assert report["loudness"] == {
        "integrated_lufs": None, "loudest_lufs": None, "momentary": [],
    }  # fmt: skip
    assert arrays["band_level"].shape[0] == 0


@pytest.mark.parametrize("offset", [0.3, -0.1])
def test_a_constant_voltage_is_silence_and_music_on_it_is_that_music(offset: float) -> None:
    silence = Analyzer(24_000).push(np.full(4 * 24_000, offset, np.float32))
    assert all(f.silent for f in silence[60:])
    assert silence[-1].onset_count == 0
    music = drums(120.0, 10.0, 24_000) * np.float32(0.5)
    plain, shifted = (Analyzer(24_000).push(m)[-1] for m in (music, music + np.float32(offset)))
    assert shifted.beat_count == pytest.approx(plain.beat_count, abs=1)
    assert shifted.lanes.count == pytest.approx(plain.lanes.count, abs=1)
    np.testing.assert_allclose(shifted.band_level, plain.band_level, atol=0.05)
