from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.actions import ACTIONS
from app.engine_bridge import EngineBridge
from app.main_window import MainWindow
from app.widgets.buttons import Button
from engine import commands as cmd
from engine.messages import RecordStatus
from tests.gui.fake_engine import FakeEngine

Look = Callable[..., None]
Key = Qt.Key


def chrome_shows(window: MainWindow) -> set[bool]:
    return {
        part.isVisible()
        for part in (window.header, window.strip, window.column, window.status_line)
    }


def test_f_shows_the_picture_alone_without_a_cursor_and_esc_leaves(
    window: MainWindow, qtbot: QtBot
) -> None:
    qtbot.keyClick(window, Key.Key_F)
    assert window.isFullScreen()
    assert chrome_shows(window) == {False}
    assert window.picture.cursor().shape() == Qt.CursorShape.BlankCursor
    qtbot.waitUntil(lambda: window.picture.size() == window.size(), timeout=60_000)
    qtbot.keyClick(window, Key.Key_Escape)
    assert not window.isFullScreen()
    assert chrome_shows(window) == {True}
    assert window.picture.cursor().shape() == Qt.CursorShape.ArrowCursor


def test_a_double_click_on_the_picture_toggles_full_screen(
    window: MainWindow, qtbot: QtBot
) -> None:
    qtbot.mouseDClick(window.picture, Qt.MouseButton.LeftButton)
    assert window.isFullScreen()
    qtbot.mouseDClick(window.picture, Qt.MouseButton.LeftButton)
    assert not window.isFullScreen()


def test_an_error_in_full_screen_leaves_the_picture_uncovered(
    window: MainWindow, look: Look, qtbot: QtBot
) -> None:
    qtbot.keyClick(window, Key.Key_F)
    look(message="the microphone is gone")
    assert not window.column.message.isVisible()
    qtbot.waitUntil(lambda: window.picture.size() == window.size(), timeout=60_000)
    assert window.childAt(window.rect().center()) is window.picture


@pytest.mark.parametrize("full_screen", [False, True])
def test_keys_post_their_command(
    full_screen: bool, window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    window.set_full_screen(full_screen)
    expected: dict[Qt.Key, cmd.Command] = {
        Key.Key_Space: cmd.Freeze(True),
        Key.Key_B: cmd.Blackout(True),
        Key.Key_S: cmd.Still(True),
        Key.Key_0: cmd.RestartPicture(),
        Key.Key_N: cmd.NextPrompt(),
        Key.Key_T: cmd.TapTempo(),
        Key.Key_R: cmd.StartRecording(),
        Key.Key_P: cmd.Play(False),
    }
    for key in expected:
        qtbot.keyClick(window, key)
    assert engine.commands == list(expected.values())


def test_keys_of_states_release_what_is_held(
    window: MainWindow, engine: FakeEngine, look: Look, qtbot: QtBot
) -> None:
    look(frozen=True, blackout=True, record=RecordStatus("x.mp4", 1.0, 30, 0))
    for key in (Key.Key_Space, Key.Key_B, Key.Key_R):
        qtbot.keyClick(window, key)
    assert engine.commands == [cmd.Freeze(False), cmd.Blackout(False), cmd.StopRecording()]


def test_brackets_walk_through_the_presets_in_a_ring(
    window: MainWindow, engine: FakeEngine, bridge: EngineBridge, qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("app.engine_bridge.preset_names", lambda: ["default", "neon", "sea"])
    qtbot.keyClick(window, Key.Key_BracketRight)
    qtbot.keyClick(window, Key.Key_BracketLeft)
    assert engine.commands == [cmd.LoadPreset("neon"), cmd.LoadPreset("sea")]


def test_letters_typed_into_the_prompt_do_not_drive_the_show(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    qtbot.keyClick(window, Key.Key_Slash)
    box = window.column.prompt.box
    assert box.hasFocus()
    qtbot.keyClicks(box, "fb n t[")
    assert box.text() == "fb n t["
    assert engine.commands == []
    assert not window.isFullScreen()
    qtbot.keyClick(box, Key.Key_Escape)
    assert not box.hasFocus()


def test_space_presses_a_button_that_was_reached_by_tab(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    window.column.prompt.next.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(window.column.prompt.next, Key.Key_Space)
    assert engine.commands == [cmd.NextPrompt()]


def test_clicks_leave_the_keyboard_to_the_show(window: MainWindow, qtbot: QtBot) -> None:
    for button in window.findChildren(Button):
        assert button.focusPolicy() == Qt.FocusPolicy.TabFocus


def test_h_shows_every_key_in_the_control_column(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.keyClick(window, Key.Key_H)
    assert window.column.page == "keys"
    assert window.column.keys.isVisible()
    assert window.header.keys.isChecked()
    texts = {child.text() for child in window.column.keys.findChildren(type(window.header.mark))}
    assert {action.help for action in ACTIONS if action.name != "output"} <= texts
    assert "Picture in its own window" in texts  # there is one screen
    qtbot.keyClick(window, Key.Key_Escape)
    assert window.column.page == "controls"
    assert not window.header.keys.isChecked()


def test_no_two_actions_share_a_key() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
