"""One line when something is wrong: in the control column, no dialog, never on the picture."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QWidget

from app.engine_bridge import EngineBridge
from app.snapshots import Message
from app.widgets.buttons import Button, restyle
from app.widgets.icons import icon, pixmap


class MessageBar(QFrame):
    """Shows the newest message until it is taken back or closed."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("messageBar")
        self.icon = QLabel()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.close_button = Button(kind="quiet", tip="Hide this message")
        self.close_button.setIcon(icon("close", "dim"))
        self.close_button.setFixedWidth(28)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 6, 4, 6)
        layout.setSpacing(8)
        layout.addWidget(self.icon, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.close_button.clicked.connect(bridge.dismiss_message)
        bridge.message_changed.connect(self._on_message)
        self.hide()

    @Slot(object)
    def _on_message(self, message: Message) -> None:
        self.setVisible(bool(message.text))
        self.text.setText(message.text)
        error = message.level == "error"
        name, tint = ("warning", "red") if error else ("notice", "accent")
        self.icon.setPixmap(pixmap(name, 18, tint))
        restyle(self, "level", message.level)
