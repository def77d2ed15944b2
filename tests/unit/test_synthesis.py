"""The synthesiser plays exactly what its truth says."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from engine.synthesis.drums import make_kit
from engine.synthesis.filters import sweep
from engine.synthesis.loop import render_loop
from engine.synthesis.loudness import loudness_lufs, true_peak_db
from engine.synthesis.mix import Bus, ducking, limit, master
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, midi_hz, saw
from engine.synthesis.pads import pad_chord
from engine.synthesis.pattern import GROOVES, TempoMap
from engine.synthesis.probe import render_probe
from engine.synthesis.space import ping_pong, reverb
from engine.synthesis.truth import merge_onsets

SR = SAMPLE_RATE_HZ


def _energy_db(samples: np.ndarray, first_s: float, last_s: float) -> float:
    piece = samples[max(0, round(first_s * SR)) : round(last_s * SR)]
    return float(10.0 * np.log10(np.mean(piece**2) + 1e-12))


def test_every_kick_of_a_bare_loop_starts_where_the_truth_says() -> None:
    samples, truth = render_loop(
        bpm=100, bars=4, groove="rock", bass=False, pads=False, fills=False
    )
    spectrum = np.fft.rfft(samples[:, 0])
    spectrum[np.fft.rfftfreq(len(samples), 1.0 / SR) > 150.0] = 0.0
    low = np.fft.irfft(spectrum, len(samples))
    assert len(truth.lanes["kick"]) == 12
    kicks = truth.lanes["kick"]
    # A kick rings for half a second: only those that begin in quiet show their own rise.
    alone = [kick for before, kick in pairwise(kicks) if kick - before > 0.5]
    assert len(alone) == 7
    for kick_s in alone:
        after_db = _energy_db(low, kick_s, kick_s + 0.03)
        before_db = _energy_db(low, kick_s - 0.04, kick_s - 0.01)
        assert after_db > before_db + 15.0
    assert np.flatnonzero(np.abs(samples[:, 0]) > 1e-5)[0] <= 3


def test_the_same_seed_is_the_same_sound_and_another_seed_is_not() -> None:
    first, truth = render_loop(bpm=120, bars=2, drift=0.02, seed=5)
    again, truth_again = render_loop(bpm=120, bars=2, drift=0.02, seed=5)
    other, _ = render_loop(bpm=120, bars=2, drift=0.02, seed=6)
    assert np.array_equal(first, again)
    assert truth == truth_again
    assert not np.array_equal(first[: len(other)], other[: len(first)])


@pytest.mark.parametrize("bpm", [60.0, 97.0, 120.0, 174.0])
def test_beats_lie_a_beat_apart_and_bars_begin_on_them(bpm: float) -> None:
    _, truth = render_loop(bpm=bpm, bars=2, pads=False, bass=False)
    assert truth.tempo_bpm == pytest.approx(bpm)
    assert np.diff(truth.beats_s) == pytest.approx(60.0 / bpm)
    assert truth.downbeats_s == truth.beats_s[::4]


def test_a_waltz_has_three_beats_in_a_bar() -> None:
    _, truth = render_loop(bpm=120, bars=4, groove="waltz", pads=False, bass=False)
    assert len(truth.beats_s) == 12
    assert truth.downbeats_s == truth.beats_s[::3]


def test_swing_delays_the_off_beats_and_leaves_the_beats() -> None:
    straight, swung = TempoMap(120.0), TempoMap(120.0, swing=2.0 / 3.0)
    for beat in range(8):
        assert swung.time_s(beat) == pytest.approx(straight.time_s(beat))
        assert swung.time_s(beat + 0.5) == pytest.approx(beat * 0.5 + 0.5 * 2.0 / 3.0)


def test_drift_stays_within_its_bound_and_moves_the_tempo() -> None:
    tempo = TempoMap(120.0, drift=0.05, drift_phase=1.0)
    gaps_s = np.diff([tempo.time_s(beat) for beat in range(200)])
    assert np.all(np.abs(gaps_s / 0.5 - 1.0) <= 0.0501)
    assert np.ptp(gaps_s) > 0.04


def test_a_breakdown_has_no_kick_and_half_time_has_one_snare_a_bar() -> None:
    _, truth = render_loop(
        bpm=120, bars=8, groove="rock", fills=False, half_time_bars=(2, 4), breakdown_bars=(4, 6)
    )
    kicks, snares = np.array(truth.lanes["kick"]), np.array(truth.lanes["snare"])
    assert not np.any((kicks > 7.95) & (kicks < 11.95))
    assert np.count_nonzero((snares > 3.95) & (snares < 7.95)) == 2
    assert [section.label for section in truth.sections] == [
        "groove", "half-time", "breakdown", "groove",
    ]  # fmt: skip
    assert truth.sections[2].start_s == pytest.approx(8.0)


def test_noise_is_as_loud_as_asked_against_the_music() -> None:
    clean, _ = render_loop(bpm=120, bars=2, seed=1)
    noisy, _ = render_loop(bpm=120, bars=2, seed=1, noise_db=0.0)
    scale = np.dot(noisy.ravel(), clean.ravel()) / np.dot(clean.ravel(), clean.ravel())
    rest = noisy - scale * clean
    ratio_db = 10.0 * np.log10(np.mean(rest**2) / np.mean((scale * clean) ** 2))
    assert ratio_db == pytest.approx(0.0, abs=0.5)


def test_interference_is_repeated_over_the_whole_loop() -> None:
    hum = np.sin(2.0 * np.pi * 3000.0 * np.arange(SR // 2) / SR).astype(np.float32)
    samples, _ = render_loop(
        bpm=120, bars=2, bass=False, pads=False, interference=hum, interference_db=0.0
    )
    tail = samples[-SR // 4 :, 0]
    spectrum = np.abs(np.fft.rfft(tail))
    assert np.argmax(spectrum) == pytest.approx(3000 * len(tail) / SR, abs=1)


def test_gain_changes_only_the_level() -> None:
    loud, truth = render_loop(bpm=120, bars=1)
    soft, truth_soft = render_loop(bpm=120, bars=1, gain_db=-40.0)
    assert np.allclose(soft, loud * 0.01, atol=1e-6)
    assert truth == truth_soft
    assert np.max(np.abs(loud)) == pytest.approx(0.7, abs=1e-3)


def test_an_unknown_groove_is_named() -> None:
    with pytest.raises(KeyError, match="polka"):
        render_loop(groove="polka")


def test_the_truth_speaks_the_words_of_analyze() -> None:
    _, truth = render_loop(bpm=120, bars=1)
    page = json.loads(json.dumps(truth.as_dict()))
    times = {"beats_s", "downbeats_s", "onsets_s"}
    assert set(page) == {"duration_s", "tempo_bpm", "lanes", "key", "sections"} | times
    assert set(page["lanes"]) == {"kick", "snare", "hat"}
    assert set(page["sections"][0]) == {"start_s", "end_s", "label"}


def test_onsets_closer_than_the_ear_tells_count_once() -> None:
    assert merge_onsets([1.0, 0.5, 1.01, 1.02, 2.0]) == (0.5, 1.0, 1.02, 2.0)


def test_the_probe_has_no_period_and_hits_where_it_says() -> None:
    samples, truth = render_probe(seed=0)
    assert samples.shape == (45 * SR, 2)
    assert np.all(np.isfinite(samples))
    assert 80 <= len(truth.onsets_s) <= 200
    train = np.zeros(4500)
    train[(100 * np.array(truth.onsets_s)).astype(int)] = 1.0
    train -= train.mean()
    auto = np.correlate(train, train, "full")[len(train) :] / np.dot(train, train)
    assert np.max(auto[20:3000]) < 0.25
    for kick_s in truth.lanes["kick"][:10]:
        assert _energy_db(samples, kick_s, kick_s + 0.06) > -30.0


def test_another_seed_of_the_probe_is_another_sound() -> None:
    _, first = render_probe(seed=0, duration_s=20.0)
    _, other = render_probe(seed=1, duration_s=20.0)
    shared = sum(any(abs(a - b) < 0.02 for b in other.onsets_s) for a in first.onsets_s)
    assert shared < 0.35 * len(first.onsets_s)


def test_every_drum_is_finite_short_and_peaks_at_one() -> None:
    kit = make_kit(np.random.default_rng(0), variation=1.0)
    for name in kit.__dataclass_fields__:
        sound = kit.sound(name)
        assert np.max(np.abs(sound)) == pytest.approx(1.0)
        assert abs(sound[-1]) < 1e-3
        assert 0.05 < len(sound) / SR < 3.0


def test_every_groove_fills_its_bar_and_no_more() -> None:
    for groove in GROOVES.values():
        beats = [hit.beat for hit in groove.hits()]
        assert min(beats) == 0.0
        assert max(beats) < groove.beats_per_bar


def test_a_saw_has_its_pitch_and_little_above_half_the_sample_rate_folds_back() -> None:
    tone = saw(midi_hz(93), SR).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(SR)))
    assert np.argmax(spectrum) == pytest.approx(1760, abs=1)
    below = spectrum[20:1700].max() / spectrum.max()
    assert below < 0.01


def test_a_moving_low_pass_removes_what_lies_above_it() -> None:
    rng = np.random.default_rng(0)
    white = rng.standard_normal((SR, 2)).astype(np.float32)
    dull = sweep(white, np.full(SR, 1000.0))
    power = np.abs(np.fft.rfft(dull[:, 0])) ** 2
    assert power[4000:].sum() < 1e-3 * power[:1000].sum()
    kept = power[:500].sum() / (np.abs(np.fft.rfft(white[:, 0])) ** 2)[:500].sum()
    assert kept == pytest.approx(1.0, abs=0.1)


def test_echoes_come_at_multiples_of_the_delay_and_change_sides() -> None:
    click = np.zeros((SR, 2), dtype=np.float32)
    click[0] = 1.0
    echoes = ping_pong(click, 0.1, n_echoes=3)
    assert np.max(np.abs(echoes[:4000])) < 1e-3
    peaks = [np.abs(echoes[4410 * k - 5 : 4410 * k + 50]).max(axis=0) for k in (1, 2)]
    assert (peaks[0][0] > peaks[0][1]) != (peaks[1][0] > peaks[1][1])


def test_reverb_rings_on_after_the_sound_and_differs_between_the_sides() -> None:
    click = np.zeros((2 * SR, 2), dtype=np.float32)
    click[100] = 1.0
    wet = reverb(click, np.random.default_rng(0), decay_s=1.0)
    assert _energy_db(wet, 0.05, 0.1) - _energy_db(wet, 1.05, 1.1) > 45.0
    assert abs(np.corrcoef(wet[:, 0], wet[:, 1])[0, 1]) < 0.2


def test_a_pad_is_stereo() -> None:
    chord = pad_chord((50, 57, 62), 1.0, np.random.default_rng(0))
    assert abs(np.corrcoef(chord[:, 0], chord[:, 1])[0, 1]) < 0.9


def test_the_limiter_holds_its_ceiling_and_leaves_quiet_sound_alone() -> None:
    rng = np.random.default_rng(0)
    loud = rng.standard_normal((SR, 2)).astype(np.float32)
    assert np.max(np.abs(limit(loud, 0.5))) <= 0.5 + 1e-6
    quiet = 0.1 * np.sin(np.arange(SR) / 20.0)[:, None].repeat(2, axis=1).astype(np.float32)
    assert np.allclose(limit(quiet, 0.5), quiet, atol=1e-6)


def test_a_master_has_the_loudness_asked_for() -> None:
    rng = np.random.default_rng(0)
    mix = 0.05 * rng.standard_normal((5 * SR, 2)).astype(np.float32)
    mastered = master(mix, lufs=-18.0, ceiling_db=-1.0)
    assert loudness_lufs(mastered) == pytest.approx(-18.0, abs=0.3)
    assert true_peak_db(mastered) < 0.5


def test_a_full_scale_tone_on_both_sides_measures_zero_lufs() -> None:
    tone = np.sin(2.0 * np.pi * 997.0 * np.arange(3 * SR) / SR)
    stereo = (0.1 * tone)[:, None].repeat(2, axis=1).astype(np.float32)
    assert loudness_lufs(stereo) == pytest.approx(-20.0, abs=0.1)
    assert true_peak_db(stereo) == pytest.approx(-20.0, abs=0.1)
    assert loudness_lufs(np.zeros((SR, 2), dtype=np.float32)) < -100.0


def test_ducking_dips_after_a_kick_and_recovers() -> None:
    gain = ducking(SR, [0.2], depth=0.8, recover_s=0.2)
    assert gain[: round(0.2 * SR)] == pytest.approx(1.0)
    assert gain[round(0.21 * SR)] < 0.4
    assert gain[round(0.41 * SR) :] == pytest.approx(1.0)


def test_a_bus_cuts_what_lies_outside_and_pans_with_equal_power() -> None:
    bus = Bus(0.1)
    bus.place(np.ones(SR, dtype=np.float32), 0.05, pan=1.0)
    assert np.all(bus.samples[: round(0.05 * SR)] == 0.0)
    assert bus.samples[-1, 1] == pytest.approx(2**0.5, abs=1e-5)
    assert bus.samples[-1, 0] == pytest.approx(0.0, abs=1e-6)
    bus.place(np.ones(10, dtype=np.float32), 5.0)
    assert len(bus.samples) == round(0.1 * SR)
