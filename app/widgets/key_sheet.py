"""The keys, on screen, in the control column."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.actions import ACTIONS
from app.widgets.buttons import Button, label
from app.widgets.icons import icon
from app.widgets.screen_words import output_help


class SheetHead(QWidget):
    """Title of a page that lies over the controls, and the way back."""

    closed = Signal()

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.close_button = Button(kind="quiet", tip="Back to the controls (Esc)")
        self.close_button.setIcon(icon("close", "text"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 8)
        layout.addWidget(label(title, "title"))
        layout.addStretch(1)
        layout.addWidget(self.close_button)
        self.close_button.clicked.connect(self.closed)


class KeySheet(QWidget):
    """Lists `app.actions.ACTIONS`."""

    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.texts: dict[str, QLabel] = {}
        head = SheetHead("Keys")
        head.closed.connect(self.closed)
        body = QWidget()
        body.setObjectName("scrollBody")
        grid = QGridLayout(body)
        grid.setContentsMargins(0, 0, 8, 8)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(7)
        grid.setColumnStretch(1, 1)
        group = ""
        for action in ACTIONS:
            if action.group != group:
                group = action.group
                heading = label(group.upper(), "heading")
                heading.setContentsMargins(0, 10, 0, 2)
                grid.addWidget(heading, grid.rowCount(), 0, 1, 2)
            row = grid.rowCount()
            grid.addWidget(label(action.shown, "key"), row, 0, Qt.AlignmentFlag.AlignLeft)
            text = self.texts[action.name] = label(action.help)
            grid.addWidget(text, row, 1)
        grid.setRowStretch(grid.rowCount(), 1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(body)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 10, 8, 10)
        layout.addWidget(head)
        layout.addWidget(scroll, 1)

    def showEvent(self, event: QShowEvent) -> None:
        """Say what the keys do with the screens there are now."""
        super().showEvent(event)
        self.texts["output"].setText(output_help())
