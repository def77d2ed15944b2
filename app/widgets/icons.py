"""The icons of `resources/icons`, tinted and sharp at any pixel ratio."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.resources import read_text
from app.style import COLOURS


@cache
def _renderer(name: str, colour_name: str) -> QSvgRenderer:
    svg = read_text(f"icons/{name}.svg").replace("currentColor", COLOURS[colour_name])
    return QSvgRenderer(QByteArray(svg.encode()))


def paint_icon(painter: QPainter, name: str, rect: QRectF, colour_name: str = "dim") -> None:
    """Draw an icon into `rect`."""
    _renderer(name, colour_name).render(painter, rect)


def pixmap(name: str, size_px: int, colour_name: str = "dim", ratio: float = 2.0) -> QPixmap:
    """Return an icon as a square pixmap of `size_px` logical pixels."""
    result = QPixmap(QSize(round(size_px * ratio), round(size_px * ratio)))
    result.setDevicePixelRatio(ratio)
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    paint_icon(painter, name, QRectF(0, 0, size_px, size_px), colour_name)
    painter.end()
    return result


def icon(name: str, colour_name: str = "dim", on_colour_name: str | None = None) -> QIcon:
    """Return an icon for a button; `on_colour_name` tints its checked state."""
    result = QIcon(pixmap(name, 18, colour_name))
    result.addPixmap(pixmap(name, 18, "faint"), QIcon.Mode.Disabled)
    if on_colour_name is not None:
        result.addPixmap(pixmap(name, 18, on_colour_name), QIcon.Mode.Normal, QIcon.State.On)
    return result


def app_icon() -> QIcon:
    """Return the icon of the program."""
    result = QIcon()
    for size_px in (16, 32, 64, 128):
        result.addPixmap(pixmap("sonolume", size_px, ratio=1.0))
    return result
