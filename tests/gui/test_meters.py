from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtGui import QImage

from app.main_window import MainWindow
from app.widgets.meter_paint import db_position
from engine.clock import ManualClock
from engine.commands import ClockChoice, SelectClock
from engine.messages import (
    Bar,
    EngineStatus,
    Lanes,
    Phase,
    SourceStatus,
    Structure,
    TempoReading,
    TempoState,
    TempoStatus,
    Tonal,
    freeze,
)
from tests.gui.fake_engine import FakeEngine, features

Look = Callable[..., None]
GONE = SourceStatus("mic", "USB Audio", False, "USB Audio is gone")


def picture_of(window: MainWindow) -> np.ndarray:
    image = window.strip.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width() * 3].astype(int)


def test_silence_and_no_device_look_and_read_differently(window: MainWindow, look: Look) -> None:
    silent = features(96_000, silent=True, level_db=-90.0, band_level=np.zeros(6, np.float32))
    look(features=silent)
    assert window.strip.caption.text.text() == "Silent"
    quiet = picture_of(window)
    look(source=GONE)
    assert window.strip.caption.text.text() == "No device"
    assert window.strip.caption.icon.isVisible()
    unplugged = picture_of(window)
    differing = (np.abs(quiet - unplugged) > 24).mean()
    assert differing > 0.02


def test_live_sound_shows_its_level_in_figures(window: MainWindow, look: Look) -> None:
    look(features=features(96_000, level_db=-13.6))
    assert window.strip.caption.text.text() == "−14"


def test_the_clip_lamp_lights_at_full_scale_and_goes_out(window: MainWindow, look: Look) -> None:
    look(features=features(96_000, peak=1.0))
    assert window.strip.level.clipping
    look(features=features(96_000 + 48_000, peak=0.5))
    assert window.strip.level.clipping
    look(features=features(96_000 + 3 * 48_000, peak=0.5))
    assert not window.strip.level.clipping


def test_a_beat_and_an_onset_between_two_looks_are_not_missed(
    window: MainWindow, look: Look
) -> None:
    look(features=features(96_000, beat_count=8, onset_count=5))
    look(features=features(120_000, beat_count=8, onset_count=5))
    dark = (window.strip.beat.beat_glow, window.strip.beat.onset_glow)
    look(features=features(124_800, beat_count=10, onset_count=9, onset_strength=0.7))
    assert window.strip.beat.beat_glow == 1.0
    assert window.strip.beat.onset_glow == 0.7
    assert max(dark) < 0.2


def test_the_tempo_is_a_dash_while_unknown(window: MainWindow, look: Look) -> None:
    assert window.strip.beat.tempo_text == "124.0"
    look(features=features(96_000, tempo_bpm=0.0))
    assert window.strip.beat.tempo_text == "–"
    look(features=features(97_000, tempo_bpm=124.0, tempo_confidence=0.0))
    assert window.strip.beat.tempo_text == "–"
    look(features=features(98_000, tempo_bpm=124.0))
    assert window.strip.beat.tempo_text == "124.0"
    look(features=features(99_000, tempo_bpm=124.0, silent=True))
    assert window.strip.beat.tempo_text == "–"


def test_a_tempo_set_by_hand_shows_at_once_and_says_so(window: MainWindow, look: Look) -> None:
    strip = window.strip
    assert strip.beat.note == "confidence 80 %"
    assert strip.auto.property("state") != "way-back"
    by_hand = {"tempo_bpm": 98.0, "tempo_confidence": 0.0, "tempo_by_hand": True}
    for silent in (False, True):
        look(features=features(96_000 + silent, silent=silent, **by_hand))
        assert (strip.beat.tempo_text, strip.beat.note) == ("98.0", "set by hand")
        assert strip.auto.property("state") == "way-back"
    look(features=features(98_000, tempo_bpm=124.0, tempo_confidence=0.5))
    assert (strip.beat.tempo_text, strip.beat.note) == ("124.0", "confidence 50 %")
    assert strip.auto.property("state") == ""


