from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from app.engine_bridge import EngineBridge
from app.main_window import MainWindow
from app.output_window import OutputWindow
from engine import commands as cmd
from engine.messages import Frame, freeze
from tests.gui.fake_engine import FakeEngine, frame

Look = Callable[..., None]
Key = Qt.Key


def opened(window: MainWindow) -> OutputWindow:
    assert window.output.window is not None
    return window.output.window


@pytest.fixture
def output(window: MainWindow, qtbot: QtBot) -> OutputWindow:
    """The output window of a machine with one screen."""
    with qtbot.waitActive(window, timeout=60_000):
        window.activateWindow()
    qtbot.keyClick(window, Key.Key_O)
    with qtbot.waitActive(opened(window), timeout=60_000):
        pass
    return opened(window)


def test_without_a_second_screen_it_is_a_window_that_can_fill_the_screen(
    window: MainWindow, output: OutputWindow, qtbot: QtBot
) -> None:
    assert window.header.output.isChecked()
    assert not output.isFullScreen()
    assert not output.windowFlags() & Qt.WindowType.FramelessWindowHint
    qtbot.keyClick(output, Key.Key_F)
    assert output.isFullScreen()
    assert not window.isFullScreen()
    qtbot.mouseDClick(output.picture, Qt.MouseButton.LeftButton)
    assert not output.isFullScreen()


def test_it_shows_the_very_same_frames_and_nothing_else(
    window: MainWindow, output: OutputWindow, bridge: EngineBridge, engine: FakeEngine
) -> None:
    pixels = frame(5, 64, 64).pixels.copy()
    pixels[:] = (30, 160, 90)
    engine.frames.put(Frame(5, freeze(pixels), 0, 0.0, 5))
    bridge.poll_frame()
    assert output.picture.frame_index == window.picture.frame_index == 5
    shown = output.grab().toImage()
    side = min(shown.width(), shown.height())
    for x, y in ((side // 10, side // 10), (side // 2, side // 2), (side - 9, side - 9)):
        assert shown.pixelColor(x, y).getRgb()[:3] == (30, 160, 90)


@pytest.mark.parametrize("key", [Key.Key_Escape, Key.Key_O])
def test_esc_and_its_own_key_close_it(
    key: Qt.Key, window: MainWindow, output: OutputWindow, bridge: EngineBridge,
    engine: FakeEngine, qtbot: QtBot,
) -> None:  # fmt: skip
    qtbot.keyClick(output, key)
    assert window.output.window is None
    assert not window.header.output.isChecked()
    assert window.isVisible()
    engine.frames.put(frame(6))
    bridge.poll_frame()
    assert window.picture.frame_index == 6


def test_the_button_toggles_it(window: MainWindow) -> None:
    window.header.output.click()
    assert opened(window).isVisible()
    window.header.output.click()
    assert window.output.window is None
    assert not window.header.output.isChecked()


def test_the_keys_of_the_show_work_in_it(
    output: OutputWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    for key in (Key.Key_Space, Key.Key_B, Key.Key_N, Key.Key_T):
        qtbot.keyClick(output, key)
    assert engine.commands == [
        cmd.Freeze(True), cmd.Blackout(True), cmd.NextPrompt(), cmd.TapTempo(),
    ]  # fmt: skip


def test_dialogs_belong_to_the_controls_and_no_message_covers_it(
    window: MainWindow, output: OutputWindow, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[QFileDialog] = []
    monkeypatch.setattr(QFileDialog, "open", lambda dialog: opened.append(dialog))
    look(message="the disk is full")
    column = window.column
    for button in (column.export.browse, column.export.audio, column.model.browse):
        button.click()
    column.source.buttons["file"].click()
    assert [dialog.parent() for dialog in opened] == [window] * 4
    assert output.children() == [output.layout(), output.picture, *output._shortcuts]


def test_it_goes_with_the_window(window: MainWindow, output: OutputWindow) -> None:
    window.close()
    assert window.output.window is None
    assert not any(
        isinstance(left, OutputWindow) and left.isVisible()
        for left in QApplication.topLevelWidgets()
    )


TWO_SCREENS = """
    import sys
    from pathlib import Path
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication
    from app.engine_bridge import EngineBridge
    from app.main_window import MainWindow
    from app.settings import SettingsStore
    from tests.gui.fake_engine import FakeEngine

    app = QApplication([])
    laptop, projector = app.screens()
    bridge = EngineBridge(FakeEngine(), tuple)
    window = MainWindow(bridge, SettingsStore(Path(sys.argv[1])))
    window.move(20, 20)
    window.show()
    QTest.qWaitForWindowActive(window)
    QTest.keyClick(window, Qt.Key.Key_O)
    output = window.output.window
    QTest.qWaitForWindowExposed(output)
    assert output.screen().name() == projector.name(), output.screen().name()
    assert output.geometry() == projector.geometry(), output.geometry()
    assert output.picture.size() == projector.size(), output.picture.size()
    assert output.isFullScreen()
    for flag in (Qt.WindowType.FramelessWindowHint, Qt.WindowType.WindowStaysOnTopHint):
        assert output.windowFlags() & flag
    assert output.testAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
    assert window.screen().name() == laptop.name()

    app.screenRemoved.emit(laptop)
    assert window.output.window is output
    app.screenRemoved.emit(projector)
    assert window.output.window is None
    assert not window.header.output.isChecked()
    assert projector.name() in window.column.message.text.text()
    app.screenAdded.emit(laptop)
    assert window.output.window is None
    app.screenAdded.emit(projector)
    assert window.output.window.geometry() == projector.geometry()
    assert window.header.output.isChecked()
    assert not window.column.message.isVisible()

    again = window.output.window
    again.activateWindow()
    QTest.qWaitForWindowActive(again)
    QTest.keyClick(again, Qt.Key.Key_Escape)
    app.screenRemoved.emit(projector)
    app.screenAdded.emit(projector)
    assert window.output.window is None
    window.close()
    print("well")
"""

SCREENS = (
    '{"screens": [{"name": "laptop", "x": 0, "y": 0, "width": 1440, "height": 900},'
    ' {"name": "projector", "x": 1440, "y": 0, "width": 1280, "height": 720}]}'
)


def test_it_fills_the_other_screen_leaves_with_it_and_comes_back(tmp_path: Path) -> None:
    screens = tmp_path / "screens.json"
    screens.write_text(SCREENS, "utf-8")
    environment = os.environ | {
        "QT_QPA_PLATFORM": f"offscreen:configfile={screens}",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    words = [sys.executable, "-c", textwrap.dedent(TWO_SCREENS), str(tmp_path / "s.json")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert (done.returncode, done.stdout.strip()) == (0, "well")


def test_the_tests_of_one_screen_have_one_screen(qapp: QApplication) -> None:
    assert len(QGuiApplication.screens()) == 1
