"""Envelopes and pulses: quick enough for one hop, and the same at any rate."""

from __future__ import annotations

import itertools
import math

import pytest

from engine.modulation.envelopes import Envelope, Pulse, share_covered
from engine.modulation.shapes import MELT, bend, melt, smoothstep
from engine.params import CURVES

HOP_S = 512 / 48000


def run(rate_hz: float, seconds: float, attack_ms: float, release_ms: float) -> list[float]:
    """One second of full source, then rest; the value at each eighth of a second."""
    envelope = Envelope(attack_ms, release_ms)
    per_mark = round(rate_hz / 8)
    values = []
    for step in range(round(seconds * rate_hz)):
        envelope.step(1.0 if step < rate_hz else 0.0, 1.0 / rate_hz)
        if step % per_mark == per_mark - 1:
            values.append(envelope.value)
    return values


@pytest.mark.parametrize(("attack_ms", "release_ms"), [(5, 180), (200, 900), (1500, 60)])
def test_eight_and_sixty_steps_a_second_give_the_same_envelope(attack_ms, release_ms):
    slow = run(8, 3, attack_ms, release_ms)
    quick = run(64, 3, attack_ms, release_ms)
    assert slow == pytest.approx(quick, abs=1e-4)


def test_a_hit_of_a_single_hop_reaches_its_peak_with_the_default_attack():
    envelope = Envelope(5.0, 180.0)
    assert envelope.step(1.0, HOP_S) > 0.99


def test_a_stated_time_covers_95_percent_of_the_way():
    assert share_covered(0.2, 200.0) == pytest.approx(0.95)
    assert share_covered(0.0, 200.0) == 0.0
    assert share_covered(1e-6, 0.0) == 1.0


def test_the_release_lasts_as_long_as_it_says():
    envelope = Envelope(0.0, 180.0)
    envelope.step(1.0, HOP_S)
    for _ in range(18):
        envelope.step(0.0, 0.01)
    assert envelope.value == pytest.approx(0.05, abs=1e-3)


def test_an_envelope_comes_to_rest_exactly():
    envelope = Envelope(5.0, 100.0)
    envelope.step(1.0, 0.01)
    for _ in range(100):
        envelope.step(0.0, 0.01)
    assert envelope.value == 0.0


def test_a_negative_source_attacks_and_releases_like_a_positive_one():
    up, down = Envelope(30.0, 300.0), Envelope(30.0, 300.0)
    for target in (1.0, 1.0, 0.2, 0.0, 0.0):
        up.step(target, 0.02)
        down.step(-target, 0.02)
        assert down.value == -up.value


def test_a_pulse_fires_once_per_count_and_not_at_the_start():
    pulse = Pulse(150.0)
    assert pulse.step(7, 0.01) == 0.0
    assert pulse.step(8, 0.01) == 1.0
    assert 0.0 < pulse.step(8, 0.01) < 1.0
    assert pulse.step(10, 0.01) == 1.0


def test_a_counter_that_starts_again_is_no_event():
    pulse = Pulse(150.0)
    pulse.step(40, 0.01)
    assert pulse.step(0, 0.01) == 0.0
    assert pulse.step(1, 0.01) == 1.0


@pytest.mark.parametrize("curve", CURVES)
def test_every_curve_keeps_both_ends_rises_and_mirrors_negative_sources(curve: str):
    values = [bend(curve, x / 20) for x in range(21)]
    assert values[0] == 0.0
    assert values[-1] == 1.0
    assert values == sorted(values)
    assert bend(curve, -0.7) == -bend(curve, 0.7)


def test_curves_are_what_their_names_say():
    assert bend("square", 0.5) == 0.25
    assert bend("root", 0.25) == 0.5
    assert bend("smooth", 0.25) == pytest.approx(3 / 16 - 2 / 64)
    assert (bend("gate", 0.49), bend("gate", 0.5)) == (0.0, 1.0)
    assert smoothstep(7.0) == 1.0
    assert not math.isnan(bend("root", 0.0))


def test_a_morph_is_slowest_where_both_prompts_are_even_and_goes_only_forward() -> None:
    places = [melt(k / 100) for k in range(101)]
    steps = [after - before for before, after in itertools.pairwise(places)]
    assert (places[0], places[50], places[100]) == pytest.approx((0.0, 0.5, 1.0))
    assert 0.0 < min(steps) == min(steps[49:51])
    assert max(steps) == pytest.approx((1.0 + MELT) / 100, rel=0.01)
    assert (melt(-3.0), melt(7.0)) == (0.0, 1.0)
