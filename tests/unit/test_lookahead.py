"""The beat as it will be when the frame is seen."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from engine.clock import ManualClock
from engine.messages import AudioFeatures, Bar, Float32, freeze
from engine.modulation.lookahead import Lookahead
from engine.modulation.stage import Modulation
from engine.presets import Preset, PromptScene, Route
from engine.runtime.lead import Lead
from engine.runtime.pace import Pace
from engine.runtime.pump import Pump
from tests.scripted_source import ScriptedSource

DT_S = 512 / 48_000
BPM = 120.0


def zeros() -> Float32:
    return freeze(np.zeros(6, np.float32))


def heard(beats: float, **changes: object) -> AudioFeatures:
    """What is heard `beats` beats after the start, at 120 BPM."""
    features = AudioFeatures(
        sample_index=round(beats * 24_000), sample_rate=48_000, level_db=-20.0, peak=0.3,
        silent=False, band_level=zeros(), band_hit=zeros(), band_presence=zeros(),
        onset_strength=0.0, onset_count=3, centroid=0.5, flatness=0.2, tempo_bpm=BPM,
        tempo_confidence=1.0, beat_count=int(beats), beat_phase=beats % 1.0,
        bar=Bar(4, int(beats // 4), beats / 4 % 1.0, 1.0),
    )  # fmt: skip
    return dataclasses.replace(features, **changes)  # type: ignore[arg-type]


def position(features: AudioFeatures) -> float:
    return features.beat_count + features.beat_phase


def test_the_beat_is_that_of_the_moment_the_frame_is_seen() -> None:
    seen = Lookahead().step(heard(2.9), 0.1, DT_S)
    assert position(seen) == pytest.approx(3.1)
    assert seen.bar.phase == pytest.approx(3.1 / 4)
    later = Lookahead().step(heard(3.9), 0.1, DT_S)
    assert (later.beat_count, later.bar.count) == (4, 1)
    assert later.bar.phase == pytest.approx(0.1 / 4)


def test_it_may_be_earlier_too() -> None:
    seen = Lookahead().step(heard(4.1), -0.1, DT_S)
    assert position(seen) == pytest.approx(3.9)
    assert (seen.bar.count, seen.bar.phase) == (0, pytest.approx(3.9 / 4))


def test_what_is_a_reaction_is_not_moved() -> None:
    before = heard(2.9, onset_strength=0.7)
    seen = Lookahead().step(before, 0.1, DT_S)
    for name in ("sample_index", "onset_strength", "onset_count", "band_hit", "tempo_bpm"):
        assert getattr(seen, name) is getattr(before, name)


def test_a_shift_that_changes_never_lets_the_beat_run_back() -> None:
    lookahead = Lookahead()
    rng = np.random.default_rng(1)
    before = -np.inf
    for hop in range(2000):
        lead_s = (0.25 if hop % 400 < 200 else -0.25) + float(rng.normal(0.0, 0.02))
        now = position(lookahead.step(heard(10.0 + hop * DT_S * BPM / 60.0), lead_s, DT_S))
        assert now > before
        before = now


def test_without_a_tempo_or_a_sound_nothing_moves() -> None:
    for features in (heard(2.9, tempo_bpm=0.0), heard(2.9, silent=True)):
        assert Lookahead().step(features, 0.2, DT_S) is features


def test_a_beat_that_is_tapped_in_silence_is_seen_in_time_too() -> None:
    seen = Lookahead().step(heard(2.9, silent=True, beat_tapped=True), 0.1, DT_S)
    assert position(seen) == pytest.approx(3.1)


def test_routes_from_the_beat_are_early_and_routes_from_hits_are_not() -> None:
    preset = Preset(
        name="two",
        prompts=(PromptScene(text="a sunset over the sea"),),
        routes=(
            Route(source="beat.pulse", target="motion/zoom", amount=1.0, attack_ms=0),
            Route(source="all.hit", target="colour/exposure", amount=1.0, attack_ms=0),
        ),
    )
    hit = freeze(np.full(6, 0.5, np.float32))

    def values(lead_s: float) -> dict[str, float]:
        features = heard(2.9, band_hit=hit)
        return dict(Modulation(preset).step(features, DT_S, host_time_s=0.0, lead_s=lead_s).values)

    late, early = values(0.0), values(0.06)
    assert early["motion/zoom"] > late["motion/zoom"] + 0.5
    assert early["colour/exposure"] == late["colour/exposure"]


def test_the_lead_is_the_sum_of_what_lies_between_sample_and_eye() -> None:
    clock = ManualClock(5.0)
    source = ScriptedSource()
    pump = Pump(source, clock, 0.0)
    pace = Pace()
    for k in range(40):
        pace.note(k / 25.0, 0.9 if k % 4 == 0 else 0.02)
    source.ring.push(np.zeros((1000, 2), np.float32))
    list(pump.hear(pump.next_block()))
    behind_s = source.heard_s(clock.now()) - 512 / source.sample_rate
    assert pump.behind_s(512) == pytest.approx(behind_s)
    lead = Lead(pace, 25.0, {"scripted": 30.0})
    assert lead.seconds(pump, 512) == pytest.approx(behind_s + 0.02 + 0.02 + 0.03)


def test_a_file_is_painted_for_the_moment_its_sample_is_heard() -> None:
    clock = ManualClock(5.0)
    ring = ScriptedSource().ring
    source = SimpleNamespace(
        ring=ring, sample_rate=48_000, heard_s=lambda now_s: ring.written / 48_000 - 0.04
    )
    pump = Pump(source, clock, 0.0)  # type: ignore[arg-type]
    ring.push(np.zeros((1024, 2), np.float32))
    list(pump.hear(pump.next_block()))
    assert pump.behind_s(1024) == pytest.approx(-0.04)