def test_a_tempo_from_an_outer_clock_shows_in_silence_too_and_says_whose_it_is(
    window: MainWindow, look: Look
) -> None:
    strip = window.strip
    for index, source, note in ((1, "midi", "MIDI clock"), (2, "link", "Ableton Link")):
        led = {"silent": True, "tempo_confidence": 0.0, "tempo_source": source}
        look(features=features(96_000 + index, **led))
        assert (strip.beat.tempo_text, strip.beat.note) == ("124.0", note)
        assert strip.auto.property("state") == ""
    look(features=features(97_000, tempo_confidence=0.5))
    assert strip.beat.note == "confidence 50 %"


def test_the_beat_of_another_clock_is_asked_for_and_shown_when_the_engine_follows_it(
    window: MainWindow, engine: FakeEngine, look: Look
) -> None:
    box = window.strip.source
    box.activated.emit(box.findData("link"))
    assert engine.commands[-1] == SelectClock(ClockChoice("link"))
    assert box.currentData() == "sound"
    look(tempo=TempoStatus("link", "1 peer"))
    assert box.currentData() == "link"
    asked = len(engine.commands)
    box.activated.emit(box.findData("link"))
    assert len(engine.commands) == asked


def test_a_lost_clock_is_a_line_in_the_window(window: MainWindow, look: Look) -> None:
    lost = TempoReading(120.0, 0.0, 0.0, 4, TempoState.LOST, "MIDI clock from Keys is lost")
    look(tempo=TempoStatus("midi", "Keys", lost))
    assert window.column.message.text.text() == "MIDI clock from Keys is lost"
    look(tempo=TempoStatus("midi", "Keys", TempoReading(120.0, 0.0, 0.0)))
    assert not window.column.message.isVisible()


def test_the_level_scale_rises_and_gives_the_top_half_to_24_db() -> None:
    positions = [db_position(level) for level in (-200, -72, -48, -24, -12, 0, 6)]
    assert positions == sorted(positions)
    assert positions[0] == positions[1] == 0.0
    assert positions[3] == 0.5
    assert positions[-1] == positions[-2] == 1.0


RunShow = Callable[[float, float, float, int], None]


@pytest.fixture
def run_show(window: MainWindow, engine: FakeEngine, look: Look, clock: ManualClock) -> RunShow:
    """Look ten times a second at a show that goes on for so long, at these rates."""

    def run(seconds: float, output_fps: float, ai_fps: float, dropped: int) -> None:
        start_s, before = clock.now(), engine.now
        for step in range(1, round(seconds * 10) + 1):
            clock.set(start_s + step / 10)
            look(
                frames=before.frames + round(step / 10 * output_fps), output_fps=output_fps,
                pictures=before.pictures + round(step / 10 * ai_fps), ai_fps=ai_fps,
                dropped=dropped,
            )  # fmt: skip

    return run


def test_the_status_line_tells_speed(window: MainWindow, look: Look) -> None:
    look(ai_fps=21.34, output_fps=29.97, latency_ms=41.4, dropped=3, overflows=0)
    figures = window.status_line.figures
    assert figures["ai"].text() == "AI 21.3 fps"
    assert figures["output"].text() == "Output 30.0 fps"
    assert figures["latency"].text() == "Latency 41 ms"
    assert figures["overflows"].property("alert") == "false"


def test_the_dot_and_a_word_tell_that_the_output_stutters_now(
    window: MainWindow, run_show: RunShow
) -> None:
    line = window.status_line
    run_show(8.0, 30.0, 20.0, 0)
    assert (line.dot.property("dot"), line.phase.text()) == ("ok", "Running · ember")
    run_show(8.0, 5.0, 0.0, 0)
    assert (line.dot.property("dot"), line.phase.text()) == ("accent", "Stutters · ember")
    assert line.figures["output"].text() == "Output 5.0 of 30 fps"
    assert line.figures["output"].property("alert") == "true"
    assert "--fps" in line.dot.toolTip()
    run_show(8.0, 30.0, 20.0, 0)
    assert (line.dot.property("dot"), line.phase.text()) == ("ok", "Running · ember")
    assert line.figures["output"].property("alert") == "false"


