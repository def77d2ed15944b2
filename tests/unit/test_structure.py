"""Sections, what was heard before, build-ups and drops."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.memory import MOST_SECTIONS, WINDOW, SectionMemory
from engine.analysis.moment import LEVEL, MOMENT_SIZE, SHAPE, MomentMaker
from engine.analysis.report import analyze
from engine.analysis.section import SectionTracker
from engine.analysis.structure import StructureTracker
from engine.messages import Structure, section_name
from engine.synthesis.form import drops_s, render_form
from engine.synthesis.oscillator import SAMPLE_RATE_HZ as SR
from tests.signals import in_blocks, noise, sine

FREQUENCIES_HZ = np.fft.rfftfreq(4096, 1.0 / 48_000.0)
HOP_S = 512 / 48_000


def heard(samples: np.ndarray, rate: int = SR, size: int = 4096) -> list[tuple[float, Structure]]:
    analyzer = Analyzer(rate)
    return [
        (f.sample_index / rate, f.structure)
        for block in in_blocks(samples, size)
        for f in analyzer.push(block)
    ]


def numbers(rows: list[tuple[float, Structure]]) -> list[int]:
    """The sections in the order they were told."""
    said = [row.section for _, row in rows if row.section >= 0]
    return [now for index, now in enumerate(said) if index == 0 or now != said[index - 1]]


def at(rows: list[tuple[float, Structure]], time_s: float) -> Structure:
    return next(row for t, row in rows if t >= time_s)


def moments(kind: int, n: int, seed: int = 0) -> np.ndarray:
    """`n` moments of one of several timbres, with a little of everything else."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0.0, 0.03, (n, MOMENT_SIZE)).astype(np.float32)
    rows[:, kind] += 1.0
    return rows


@pytest.fixture(scope="module")
def song() -> tuple[np.ndarray, object]:
    return render_form(form="AB-BA", bpm=150.0, breakdown_bars=6, seed=4)


@pytest.fixture(scope="module")
def aba() -> tuple[np.ndarray, object]:
    return render_form(form="ABA", bpm=150.0, bars=7, seed=8)


@pytest.fixture(scope="module")
def rows(song) -> list[tuple[float, Structure]]:
    return heard(song[0])


def test_a_chorus_that_comes_back_is_told_with_its_number_within_six_seconds(song, rows):
    starts = {index: section.start_s for index, section in enumerate(song[1].sections)}
    first, chorus = at(rows, 10.0), at(rows, starts[1] + 6.0)
    assert (first.section, chorus.section) == (0, 1)
    assert not first.heard_before
    assert not chorus.heard_before
    again = at(rows, starts[4] + 6.0)  # A, B, breakdown, build-up, B
    assert (again.section, again.heard_before) == (1, True)
    verse = at(rows, starts[5] + 6.0)
    assert (verse.section, verse.heard_before) == (0, True)
    assert rows[-1][1].section == 0


def test_a_drop_is_told_as_it_falls_and_nothing_else_is_one(song, rows):
    counts = np.array([row.drop_count for _, row in rows])
    fell = [rows[index][0] for index in np.flatnonzero(np.diff(counts) > 0) + 1]
    assert fell == pytest.approx(list(drops_s(song[1])), abs=0.15)


def test_a_build_up_builds_and_the_groove_before_it_does_not(song, rows):
    drop_s = drops_s(song[1])[0]
    assert at(rows, drop_s - 0.2).build > 0.5
    before = [row.build for t, row in rows if 9.0 < t < 14.0]
    assert np.median(before) < 0.2
    assert at(rows, drop_s + 0.2).build == 0.0


def test_novelty_is_high_at_a_boundary_and_low_inside(song, rows):
    start_s = song[1].sections[2].start_s
    around = max(row.novelty for t, row in rows if start_s < t < start_s + 4.0)
    inside = [row.novelty for t, row in rows if 10.0 < t < 15.0]
    assert around > 0.5 > max(inside)


def test_counters_never_fall_and_a_section_is_only_told_with_its_count(rows):
    for (_, before), (_, now) in pairwise(rows):
        assert now.section_count >= before.section_count
        assert now.drop_count >= before.drop_count
        assert (now.section_count > before.section_count) or now.section == before.section


def test_structure_does_not_depend_on_the_blocks(aba):
    samples = aba[0][: 16 * SR]
    whole = heard(samples, size=len(samples))
    assert whole[-1][1].section_count == 2
    assert heard(samples, size=617) == whole


def test_another_rate_and_another_loudness_hear_the_same_sections(aba):
    from soxr import resample

    slow = resample(aba[0], SR, 22_050).astype(np.float32)
    assert numbers(heard(slow, 22_050)) == [0, 1, 0]
    assert numbers(heard(aba[0] * np.float32(0.1))) == [0, 1, 0]


def test_everything_stands_still_while_silent():
    music = render_form(form="A", bpm=150.0, seed=3)[0]
    pause = np.zeros((10 * SR, 2), np.float32)
    rows = heard(np.concatenate([music, pause, music]))
    end_s = len(music) / SR
    still = {row for t, row in rows if end_s + 1.0 < t < end_s + 10.0}
    assert len(still) == 1
    assert numbers(rows) == [0]
    assert rows[-1][1].drop_count == 0


