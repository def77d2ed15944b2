"""What is wrong, and what is good to know: in the control column, never on the picture."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QWidget

from app.engine_bridge import EngineBridge
from app.snapshots import Message
from app.widgets.buttons import Button
from app.widgets.icons import icon, pixmap

LONGEST = 240
"""Characters: five lines of the narrowest column; the tooltip has the rest."""
TINTS = {"error": ("warning", "red"), "notice": ("notice", "accent")}


class MessageBar(QFrame):
    """Shows the line of its level until it is taken back or closed."""

    def __init__(
        self,
        bridge: EngineBridge,
        level: Literal["error", "notice"],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("messageBar")
        self.setProperty("level", level)
        self._bridge = bridge
        self._level = level
        self.icon = QLabel()
        name, tint = TINTS[level]
        self.icon.setPixmap(pixmap(name, 18, tint))
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.close_button = Button(kind="quiet", tip="Hide this message")
        self.close_button.setIcon(icon("close", "dim"))
        self.close_button.setFixedWidth(28)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 3, 2, 3)
        layout.setSpacing(8)
        layout.addWidget(self.icon, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.close_button.clicked.connect(self._on_close)
        changed = bridge.message_changed if level == "error" else bridge.notice_changed
        changed.connect(self._on_message)
        self.hide()

    @Slot()
    def _on_close(self) -> None:
        self._bridge.dismiss_message(self._level)

    @Slot(object)
    def _on_message(self, message: Message) -> None:
        text = message.text
        cut = len(text) > LONGEST
        self.text.setText(text[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}" if cut else text)
        self.text.setToolTip(text if cut else "")
        self.setVisible(bool(text))
