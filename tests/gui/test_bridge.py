from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import chain, pairwise
from pathlib import Path

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication

from app.crash import CrashLog
from app.engine_bridge import EngineBridge
from app.main_window import MainWindow
from app.snapshots import Message, SignalState, signal_state
from engine.clock import ManualClock
from engine.commands import StartRecording
from engine.messages import EngineStatus, Phase, RecordStatus, SourceStatus
from tests.gui.fake_engine import FakeEngine, features, frame

SIGNALS = (
    "frame_changed", "features_changed", "signal_state_changed", "values_changed",
    "modulated_changed", "source_changed", "prompts_changed", "preset_changed", "scenes_changed",
    "record_changed", "panic_changed", "figures_changed", "message_changed", "notice_changed",
    "devices_changed",
)  # fmt: skip

Look = Callable[..., None]


def count_emits(bridge: EngineBridge) -> dict[str, int]:
    counts = dict.fromkeys(SIGNALS, 0)

    def counter(name: str) -> Callable[..., None]:
        def count(*_: object) -> None:
            counts[name] += 1

        return count

    for name in SIGNALS:
        getattr(bridge, name).connect(counter(name))
    return counts


def test_nothing_is_emitted_while_nothing_changes(
    bridge: EngineBridge, engine: FakeEngine
) -> None:
    engine.frames.put(frame(0))
    bridge.poll_frame()
    bridge.poll_status()
    counts = count_emits(bridge)
    for _ in range(5):
        bridge.poll_frame()
        bridge.poll_status()
    assert set(counts.values()) == {0}


def test_only_what_changed_is_emitted(bridge: EngineBridge, look: Look) -> None:
    bridge.poll_status()
    counts = count_emits(bridge)
    look(blackout=True)
    look(features=features(96_000))
    look(preset="neon")
    emitted = {name: count for name, count in counts.items() if count}
    assert emitted == {"panic_changed": 1, "features_changed": 1, "preset_changed": 1}


def test_values_changed_in_place_by_the_engine_are_noticed(
    bridge: EngineBridge, engine: FakeEngine
) -> None:
    values = dict(engine.now.values)
    engine.show(values=values)
    bridge.poll_status()
    counts = count_emits(bridge)
    values["motion/zoom"] = 1.0
    bridge.poll_status()
    assert counts["values_changed"] == 1


def test_only_the_newest_frame_is_delivered(bridge: EngineBridge, engine: FakeEngine) -> None:
    shown: list[int] = []
    bridge.frame_changed.connect(lambda newest: shown.append(newest.index))
    for index in range(5):
        engine.frames.put(frame(index))
    bridge.poll_frame()
    bridge.poll_frame()
    assert shown == [4]


def test_silence_and_a_missing_device_are_different_states() -> None:
    gone = SourceStatus("mic", "USB", False, "gone")
    plugged = SourceStatus("mic", "USB", True)
    quiet = features(silent=True)
    running = Phase.RUNNING
    cases = {
        SignalState.NO_DEVICE: EngineStatus(running, source=gone, features=quiet),
        SignalState.SILENT: EngineStatus(running, source=plugged, features=quiet),
        SignalState.LIVE: EngineStatus(running, source=plugged, features=features()),
        SignalState.WAITING: EngineStatus(running, source=plugged),
        SignalState.PAUSED: EngineStatus(
            running, source=SourceStatus("file", "a.wav", True, playing=False), features=quiet
        ),
    }
    assert {signal_state(status): status for status in cases.values()} == cases


def test_an_error_of_the_engine_reaches_the_message_bar_and_leaves_with_it(
    window: MainWindow, look: Look
) -> None:
    assert not window.column.message.isVisible()
    look(message="no model 'sd-tubro'; did you mean 'sd-turbo'?")
    assert window.column.message.isVisible()
    assert window.column.message.text.text() == "no model 'sd-tubro'; did you mean 'sd-turbo'?"
    look(message="")
    assert not window.column.message.isVisible()


def test_a_dismissed_message_stays_away_until_it_changes(window: MainWindow, look: Look) -> None:
    look(message="the disk is full", source=SourceStatus("mic", "x", True, "the disk is full"))
    window.column.message.close_button.click()
    look(output_fps=12.0)
    assert not window.column.message.isVisible()
    look(message="the disk is fuller")
    assert window.column.message.isVisible()


def test_a_message_of_the_window_is_shown_and_taken_back(
    window: MainWindow, bridge: EngineBridge
) -> None:
    bridge.report(Message("hello", "notice"))
    assert window.column.notice.text.text() == "hello"
    bridge.report(Message("oh"))
    assert window.column.message.text.text() == "oh"
    assert not window.column.notice.isVisible()
    bridge.report(Message(""))
    assert not window.column.message.isVisible()


