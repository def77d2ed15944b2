from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.messages import BAND_NAMES, AudioFeatures
from tests.signals import clicks, drums, noise, sine

RATE = 24_000


def heard(samples: np.ndarray, rate: int = RATE) -> list[AudioFeatures]:
    return Analyzer(rate).push(samples)


def levels(features: list[AudioFeatures]) -> np.ndarray:
    return np.array([f.band_level for f in features])


@pytest.mark.parametrize(
    ("frequency_hz", "band"),
    [(33.0, "sub"), (120.0, "low"), (700.0, "mid"), (3500.0, "high"), (9000.0, "air")],
)
def test_a_tone_lights_its_own_band_and_the_whole(frequency_hz: float, band: str) -> None:
    level = heard(sine(frequency_hz, 2.0, 48_000), 48_000)[-1].band_level
    others = [i for i, name in enumerate(BAND_NAMES) if name not in (band, "all")]
    assert level[BAND_NAMES.index(band)] > 0.8
    assert level[BAND_NAMES.index("all")] > 0.8
    assert level[others].max() < 0.2


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_levels_do_not_depend_on_the_gain_of_the_line(gain: float) -> None:
    music = drums(120.0, 5.0, RATE)
    soft = levels(heard(music * np.float32(gain)))
    usual = levels(heard(music))
    np.testing.assert_allclose(soft[-200:].mean(0), usual[-200:].mean(0), atol=0.05)


def test_a_steady_tone_has_no_hits_after_its_start() -> None:
    hits = np.array([f.band_hit for f in heard(sine(100.0, 4.0, RATE))])
    assert hits[:20, BAND_NAMES.index("low")].max() > 0.5
    assert hits[100:].max() < 0.1


def test_a_hit_jumps_and_is_gone_after_a_fifth_of_a_second() -> None:
    times = np.arange(0.5, 6.0, 1.0)
    hit = np.array([f.band_hit[3] for f in heard(clicks(times, 6.0, RATE))])
    hop_s = 256 / RATE
    for time_s in times:
        hop = int(time_s / hop_s)
        assert hit[hop : hop + 4].max() > 0.6
        assert hit[hop + round(0.25 / hop_s)] < 0.1


def test_a_chorus_stays_brighter_than_the_verse_it_follows() -> None:
    verse = drums(120.0, 6.0, RATE) * np.float32(0.2)
    chorus = drums(120.0, 8.0, RATE)
    level = levels(heard(np.concatenate([verse, chorus, verse])))[:, BAND_NAMES.index("all")]
    hop_s = 256 / RATE
    late_chorus = level[round(10 / hop_s) : round(14 / hop_s)].mean()
    second_verse = level[round(16 / hop_s) :].mean()
    assert late_chorus > second_verse + 0.2


def test_gain_control_stands_still_in_silence() -> None:
    music = drums(120.0, 4.0, RATE)
    pause = np.zeros(10 * RATE, np.float32)
    with_pause = heard(np.concatenate([music, pause, music]))
    without = heard(np.concatenate([music, music]))
    np.testing.assert_allclose(
        levels(with_pause)[-150:].mean(0), levels(without)[-150:].mean(0), atol=0.05
    )


def test_in_silence_everything_falls_to_nothing() -> None:
    last = heard(np.concatenate([drums(120.0, 3.0, RATE), np.zeros(12 * RATE, np.float32)]))[-1]
    assert last.silent
    assert last.band_level.max() < 0.01
    assert last.band_hit.max() < 0.01
    assert last.band_presence.max() < 0.01


def test_the_noise_of_an_empty_band_is_not_blown_up() -> None:
    tone = sine(300.0, 3.0, RATE, 0.3) + noise(3.0, RATE, level=1e-5)
    level = heard(tone)[-1].band_level
    assert level[BAND_NAMES.index("air")] < 0.05
    assert level[BAND_NAMES.index("high")] < 0.05


def in_mood(samples: np.ndarray, mood: float) -> list[AudioFeatures]:
    analyzer = Analyzer(RATE)
    analyzer.follow({"audio/gain": 0.0, "audio/mood": mood})
    return analyzer.push(samples)


def test_moods_go_from_steady_to_lively() -> None:
    """A tone that swells by 6 dB, twice a second: the livelier the mood, the further it moves."""
    time_s = np.arange(16 * RATE) / RATE
    swell = 10.0 ** (0.15 * np.sin(2.0 * np.pi * 2.0 * time_s))
    tone = sine(700.0, 16.0, RATE) * swell.astype(np.float32) * np.float32(0.5)
    all_band = BAND_NAMES.index("all")
    spread = [np.ptp(levels(in_mood(tone, mood))[-300:, all_band]) for mood in (0.0, 1.0, 2.0)]
    assert spread[0] < 0.7 * spread[1]
    assert spread[1] < 0.7 * spread[2]


@pytest.mark.parametrize("mood", [0.0, 1.0, 2.0])
def test_in_every_mood_a_chorus_is_brighter_and_silence_dark(mood: float) -> None:
    verse, chorus = (drums(120.0, 6.0, RATE) * np.float32(gain) for gain in (0.3, 1.0))
    pause = np.zeros(4 * RATE, np.float32)
    level = levels(in_mood(np.concatenate([verse, chorus, pause]), mood))[:, -1]
    hop_s = 256 / RATE
    assert (
        level[round(8 / hop_s) : round(12 / hop_s)].mean()
        > level[round(2 / hop_s) : round(6 / hop_s)].mean()
    )
    assert level[-1] < 0.01


def test_the_mood_may_change_while_the_music_plays() -> None:
    analyzer, music = Analyzer(RATE), drums(120.0, 6.0, RATE)
    for mood in (0.0, 2.0, 1.0, 7.0):
        analyzer.follow({"audio/gain": 0.0, "audio/mood": mood})
        last = analyzer.push(music)[-1]
    assert last.band_presence[-1] > 0.3


def test_presence_follows_the_level_within_seconds() -> None:
    features = heard(np.concatenate([sine(700.0, 6.0, RATE), sine(100.0, 6.0, RATE)]))
    mid = BAND_NAMES.index("mid")
    hop_s = 256 / RATE
    presence = np.array([f.band_presence[mid] for f in features])
    assert presence[round(0.5 / hop_s)] < 0.4
    assert presence[round(5.9 / hop_s)] > 0.7
    assert presence[-1] < 0.15