def test_painting_too_slow_for_the_beat_is_told_apart(
    window: MainWindow, run_show: RunShow
) -> None:
    line = window.status_line
    run_show(8.0, 30.0, 1.0, 0)
    assert (line.dot.property("dot"), line.phase.text()) == ("accent", "Lags · ember")
    assert line.figures["ai"].property("alert") == "true"
    assert line.figures["output"].text() == "Output 30.0 fps"


def test_losses_of_the_start_are_neither_counted_nor_marked(
    window: MainWindow, run_show: RunShow
) -> None:
    figures = window.status_line.figures
    run_show(10.0, 30.0, 20.0, 400)
    assert figures["dropped"].text() == "Dropped 0"
    assert figures["dropped"].property("alert") == "false"
    assert "400 since the start" in figures["dropped"].toolTip()
    run_show(1.0, 30.0, 20.0, 460)
    assert figures["dropped"].text() == "Dropped 60"
    assert figures["dropped"].property("alert") == "true"
    run_show(62.0, 30.0, 20.0, 460)
    assert figures["dropped"].text() == "Dropped 0"
    assert figures["dropped"].property("alert") == "false"


def test_a_failed_engine_is_a_state_that_shows(
    window: MainWindow, engine: FakeEngine, look: Look
) -> None:
    engine.now = EngineStatus(phase=Phase.FAILED, message="diffusion stopped: out of memory")
    look()
    assert window.status_line.phase.text() == "Failed"
    assert window.column.message.isVisible()


def test_a_stroke_between_two_looks_lights_its_lamp(window: MainWindow, look: Look) -> None:
    def struck(*counts: int) -> Lanes:
        return Lanes(freeze(np.array([0.9, 0.0, 0.6], np.float32)), counts)

    look(features=features(96_000, lanes=struck(3, 2, 8)))
    look(features=features(192_000, lanes=struck(3, 2, 8)))
    assert max(window.strip.lanes.glow) < 0.01
    look(features=features(196_800, lanes=struck(4, 2, 10)))
    kick, snare, hat = window.strip.lanes.glow
    assert (kick, hat) == (pytest.approx(0.9), pytest.approx(0.6))
    assert snare < 0.01
    look(features=features(288_000, lanes=struck(4, 2, 10)))
    assert max(window.strip.lanes.glow) < 0.01


def test_the_dots_show_which_beat_of_the_bar_it_is(window: MainWindow, look: Look) -> None:
    look(features=features(96_000, bar=Bar(beats=4, phase=0.6, confidence=0.7)))
    assert window.strip.lanes.beat_in_bar == 2
    look(features=features(97_000, bar=Bar(beats=3, phase=0.1, confidence=0.7)))
    assert window.strip.lanes.beat_in_bar == 0
    look(features=features(98_000, bar=Bar(phase=0.6, confidence=0.0)))
    assert window.strip.lanes.beat_in_bar is None


def test_key_and_part_are_named_and_a_part_that_came_back_says_so(
    window: MainWindow, look: Look
) -> None:
    form = window.strip.form
    look(features=features(96_000))
    assert (form.key.text(), form.section.text()) == ("", "")
    heard = {"tonal": Tonal(key=14, key_confidence=0.5), "structure": Structure(section=1)}
    look(features=features(97_000, **heard))
    assert (form.key.text(), form.section.text()) == ("D minor", "part B")
    again = Structure(section=0, heard_before=True)
    look(features=features(98_000, tonal=heard["tonal"], structure=again))
    assert form.section.text() == "part A, again"
    look(features=features(99_000, silent=True, **heard))
    assert (form.key.text(), form.section.text()) == ("", "")