def test_a_finished_recording_says_where_it_is(window: MainWindow, look: Look) -> None:
    look(record=RecordStatus("/videos/take.mp4", 12.4, 372, 0))
    assert window.header.record.text().strip() == "0:12"
    assert window.header.record.isChecked()
    look(record=RecordStatus("/videos/take.mp4", 12.4, 372, 0, finishing=True))
    assert window.header.record.text().strip() == "Finishing"
    assert not window.header.record.isChecked()
    assert window.column.notice.text.text() == "Finishing the recording /videos/take.mp4"
    look(record=None, recorded=RecordStatus("/videos/take.mp4", 13.0, 390, 0, finishing=True))
    assert window.header.record.text().strip() == "Record"
    assert window.column.notice.text.text() == "Recorded 13.0 s to /videos/take.mp4"
    assert not window.column.message.isVisible()
    window.column.notice.close_button.click()
    look(output_fps=12.0)
    assert not window.column.notice.isVisible()  # said once


RECORDED = RecordStatus("/videos/take.mp4", 6.3, 190, 0)


def test_a_notice_goes_after_a_while_and_an_error_stays(
    window: MainWindow, look: Look, clock: ManualClock
) -> None:
    look(recorded=RECORDED, message="the disk is full")
    column = window.column
    clock.advance(7.0)
    look(output_fps=29.0)
    assert column.notice.isVisible()
    clock.advance(1.5)
    look(output_fps=30.0)
    assert not column.notice.isVisible()
    assert column.message.isVisible()


def test_a_notice_goes_with_the_next_action(
    window: MainWindow, look: Look, clock: ManualClock
) -> None:
    look(recorded=RECORDED)
    clock.advance(2.0)
    window.strip.panic.freeze.click()
    assert not window.column.notice.isVisible()
    look(output_fps=29.0)
    assert not window.column.notice.isVisible()


def test_a_message_that_another_has_replaced_does_not_come_back(
    window: MainWindow, look: Look
) -> None:
    lost = SourceStatus("mic", "x", False, "the microphone is gone")
    look(source=lost, message=lost.message)
    look(message="no preset 'neno'; did you mean 'neon'?")
    assert window.column.message.text.text() == "no preset 'neno'; did you mean 'neon'?"
    look(message=lost.message)  # the engine falls back to what the source says
    assert not window.column.message.isVisible()


def test_messages_cover_nothing_in_the_smallest_window(
    window: MainWindow, look: Look, qapp: QApplication
) -> None:
    window.resize(900, 600)
    look(recorded=RECORDED, message="there is no sound input 'ALSA: USB Audio'; plug it in " * 6)
    column = window.column
    for page in ("controls", "export", "keys"):
        column.show_page(page)
        qapp.processEvents()
        assert window.size().toTuple() == (900, 600)
        parts = [column.shown_page, column.notice, column.message]
        edges = [part.mapTo(column, QPoint(0, 0)).y() for part in parts]
        bottoms = [edge + part.height() for edge, part in zip(edges, parts, strict=True)]
        down = [0, *chain(*zip(edges, bottoms, strict=True))]
        assert all(upper <= lower for upper, lower in pairwise(down))
        assert bottoms[-1] <= column.height()
        assert column.message.text.height() >= column.message.text.heightForWidth(
            column.message.text.width()
        )
        assert column.shown_page.height() > 200


def test_a_very_long_message_is_cut_and_whole_in_its_tooltip(
    window: MainWindow, bridge: EngineBridge
) -> None:
    bridge.report(Message("word " * 200))
    text = window.column.message.text
    assert len(text.text()) < 250
    assert text.toolTip() == "word " * 200


def test_a_recording_can_begin_while_the_one_before_is_finished(
    window: MainWindow, engine: FakeEngine, look: Look
) -> None:
    look(record=RecordStatus("/videos/take.mp4", 12.4, 372, 0, finishing=True))
    window.header.record.click()
    assert engine.commands[-1] == StartRecording()


def test_a_message_moves_nothing_under_the_hand(
    window: MainWindow, look: Look, qapp: QApplication
) -> None:
    slider = window.column.params.rows["audio/gain"].slider

    def top() -> int:
        qapp.processEvents()
        return slider.mapTo(window, slider.rect().topLeft()).y()

    before = top()
    look(message="the disk is full")
    assert window.column.message.isVisible()
    assert top() == before


def test_devices_are_listed_off_the_gui_thread_inputs_only(
    window: MainWindow, bridge: EngineBridge
) -> None:
    bridge.scan_devices()
    bridge.devices.join(5.0)
    bridge.poll_status()
    choice = window.column.source.device
    assert [choice.itemText(index) for index in range(choice.count())] == [
        "System default", "ALSA: pulse", "ALSA: USB Audio",
    ]  # fmt: skip


def test_a_defect_on_any_thread_becomes_a_line_and_not_a_dialog(
    engine: FakeEngine, qapp: object, caplog: object
) -> None:
    with CrashLog() as crash_log:
        bridge = EngineBridge(engine, tuple, crash_log)
        lines: list[str] = []
        bridge.message_changed.connect(lambda message: lines.append(message.text))
        worker = threading.Thread(target=lambda: 1 / 0, name="painter")
        worker.start()
        worker.join()
        bridge.poll_status()
        bridge.stop()
    assert lines[-1].startswith("Something went wrong in painter: ZeroDivisionError")


def test_the_window_never_closes_the_engine(
    window: MainWindow, engine: FakeEngine, tmp_path: Path
) -> None:
    window.close()
    assert not engine.closed
    assert (tmp_path / "settings.json").is_file()