def test_a_steady_sound_is_one_section_without_build_or_drop():
    for sound in (noise(20.0, 16_000), sine(440.0, 20.0, 16_000)):
        rows = heard(sound, 16_000)
        assert numbers(rows) == [0]
        assert rows[-1][1].drop_count == 0
        assert max(row.build for _, row in rows) < 0.3


def test_damaged_sound_leaves_only_numbers():
    music = render_form(form="A", bpm=150.0, bars=4, seed=3)[0].copy()
    music[SR : SR + 500] = np.nan
    music[2 * SR] = np.inf
    music[3 * SR :] += 0.9
    for _, row in heard(np.clip(music, -1.0, 1.0)):
        assert np.isfinite([row.novelty, row.build, row.section_delay_s]).all()
        assert 0.0 <= row.novelty <= 1.0
        assert 0.0 <= row.build <= 1.0


def test_a_moment_has_no_memory_and_a_louder_one_differs_in_level_alone():
    def moment(scale: float) -> np.ndarray:
        maker = MomentMaker(FREQUENCIES_HZ, HOP_S)
        power = (scale * 1e-4 / (1.0 + FREQUENCIES_HZ)).astype(np.float32)
        made = [maker.step(power, 0, silent=False) for _ in range(48)]
        assert [each is None for each in made] == [True] * 47 + [False]
        return made[-1]

    soft, loud = moment(1.0), moment(10.0)
    assert loud[LEVEL] - soft[LEVEL] == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(loud[SHAPE], soft[SHAPE], atol=1e-3)


def test_no_moment_passes_while_silent():
    maker = MomentMaker(FREQUENCIES_HZ, HOP_S)
    power = np.full(FREQUENCIES_HZ.shape, 1e-6, np.float32)
    assert all(maker.step(power, 0, silent=True) is None for _ in range(200))


def test_memory_knows_a_section_again_whatever_came_between():
    memory = SectionMemory()
    for kind in range(4):
        assert memory.new() == kind
        memory.remember(kind, moments(kind, 20, seed=kind))
    for kind in (2, 0, 3):
        number, distance = memory.nearest(moments(kind, WINDOW, seed=9))
        assert number == kind
        assert distance < 0.2
    assert memory.nearest(moments(7, WINDOW))[1] > 0.8


def test_memory_forgets_the_section_not_heard_for_longest_and_reuses_no_number():
    memory = SectionMemory()
    for index in range(MOST_SECTIONS):
        memory.remember(memory.new(), moments(index % 20, 10) * (1.0 + index))
    memory.remember(0, moments(0, 10))
    assert memory.new() == MOST_SECTIONS
    assert memory.nearest(moments(0, WINDOW))[0] == 0  # heard again, so kept
    assert memory.nearest(2.0 * moments(1, WINDOW))[0] != 1


def test_a_fill_of_one_moment_is_no_boundary():
    tracker = SectionTracker()
    for index, moment in enumerate(moments(1, 60)):
        tracker.step(moments(5, 1)[0] if index == 40 else moment)
    assert (tracker.section, tracker.section_count) == (0, 1)


def test_a_section_is_told_with_how_long_it_has_lasted():
    tracker = SectionTracker()
    for moment in np.concatenate([moments(1, 30), moments(5, 30)]):
        tracker.step(moment)
        if tracker.section == 1:
            break
    assert tracker.delay_s == pytest.approx(3.07, abs=0.02)


def test_low_end_that_was_never_there_is_no_drop_when_it_comes():
    tracker = StructureTracker(FREQUENCIES_HZ, HOP_S)
    high = np.where(FREQUENCIES_HZ > 500.0, 1e-6, 0.0).astype(np.float32)
    low = np.where(FREQUENCIES_HZ < 100.0, 1e-4, high).astype(np.float32)

    def play(power: np.ndarray, seconds: float) -> int:
        for _ in range(round(seconds / HOP_S)):
            row = tracker.step(power, 0.5, -20.0, 0, silent=False)
        return row.drop_count

    assert play(high, 10.0) == 0
    assert play(low, 10.0) == 0
    assert play(high, 1.5) == 0
    assert play(low, 2.0) == 0  # too short an absence
    assert play(high, 6.0) == 0
    assert play(low, 0.1) == 1


def test_the_report_names_sections_by_letter_and_puts_boundaries_where_they_fell(aba):
    samples, truth = aba
    report, _ = analyze(in_blocks(samples, 4096), SR)
    found = report["sections"]
    assert [section["label"] for section in found] == ["A", "B", "A"]
    starts_s = [section["start_s"] for section in found]
    assert starts_s == pytest.approx([section.start_s for section in truth.sections], abs=1.5)
    assert found[0]["end_s"] == found[1]["start_s"]
    assert found[-1]["end_s"] == pytest.approx(truth.duration_s, abs=0.01)


def test_section_names_go_on_after_z():
    assert [section_name(number) for number in (0, 1, 25, 26, 27, 51, 52)] == [
        "A", "B", "Z", "AA", "AB", "AZ", "BA",
    ]  # fmt: skip
