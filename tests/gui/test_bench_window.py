from __future__ import annotations

from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.first_paint import FirstPaint
from app.main_window import run_window
from app.settings import SettingsStore
from tests.gui.fake_engine import FakeEngine


def test_the_first_paint_is_told_once_and_not_before_the_widget_is_shown(
    qtbot: QtBot, qapp: QApplication
) -> None:
    widget = QWidget()
    qtbot.addWidget(widget)
    told: list[bool] = []
    FirstPaint(widget, lambda: told.append(widget.isVisible()))
    qapp.processEvents()
    assert told == []
    widget.show()
    qtbot.waitUntil(lambda: bool(told))
    widget.repaint()
    qapp.processEvents()
    assert told == [True]


def test_the_window_tells_when_it_is_on_the_screen(
    styled: QApplication, engine: FakeEngine, store: SettingsStore
) -> None:
    told: list[str] = []
    run_window(
        engine, settings=store, list_devices=tuple, seconds=0.5,
        painted=lambda: told.append("window"),
    )  # fmt: skip
    assert told == ["window"]
