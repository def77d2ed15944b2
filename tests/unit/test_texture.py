"""Loudness, width, crest, mel bands, roll-off, flux, and strokes against tones."""

from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.framer import hop_length
from engine.analysis.k_weighting import KWeighting
from engine.messages import AudioFeatures, Float32, Texture
from tests.signals import drums, noise, sine, sweep

RATE = 48_000
HOPS_PER_S = 93.75


def heard(samples: np.ndarray, rate: int = RATE) -> list[AudioFeatures]:
    return Analyzer(rate).push(samples)


def texture(samples: np.ndarray, rate: int = RATE) -> Texture:
    return heard(samples, rate)[-1].texture


def stereo(left: Float32, right: Float32) -> Float32:
    return np.stack([left, right], axis=1)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("lufs", [-20.0, -26.0, -40.0])
def test_a_stereo_tone_of_1_khz_has_the_loudness_of_its_peak(rate: int, lufs: float) -> None:
    tone = sine(1000.0, 1.0, rate, 10.0 ** (lufs / 20.0))
    assert texture(stereo(tone, tone), rate).loudness_lufs == pytest.approx(lufs, abs=0.1)


def test_a_tone_in_one_channel_is_3_lu_softer() -> None:
    tone = sine(1000.0, 1.0, RATE, 0.1)
    assert texture(stereo(tone, 0.0 * tone)).loudness_lufs == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize(
    ("hz", "db"), [(38.0, -6.05), (100.0, -1.18), (2000.0, 3.02), (10_000.0, 4.0)]
)
def test_the_weighting_is_that_of_the_standard(hz: float, db: float) -> None:
    """Figures of the analogue filters behind BS.1770: bass counts less, treble more."""
    tone = sine(hz, 2.0, RATE, 0.1)
    weighed = texture(stereo(tone, tone)).loudness_lufs + 20.0 + 0.691
    assert weighed == pytest.approx(db, abs=0.15)


def test_momentary_loudness_looks_back_400_ms() -> None:
    tone = sine(1000.0, 2.0, RATE, 0.1)
    tone[RATE:] = 0.0
    loudness = [f.texture.loudness_lufs for f in heard(stereo(tone, tone))]
    assert loudness[round(1.2 * HOPS_PER_S)] == pytest.approx(-23.0, abs=0.3)  # half of it
    assert loudness[round(1.45 * HOPS_PER_S)] < -60.0


@pytest.mark.parametrize("rate", [11_025, 44_100, 48_000, 88_200])
def test_the_weighting_of_whole_hops_is_the_recursion_over_samples(rate: int) -> None:
    from engine.analysis.k_weighting import _cut, _shelf

    hop = hop_length(rate)
    samples = np.random.default_rng(1).standard_normal((3 * hop, 2)).astype(np.float32)
    whole = KWeighting(rate, hop)
    ours = np.concatenate([whole.filter(samples[i : i + hop]) for i in range(0, 3 * hop, hop)])
    plain = samples[:, 0].astype(np.float64)
    for b0, b1, b2, a1, a2 in (_shelf(rate), _cut(rate)):
        first = second = 0.0
        for index, value in enumerate(plain):
            out = b0 * value + first
            first, second = b1 * value - a1 * out + second, b2 * value - a2 * out
            plain[index] = out
    np.testing.assert_allclose(ours[:, 0], plain, atol=1e-9)


def test_width_is_0_for_mono_and_1_for_two_strangers() -> None:
    one, other = noise(2.0, RATE, seed=1), noise(2.0, RATE, seed=2)
    assert texture(stereo(one, one)).width == 0.0
    assert texture(stereo(one, other)).width > 0.95
    assert texture(stereo(one, np.float32(-0.5) * one)).width == 1.0
    between = texture(stereo(one + 0.3 * other, one)).width
    assert 0.1 < between < 0.5


def test_the_crest_of_a_sine_is_3_db_and_that_of_a_square_none() -> None:
    tone = sine(997.0, 2.0, RATE)
    assert texture(tone).crest == pytest.approx(3.01 / 20.0, abs=0.01)
    assert texture(np.sign(tone) * np.float32(0.2)).crest == pytest.approx(0.0, abs=0.01)
    assert texture(drums(120.0, 4.0, RATE)).crest > 0.5


def test_a_sweep_climbs_the_mel_bands_one_after_the_other() -> None:
    features = heard(sweep(80.0, 14_000.0, 6.0, RATE))
    loudest = [int(np.argmax(f.texture.mel)) for f in features[10::20]]
    assert loudest == sorted(loudest)
    assert loudest[0] <= 1
    assert loudest[-1] >= 22


def test_each_mel_band_is_held_against_its_own_top() -> None:
    mix = sine(150.0, 3.0, RATE, 0.3) + sine(5000.0, 3.0, RATE, 0.01)
    mel = texture(mix).mel
    assert np.sort(mel)[-2:].min() > 0.9
    assert np.flatnonzero(mel > 0.9)[-1] > 12
    assert mel[np.flatnonzero(mel > 0.9)[-1] + 3 :].max(initial=0.0) < 0.4


def test_the_rolloff_is_where_most_of_the_sound_lies_below() -> None:
    low, high = (texture(sine(hz, 1.0, RATE)).rolloff for hz in (300.0, 6000.0))
    assert low < high - 0.3
    assert texture(noise(2.0, RATE)).rolloff > 0.95


def test_a_steady_tone_does_not_change_and_drums_do() -> None:
    flux = np.array([f.texture.flux for f in heard(drums(120.0, 6.0, RATE))])
    assert texture(sine(440.0, 3.0, RATE)).flux < 0.15
    assert flux[200:].max() > 0.5


def test_strokes_are_percussive_and_tones_and_noise_are_not() -> None:
    tones = sine(220.0, 4.0, RATE) + sine(277.0, 4.0, RATE) + sine(1320.0, 4.0, RATE, 0.1)
    struck = [f.texture.percussive for f in heard(drums(120.0, 6.0, RATE))]
    assert np.mean(struck[200:]) > 0.5
    assert texture(tones).percussive < 0.05
    assert texture(noise(4.0, RATE)).percussive < 0.15


def test_in_silence_loudness_and_mel_fall_and_the_rest_is_held() -> None:
    music = drums(120.0, 4.0, RATE)
    features = heard(np.concatenate([music, np.zeros(4 * RATE, np.float32)]))
    first = next(f for f in features if f.silent and f.sample_index > 4 * RATE).texture
    last = features[-1].texture
    assert last.loudness_lufs == -120.0
    assert last.mel.max() < 0.01
    for name in ("rolloff", "flux", "crest", "width", "percussive"):
        assert getattr(last, name) == getattr(first, name), name
