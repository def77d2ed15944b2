from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.engine_bridge import EngineBridge
from app.main_window import MainWindow
from app.settings import Settings, SettingsStore
from app.snapshots import Message
from app.widgets.model_panel import OTHER
from engine import commands as cmd
from engine.messages import Phase
from engine.registry import model_entries
from tests.gui.fake_engine import FakeEngine

Look = Callable[..., None]


def pick(window: MainWindow, text: str) -> None:
    choice = window.column.model.choice
    index = choice.findText(text)
    assert index >= 0
    choice.setCurrentIndex(index)
    choice.activated.emit(index)


def test_every_named_model_can_be_chosen_and_the_engine_decides(
    window: MainWindow, engine: FakeEngine, look: Look
) -> None:
    panel = window.column.model
    assert panel.names == tuple(entry.name for entry in model_entries())
    pick(window, "null")
    assert engine.commands == [cmd.SelectModel("null")]
    assert panel.choice.currentText() == "ember"
    look(model="null", model_asked="null")
    assert panel.choice.currentText() == "null"


def test_a_model_that_is_being_opened_shows_and_the_old_one_is_said_to_go_on(
    window: MainWindow, look: Look
) -> None:
    panel = window.column.model
    assert not panel.note.isVisible()
    look(phase=Phase.LOADING, model_opening="stabilityai/sd-turbo")
    assert window.status_line.phase.text() == "Loading the model · sd-turbo"
    assert panel.choice.currentText() == "stabilityai/sd-turbo"
    assert panel.note.isVisible()
    assert "ember moves on" in panel.note.full_text()
    look(
        phase=Phase.RUNNING,
        model_opening="",
        message="stabilityai/sd-turbo is not on this machine",
    )
    assert panel.choice.currentText() == "ember"
    assert not panel.note.isVisible()
    assert window.column.message.text.text() == "stabilityai/sd-turbo is not on this machine"


def test_another_folder_or_hub_id_is_written_into_a_box(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    panel = window.column.model
    assert not panel.box.isVisible()
    pick(window, OTHER)
    assert engine.commands == []
    assert panel.choice.currentText() == "ember"
    assert panel.box.hasFocus()
    qtbot.keyClicks(panel.box, " some/model ")
    qtbot.keyClick(panel.box, Qt.Key.Key_Return)
    assert engine.commands == [cmd.SelectModel("some/model")]
    assert not panel.box.isVisible()


def test_esc_and_an_empty_box_choose_nothing(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    panel = window.column.model
    for key in (Qt.Key.Key_Escape, Qt.Key.Key_Return):
        pick(window, OTHER)
        panel.box.clear()
        qtbot.keyClick(panel.box, key)
        assert not panel.box.isVisible()
    assert engine.commands == []


def test_a_folder_shows_by_its_last_part_and_is_exported_by_its_whole_path(
    window: MainWindow, look: Look, tmp_path: Path
) -> None:
    folder = str(tmp_path / "my-turbo")
    look(model="my-turbo", model_asked=folder)
    assert window.column.model.choice.currentText() == "my-turbo"
    assert window.column.model.choice.toolTip() == folder
    request = window.column.export.request()
    assert request is not None
    assert request.model == folder
    look(model="ember", model_asked="ember")
    request = window.column.export.request()
    assert request is not None
    assert request.model == ""


def test_a_choice_is_remembered_only_once_it_paints(
    window: MainWindow, store: SettingsStore, look: Look
) -> None:
    panel = window.column.model
    panel.choose("gone/model")
    look(message="gone/model is not on this machine")
    assert store.settings.model == ""
    panel.choose("some/model")
    look(model="model", model_asked="some/model")
    assert store.settings.model == "some/model"
    assert store.settings.models == ("some/model",)
    panel.choose("ember")
    look(model="ember", model_asked="ember")
    panel.choose("ember")
    assert store.settings.model == "ember"
    assert store.settings.models == ("some/model",)
    window.save_settings()
    assert SettingsStore(store.path).settings.models == ("some/model",)


def test_a_model_that_stands_in_for_another_does_not_take_its_place(
    window: MainWindow, store: SettingsStore, look: Look
) -> None:
    store.settings.model = "some/model"
    look(message="some/model is gone; ember paints instead", model_asked="ember", ai_fps=1.0)
    assert store.settings.model == "some/model"


def test_models_used_before_are_listed_again(
    qtbot: QtBot, bridge: EngineBridge, store: SettingsStore
) -> None:
    store.settings = Settings(models=("some/model", "/models/turbo"))
    window = MainWindow(bridge, store)
    qtbot.addWidget(window)
    assert window.column.model.names[-2:] == ("some/model", "/models/turbo")
    assert window.column.model.choice.itemText(window.column.model.choice.count() - 1) == OTHER
    bridge.report(Message(""))
