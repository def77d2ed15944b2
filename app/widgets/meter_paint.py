"""What both meters share: the well, the scale, and the face of a missing device."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QPainter, QPen

from app.style import colour

FLOOR_DB = -72.0


def db_position(level_db: float) -> float:
    """Return the height of a level in [0, 1]; the upper 24 dB take half of it."""
    level_db = min(max(level_db, FLOOR_DB), 0.0)
    if level_db >= -24.0:
        return 1.0 + level_db / 48.0
    return 0.5 * (level_db - FLOOR_DB) / (-24.0 - FLOOR_DB)


def paint_well(painter: QPainter, rect: QRectF, connected: bool) -> None:
    """Draw the hole a bar stands in; hatched and dashed where nothing is plugged in."""
    if connected:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("well"))
        painter.drawRoundedRect(rect, 3, 3)
        return
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QBrush(colour("faint", 0.6), Qt.BrushStyle.BDiagPattern))
    painter.drawRect(rect)
    painter.setPen(QPen(colour("faint", 0.8), 1.0, Qt.PenStyle.DashLine))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(rect.adjusted(0.5, 0.5, -0.5, -0.5))
