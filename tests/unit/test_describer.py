"""From music to words."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from engine.analysis.report import analyze
from engine.keys import KEY_NAMES
from engine.messages import AudioFeatures, Tonal
from engine.semantic.describer import (
    PICTURES,
    QUANTITIES,
    RULES,
    Describer,
    Heard,
    Rule,
    describe,
    heard_in_notes,
    heard_throughout,
    rules_page,
)
from engine.semantic.tracker import SILENCE_S
from engine.training.ember.captions import CAPTION_WORDS
from tests.signals import drums, in_blocks, sine

HOP_S = 512 / 48_000
SOMETHING = Heard(pitch_hz=300.0, key=14, tones=3.0, onsets_per_s=3.0, tempo_bpm=120.0)
PLAYED = AudioFeatures(
    sample_index=0, sample_rate=48_000, level_db=-20.0, peak=0.5, silent=False,
    band_level=np.zeros(6, np.float32), band_hit=np.zeros(6, np.float32),
    band_presence=np.zeros(6, np.float32), onset_strength=0.0, onset_count=0, centroid=0.4,
    flatness=0.1, tempo_bpm=120.0, tempo_confidence=0.9, beat_count=0, beat_phase=0.0,
    tonal=Tonal(np.eye(12, dtype=np.float32)[2], 14, 0.8, 300.0, 0.9),
)  # fmt: skip


def inside(rule: Rule) -> float:
    return rule.low + 0.5 * (min(rule.high, 4.0 * abs(rule.low)) - rule.low)


def with_value(rule: Rule) -> Heard:
    """Something heard that this rule is about."""
    if rule.quantity in ("fifths", "minor"):
        keys = (key for key in range(-1, 24)
                if rule.low <= QUANTITIES[rule.quantity](Heard(key=key)) < rule.high)  # fmt: skip
        return replace(SOMETHING, key=next(keys))
    if rule.quantity in ("tones", "tempo_bpm"):  # what is said where the mode says nothing
        return replace(SOMETHING, key=0, **{rule.quantity: inside(rule)})
    return replace(SOMETHING, **{rule.quantity: inside(rule)})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.quantity}-{rule.low:g}")
def test_every_rule_speaks_where_it_holds(rule: Rule) -> None:
    text = describe(with_value(rule))
    if rule.part == "register":
        assert PICTURES[rule.words]["lively"].partition("{} ")[2] + ", in oil paint" in text
    elif rule.part == "movement":
        assert PICTURES["alto"][rule.words].partition("{} ")[2] in text
    elif rule.part == "colour":
        assert rule.words in text
    else:
        styles = {each.words for each in RULES if each.part == "style"} - {"", rule.words}
        assert text.endswith(rule.words)
        assert not any(style in text for style in styles)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_the_rules_of_a_quantity_leave_no_gap_and_say_something_else(quantity: str) -> None:
    rules = [rule for rule in RULES if rule.quantity == quantity]
    assert all(first.high == second.low for first, second in itertools.pairwise(rules))
    texts = {describe(with_value(rule)) for rule in rules}
    assert len(texts) == len({rule.words for rule in rules}) > 1


def test_every_word_is_one_of_embers_own() -> None:
    said = [rule.words for rule in RULES if rule.part not in ("register", "movement")]
    said += [picture.replace("{}", "") for row in PICTURES.values() for picture in row.values()]
    words = {word for text in said for word in text.split()}
    assert words <= CAPTION_WORDS


def test_neighbouring_movements_and_registers_are_other_things() -> None:
    rows = [list(row.values()) for row in PICTURES.values()]
    columns = [list(column) for column in zip(*rows, strict=True)]
    for line in (*rows, *columns):
        assert all(first != second for first, second in itertools.pairwise(line))
    assert all(picture.count("{}") == 1 for row in rows for picture in row)


def test_the_pages_tables_hold_every_rule_and_every_picture() -> None:
    rules, pictures = rules_page().rstrip().split("\n\n")
    assert rules.startswith("| heard |")
    assert len(rules.splitlines()) == len(RULES) + 2
    assert all(row.count("|") == 7 for row in rules.splitlines())
    assert all(picture in pictures for row in PICTURES.values() for picture in row.values())


def test_a_dozen_situations_are_a_dozen_pictures() -> None:
    c_major, a_minor, g_minor = (KEY_NAMES.index(n) for n in ("C major", "A minor", "G minor"))
    situations = [
        Heard(),  # silence
        Heard(onsets_per_s=1.5, tempo_bpm=90.0),  # a lone shaker
        Heard(onsets_per_s=5.0, tempo_bpm=128.0),  # a drum loop
        Heard(onsets_per_s=9.0, tempo_bpm=174.0),  # a fast one
        Heard(60.0, g_minor, 1.0, 0.3),  # deep bass
        Heard(60.0, g_minor, 1.0, 4.0, 140.0),  # a bass line
        Heard(150.0, a_minor, 3.0, 0.3, 66.0),  # a slow minor pad
        Heard(300.0, a_minor, 3.0, 0.3, 66.0),  # the same, higher
        Heard(300.0, c_major, 6.0, 1.5, 100.0),  # many notes
        Heard(450.0, c_major, 1.5, 3.5, 120.0),  # a bright pluck
        Heard(600.0, c_major, 3.0, 7.0, 160.0),  # a wild arpeggio
        Heard(1200.0, a_minor, 1.0, 0.2),  # whistling
    ]
    assert len({describe(heard).split(",")[0] for heard in situations}) == len(situations)


def test_keys_of_the_same_notes_have_one_colour_and_another_style() -> None:
    major, minor = (
        describe(replace(SOMETHING, key=KEY_NAMES.index(name))) for name in ("F major", "D minor")
    )
    assert major.split(",")[0] == minor.split(",")[0]
    assert major != minor


def test_the_article_fits_the_colour() -> None:
    assert describe(replace(SOMETHING, key=7)).startswith("an orange kaleidoscope")
    assert describe(replace(SOMETHING, key=0)).startswith("a red kaleidoscope")
    assert describe(replace(SOMETHING, pitch_hz=80.0)).startswith("an erupting crimson volcano, ")


def test_many_notes_are_said_before_the_tempo_and_the_tempo_before_the_mode() -> None:
    minor = replace(SOMETHING, key=12)
    assert describe(minor).endswith(", in oil paint")
    fast = replace(minor, tempo_bpm=174.0)
    assert describe(fast).endswith(", in neon lights")
    assert describe(replace(fast, tones=7.0)).endswith(", in stained glass")


def test_nothing_and_nonsense_are_described_too() -> None:
    assert describe(Heard()) == "northern lights over a frozen lake"
    nan = float("nan")
    assert describe(Heard(nan, -1, nan, nan, nan)) == "northern lights over a frozen lake"
    assert describe(Heard(1e9, 23, 12.0, 1e9, 1e9)).startswith("golden fireworks ")


def scale(tonic: int, steps: tuple[int, ...], beat_s: float) -> list[tuple[float, int, int]]:
    return [(beat_s * place, tonic + step, 90) for place, step in enumerate(steps * 4)]


def test_notes_of_a_keyboard_are_summed_up() -> None:
    heard = heard_in_notes(scale(62, (0, 3, 7, 0, 5, 8, 7, 0), 0.5))
    assert KEY_NAMES[heard.key] == "D minor"
    assert heard.tempo_bpm == pytest.approx(120.0, abs=1.0)
    assert heard.onsets_per_s == pytest.approx(2.0, abs=0.1)
    assert heard.pitch_hz == pytest.approx(349.2, rel=0.08)


def test_a_chord_is_one_attack_of_several_tones() -> None:
    chords = [(0.6 * k + 0.005 * voice, 60 + note, 80)
              for k in range(8) for voice, note in enumerate((0, 4, 7))]  # fmt: skip
    heard = heard_in_notes(chords[::-1])
    assert heard.onsets_per_s == pytest.approx(1.0 / 0.6, rel=0.02)
    assert heard.tones == 3.0
    assert KEY_NAMES[heard.key] == "C major"
    assert heard.pitch_hz == pytest.approx(392.0, rel=0.01)


def test_no_notes_and_released_keys_are_nothing() -> None:
    assert heard_in_notes([]) == Heard()
    assert heard_in_notes([(0.0, 60, 0)]) == Heard()
    assert heard_in_notes([(0.0, 69, 100)]).pitch_hz == pytest.approx(440.0)


def test_a_whole_sound_is_described() -> None:
    rate = 12_000
    music = 0.6 * drums(120.0, 10.0, rate) + sine(293.7, 10.0, rate) + sine(440.0, 10.0, rate)
    report, arrays = analyze(in_blocks(music, 4096), rate)
    heard = heard_throughout(arrays, report)
    assert heard.tempo_bpm == pytest.approx(120.0, rel=0.02)
    assert heard.onsets_per_s > 1.0
    assert heard.tones == pytest.approx(2.0, abs=0.7)
    silence, nothing = analyze([np.zeros(rate, np.float32)], rate)
    assert heard_throughout(nothing, silence) == Heard()


def live(describer: Describer, features: AudioFeatures, seconds: float) -> list[str]:
    return [describer.step(features, HOP_S) for _ in range(round(seconds / HOP_S))]


def test_live_music_is_described_after_three_seconds() -> None:
    texts = live(Describer(), PLAYED, 5.0)
    assert texts[round(2.5 / HOP_S)] == ""
    assert texts[-1] == "a crimson jellyfish in the deep sea, in oil paint"
    assert set(texts) == {"", texts[-1]}


def test_a_description_does_not_flicker_at_a_border() -> None:
    describer = Describer()
    live(describer, PLAYED, 5.0)
    texts = []
    for k in range(2000):
        wavering = replace(
            PLAYED, tempo_bpm=151.0 + 3.0 * (k % 2),
            tonal=replace(PLAYED.tonal, pitch_hz=370.0 * (1.0 + 0.03 * (-1) ** k), key=14 + k % 2),
        )  # fmt: skip
        texts.append(describer.step(wavering, HOP_S))
    assert len(set(texts)) <= 2


def test_a_new_key_shows_within_ten_seconds_and_once() -> None:
    describer = Describer()
    live(describer, PLAYED, 10.0)
    texts = live(describer, replace(PLAYED, tonal=replace(PLAYED.tonal, key=4)), 10.0)
    assert "green" not in texts[0]
    assert "green" in texts[-1]
    assert len(set(texts)) == 2


def test_a_neighbouring_key_is_another_colour() -> None:
    describer = Describer()
    live(describer, replace(PLAYED, tonal=replace(PLAYED.tonal, key=2)), 10.0)
    texts = live(describer, replace(PLAYED, tonal=replace(PLAYED.tonal, key=9)), 10.0)
    assert "golden" in texts[0]
    assert "yellow" in texts[-1]


def test_attacks_are_counted_live() -> None:
    describer = Describer()
    texts = [
        describer.step(replace(PLAYED, onset_count=k // 12), HOP_S)  # eight a second
        for k in range(1000)
    ]
    assert "tunnel of light" in texts[-1]  # wild


def test_a_rest_holds_the_description_and_silence_describes_nothing() -> None:
    describer = Describer()
    silence = replace(PLAYED, silent=True, tempo_bpm=0.0)
    before = live(describer, PLAYED, 5.0)[-1]
    assert before
    assert live(describer, silence, SILENCE_S - 0.1)[-1] == before
    assert live(describer, PLAYED, 1.0)[-1] == before
    assert live(describer, silence, SILENCE_S + 0.1)[-1] == ""
    assert live(Describer(), silence, 5.0)[-1] == ""


def test_what_comes_after_silence_is_described_for_itself() -> None:
    describer = Describer()
    live(describer, PLAYED, 10.0)
    live(describer, replace(PLAYED, silent=True), SILENCE_S + 0.1)
    other = replace(PLAYED, tonal=replace(PLAYED.tonal, key=4, pitch_hz=80.0))
    assert live(describer, other, 4.0) == live(Describer(), other, 4.0)
