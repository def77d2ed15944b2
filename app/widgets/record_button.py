"""Record, with the time that runs."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Slot
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QWidget

from app.actions import shown_key
from app.engine_bridge import EngineBridge
from app.style import colour, font
from app.widgets.buttons import Button
from app.widgets.transport import clock_text
from engine.messages import RecordStatus


class RecordButton(Button):
    """Red and counting while it records."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        tip = f"Record picture and sound into the video folder ({shown_key('record')})"
        super().__init__(
            "Record", kind="danger", icon_name="black", checkable=True, tip=tip, parent=parent
        )
        self.setIcon(QIcon(_dot()))
        self.setIconSize(QSize(12, 12))
        self.setFont(font(13))
        self.setMinimumWidth(104)
        self._idle_tip = tip
        self._recording = False
        self.clicked.connect(self._on_clicked)
        self.clicked.connect(bridge.toggle_recording)
        bridge.record_changed.connect(self._on_record)

    @Slot()
    def _on_clicked(self) -> None:
        self.setChecked(self._recording)  # the engine decides whether a recording runs

    @Slot(object)
    def _on_record(self, status: RecordStatus | None) -> None:
        self._recording = status is not None and not status.finishing
        self.setChecked(self._recording)
        if status is None:
            self.setText("Record")
            self.setToolTip(self._idle_tip)
            return
        if status.finishing:
            self.setText("Finishing")
            self.setToolTip(f"Finishing {status.path}; click to begin another recording")
            return
        self.setText(clock_text(status.seconds))
        dropped = f", {status.dropped} frames dropped" if status.dropped else ""
        self.setToolTip(f"Recording to {status.path}{dropped}")


def _dot() -> QPixmap:
    result = QPixmap(24, 24)
    result.setDevicePixelRatio(2.0)
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour("red"))
    painter.drawEllipse(QRectF(1, 1, 10, 10))
    painter.end()
    return result
