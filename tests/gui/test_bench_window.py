from __future__ import annotations

from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.first_paint import FirstPaint


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
