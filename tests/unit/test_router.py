"""Sources and routes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.keys import KEY_NAMES
from engine.messages import AudioFeatures, Bar, Lanes, Texture, Tonal
from engine.modulation.router import Router, modulated
from engine.modulation.sources import SourceBank
from engine.params import PARAMS, SOURCES
from engine.presets import Route

HOP_S = 512 / 48000
QUIET = AudioFeatures(
    sample_index=0, sample_rate=48000, level_db=-120.0, peak=0.0, silent=True,
    band_level=np.zeros(6, np.float32), band_hit=np.zeros(6, np.float32),
    band_presence=np.zeros(6, np.float32), onset_strength=0.0, onset_count=0, centroid=0.4,
    flatness=0.1, tempo_bpm=0.0, tempo_confidence=0.0, beat_count=0, beat_phase=0.0,
)  # fmt: skip
LOUD = replace(
    QUIET, silent=False, band_hit=np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], np.float32),
    band_level=np.full(6, 0.7, np.float32), tempo_bpm=120.0, beat_count=5, beat_phase=0.0,
)  # fmt: skip


def settle(router: Router, sources: dict[str, float], reactivity: float = 1.0):
    offsets = {}
    for _ in range(200):
        offsets = router.step(sources, reactivity, HOP_S)
    return offsets


def test_the_bank_makes_every_source_of_the_table_and_no_other():
    assert set(SourceBank().step(LOUD, HOP_S)) == set(SOURCES)


def test_bands_arrive_under_their_own_names():
    values = SourceBank().step(LOUD, HOP_S)
    assert values["sub.hit"] == pytest.approx(0.1)
    assert values["air.hit"] == pytest.approx(0.5)
    assert values["all.hit"] == pytest.approx(0.6)
    assert values["mid.level"] == pytest.approx(0.7)


def test_pitch_runs_over_four_octaves():
    bank = SourceBank()
    for pitch_hz, value in ((0.0, 0.0), (30.0, 0.0), (60.0, 0.0), (240.0, 0.5), (2000.0, 1.0)):
        heard = replace(LOUD, tonal=Tonal(pitch_hz=pitch_hz, pitch_confidence=0.7))
        values = bank.step(heard, HOP_S)
        assert values["pitch"] == pytest.approx(value)
        assert values["pitch.confidence"] == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("key", "hue", "minor"),
    [
        ("C major", 0.0, 0.0),
        ("A minor", 0.0, 1.0),
        ("G major", 1 / 12, 0.0),
        ("D minor", 11 / 12, 1.0),
    ],
)
def test_keys_of_the_same_notes_have_one_hue(key, hue, minor):
    heard = replace(LOUD, tonal=Tonal(key=KEY_NAMES.index(key), key_confidence=0.6))
    values = SourceBank().step(heard, HOP_S)
    assert values["key.hue"] == pytest.approx(hue)
    assert values["key.minor"] == minor
    assert values["key.confidence"] == pytest.approx(0.6)


def test_an_unknown_key_is_neither_coloured_nor_minor():
    values = SourceBank().step(LOUD, HOP_S)
    assert (values["key.hue"], values["key.minor"], values["key.confidence"]) == (0.0, 0.0, 0.0)


def test_strokes_and_texture_arrive_under_their_own_names():
    heard = replace(
        LOUD,
        lanes=Lanes(hit=np.array([0.9, 0.2, 0.4], np.float32)),
        texture=Texture(loudness_lufs=-29.0, rolloff=0.3, flux=0.4, crest=0.5, width=0.6),
    )
    values = SourceBank().step(heard, HOP_S)
    assert values["kick.hit"] == pytest.approx(0.9)
    assert values["snare.hit"] == pytest.approx(0.2)
    assert values["hat.hit"] == pytest.approx(0.4)
    assert values["loudness"] == pytest.approx(0.5)
    assert (values["rolloff"], values["flux"]) == (0.3, 0.4)
    assert (values["crest"], values["width"], values["percussive"]) == (0.5, 0.6, 0.0)
    assert SourceBank().step(replace(heard, silent=True), HOP_S)["loudness"] == 0.0


def test_sources_stay_in_their_ranges_whatever_the_features_say():
    wild = replace(
        LOUD, band_hit=np.array([np.nan, np.inf, -np.inf, 9, -9, 1], np.float32),
        tonal=Tonal(pitch_hz=float("nan"), pitch_confidence=float("inf"), key_confidence=-1.0),
        onset_strength=float("nan"), beat_phase=2.0, centroid=-3.0,
        lanes=Lanes(hit=np.array([np.nan, 7.0, -1.0], np.float32)),
        texture=Texture(loudness_lufs=np.inf, width=float("nan"), crest=4.0, flux=-1.0),
    )  # fmt: skip
    bank = SourceBank()
    for _ in range(1000):
        for name, value in bank.step(wild, HOP_S).items():
            signed = name.startswith("lfo.") or name == "beat.sine"
            assert (-1.0 if signed else 0.0) <= value <= 1.0, name


def test_the_beat_sources_peak_on_the_beat_and_rest_in_silence_and_without_tempo():
    on_beat = SourceBank().step(LOUD, HOP_S)
    off_beat = SourceBank().step(replace(LOUD, beat_phase=0.5), HOP_S)
    assert (on_beat["beat.pulse"], on_beat["beat.sine"]) == (1.0, 1.0)
    assert off_beat["beat.pulse"] < 0.1
    assert off_beat["beat.sine"] == pytest.approx(-1.0)
    for resting in (replace(LOUD, silent=True), replace(LOUD, tempo_bpm=0.0)):
        values = SourceBank().step(resting, HOP_S)
        for unit in ("beat", "bar"):
            assert all(values[f"{unit}.{kind}"] == 0.0 for kind in ("pulse", "phase", "sine"))


def test_a_beat_that_is_tapped_in_silence_drives_the_picture():
    tapped = replace(LOUD, silent=True, beat_tapped=True)
    heard, values = (SourceBank().step(one, HOP_S) for one in (LOUD, tapped))
    for name in ("beat.pulse", "beat.sine", "bar.phase", "bar.pulse"):
        assert values[name] == heard[name], name
    assert values["beat.pulse"] == 1.0
    assert values["silence"] == 1.0


def test_the_sources_of_the_bar_follow_its_phase():
    first, middle = (
        SourceBank().step(replace(LOUD, bar=Bar(beats=3, phase=phase)), HOP_S)
        for phase in (0.0, 0.5)
    )
    assert (first["bar.phase"], first["bar.sine"], first["bar.pulse"]) == (0.0, 1.0, 1.0)
    assert middle["bar.phase"] == 0.5
    assert middle["bar.sine"] == pytest.approx(0.0)
    assert 0.0 < middle["bar.pulse"] < 0.1


def test_the_slow_wave_has_its_stated_period():
    bank = SourceBank()
    values = [bank.step(QUIET, 0.1)["lfo.slow"] for _ in range(160)]
    assert max(values) == pytest.approx(values[39])
    assert values[159] == pytest.approx(0.0, abs=1e-6)


def test_a_route_offsets_its_target_by_amount_times_source():
    route = Route(source="low.hit", target="motion/zoom", amount=0.6, curve="square")
    assert settle(Router([route]), {"low.hit": 0.5}) == {"motion/zoom": pytest.approx(0.15)}


def test_routes_to_one_target_add_up():
    routes = [
        Route(source="low.hit", target="motion/zoom", amount=0.6),
        Route(source="air.hit", target="motion/zoom", amount=-0.2),
    ]
    offsets = settle(Router(routes), {"low.hit": 1.0, "air.hit": 1.0})
    assert offsets["motion/zoom"] == pytest.approx(0.4)


def test_reactivity_scales_what_comes_from_the_sound_and_leaves_free_waves_alone():
    routes = [
        Route(source="low.hit", target="motion/zoom", amount=1.0),
        Route(source="lfo.slow", target="motion/rotation", amount=10.0),
    ]
    sources = {"low.hit": 1.0, "lfo.slow": 0.5}
    assert settle(Router(routes), sources, 0.0) == {"motion/zoom": 0.0, "motion/rotation": 5.0}
    assert settle(Router(routes), sources, 2.0)["motion/zoom"] == pytest.approx(2.0)


def test_routes_keep_to_the_safer_range():
    spec = PARAMS["diffusion/strength"]
    assert modulated(spec, 0.4, 5.0) == spec.modulate_high
    assert modulated(spec, 0.4, -5.0) == spec.modulate_low


def test_a_base_value_outside_the_safer_range_is_respected():
    spec = PARAMS["diffusion/strength"]
    assert modulated(spec, 1.0, 0.0) == 1.0
    assert modulated(spec, 1.0, 0.3) == 1.0
    assert modulated(spec, 1.0, -0.3) == pytest.approx(0.7)
