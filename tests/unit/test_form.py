"""The song that returns to its parts plays what its truth says."""

from __future__ import annotations

import numpy as np
import pytest

from engine.synthesis.form import drops_s, render_form
from engine.synthesis.oscillator import SAMPLE_RATE_HZ as SR


@pytest.fixture(scope="module")
def song():
    return render_form(form="A-BA", bpm=150.0, bars=4, breakdown_bars=4, seed=1)


def low_db(samples: np.ndarray, start_s: float, end_s: float) -> float:
    piece = samples[round(start_s * SR) : round(end_s * SR), 0]
    power = np.abs(np.fft.rfft(piece)) ** 2
    inside = np.fft.rfftfreq(len(piece), 1.0 / SR) < 110.0
    return float(10.0 * np.log10(power[inside].sum() / len(piece) ** 2 + 1e-12))


def test_sections_follow_the_form_and_fill_it(song):
    _, truth = song
    labels = [section.label for section in truth.sections]
    assert labels == ["A", "breakdown", "build-up", "B", "A"]
    bar_s = 4 * 60.0 / 150.0
    assert [s.start_s for s in truth.sections] == pytest.approx(
        [0.0, 4 * bar_s, 6 * bar_s, 8 * bar_s, 12 * bar_s]
    )
    assert len(truth.beats_s) == 16 * 4
    assert truth.downbeats_s == truth.beats_s[::4]


def test_the_low_end_is_gone_in_a_breakdown_and_back_at_the_drop(song):
    samples, truth = song
    (drop_s,) = drops_s(truth)
    assert drop_s == truth.sections[3].start_s
    before = low_db(samples, truth.sections[1].start_s + 0.5, drop_s)
    assert low_db(samples, drop_s, drop_s + 2.0) > before + 15.0
    kicks = np.array(truth.lanes["kick"])
    assert not ((kicks > truth.sections[1].start_s) & (kicks < drop_s)).any()


def test_a_part_that_comes_back_is_the_same_material_played_anew(song):
    samples, truth = song
    first, again = truth.sections[0], truth.sections[4]
    n = round(3 * 4 * 60.0 / 150.0 * SR)  # the fourth bar has a fill of its own
    one, two = (samples[round(s.start_s * SR) :][:n, 0] for s in (first, again))
    assert not np.array_equal(one, two)
    kicks = [
        np.array([t - s.start_s for t in truth.lanes["kick"] if 0 <= t - s.start_s < n / SR])
        for s in (first, again)
    ]
    np.testing.assert_allclose(kicks[0], kicks[1], atol=1e-6)


def test_the_same_arguments_are_the_same_song_and_another_seed_is_not(song):
    same, _ = render_form(form="A-BA", bpm=150.0, bars=4, breakdown_bars=4, seed=1)
    other, _ = render_form(form="A-BA", bpm=150.0, bars=4, breakdown_bars=4, seed=2)
    assert np.array_equal(same, song[0])
    assert not np.array_equal(other, song[0])


@pytest.mark.parametrize("form", ["", "--", "ABCDEFG", "A1"])
def test_a_form_that_cannot_be_played_is_refused(form):
    with pytest.raises(ValueError, match="is no form"):
        render_form(form=form)
