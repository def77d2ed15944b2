"""A slider that shows two values: what the hand has set, and what the music makes of it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QWidget

from app.style import colour
from app.widgets.grip import Grip
from app.widgets.param_scale import ParamScale

KNOB_WIDTH_PX = 6.0
KNOB_HEIGHT_PX = 16.0
TRACK_PX = 4.0
FINE = 0.1


class ParamSlider(Grip):
    """Drag to set (Shift: fine), arrows step, double click resets."""

    edited = Signal(float)
    """A new base value by hand, native unit."""

    def __init__(self, scale: ParamScale, parent: QWidget | None = None) -> None:
        super().__init__(24, parent)
        self._scale = scale
        self._value = scale.spec.default
        self._modulated = scale.spec.default
        self._grab = QPointF()
        self._grab_position = 0.0
        self.setMinimumWidth(60)

    @property
    def value(self) -> float:
        """The base value, native unit."""
        return self._value

    @property
    def modulated(self) -> float:
        """The value after modulation, native unit."""
        return self._modulated

    def set_value(self, value: float) -> None:
        """Show a base value; nothing is emitted."""
        if value != self._value:
            self._value = value
            self.update()

    def set_modulated(self, value: float) -> None:
        """Show where the music has moved it."""
        before = self._x(self._modulated)
        self._modulated = value
        if abs(self._x(value) - before) >= 0.5:
            self.update()

    def edit(self, value: float) -> None:
        """Set a base value as a hand would: shown at once, and emitted."""
        value = self._scale.spec.clamp(value)
        if value != self._value:
            self.set_value(value)
            self.edited.emit(value)

    def reset(self) -> None:
        """Go back to the default."""
        self.edit(self._scale.spec.default)

    def sizeHint(self) -> QSize:
        """Return the natural size."""
        return QSize(140, 24)

    # -- hand ---------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the knob; a press beside it moves it there."""
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        self._dragging = True
        x = event.position().x()
        if abs(x - self._x(self._value)) > KNOB_WIDTH_PX:
            self.edit(self._scale.value((x - self._left()) / self._span()))
        self._hold(event.position())
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag."""
        if not self._dragging:
            return
        fine = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        way = (event.position().x() - self._grab.x()) / self._span() * (FINE if fine else 1.0)
        self.edit(self._scale.value(self._grab_position + way))
        if fine:
            self._hold(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        self._dragging = False
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Reset."""
        self._dragging = False
        self.reset()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Step by a hundredth, with Shift by a thousandth; Home and End go to the ends."""
        step = 0.001 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0.01
        position = self._scale.position(self._value)
        spec = self._scale.spec
        match event.key():
            case Qt.Key.Key_Left | Qt.Key.Key_Down:
                lower = self._scale.value(position - step)
                self.edit(min(lower, self._value - 1) if spec.integer else lower)
            case Qt.Key.Key_Right | Qt.Key.Key_Up:
                higher = self._scale.value(position + step)
                self.edit(max(higher, self._value + 1) if spec.integer else higher)
            case Qt.Key.Key_Home:
                self.edit(spec.low)
            case Qt.Key.Key_End:
                self.edit(spec.high)
            case Qt.Key.Key_Delete | Qt.Key.Key_Backspace:
                self.reset()
            case _:
                super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the page: a scroll must not change the show."""
        event.ignore()

    # -- picture ------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw track, base value, the way of the modulation and its marker."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        centre = self.height() / 2
        base = self._scale.position(self._value)
        self._paint_track(painter, base, self._scale.position(self._modulated), centre)
        self._paint_knob(painter, self._left() + base * self._span(), centre)
        painter.end()

    def _paint_track(self, painter: QPainter, base: float, moved: float, centre: float) -> None:
        self._bar(painter, 0.0, 1.0, centre, "hover" if self._hovered else "line")
        origin = self._scale.origin
        self._bar(painter, origin, base, centre, "faint" if self.isEnabled() else "edge")
        self._paint_moved(painter, base, moved, centre)
        if 0.0 < origin < 1.0:
            painter.setBrush(colour("edge"))
            x = self._left() + origin * self._span()
            painter.drawRect(QRectF(x - 0.5, centre + 5, 1, 4))

    def _paint_moved(self, painter: QPainter, base: float, moved: float, centre: float) -> None:
        """Mark where the music has moved the value to."""
        if abs(moved - base) * self._span() < 1.0:
            return
        self._bar(painter, base, moved, centre, "accent_low")
        x = self._left() + moved * self._span()
        painter.setBrush(colour("accent"))
        painter.drawRoundedRect(QRectF(x - 1.25, centre - 7, 2.5, 14), 1.2, 1.2)

    def _paint_knob(self, painter: QPainter, x: float, centre: float) -> None:
        knob = QRectF(
            x - KNOB_WIDTH_PX / 2, centre - KNOB_HEIGHT_PX / 2, KNOB_WIDTH_PX, KNOB_HEIGHT_PX
        )
        if self.hasFocus():
            painter.setPen(QPen(colour("accent"), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(knob.adjusted(-3, -2.5, 3, 2.5), 5, 5)
        painter.setPen(QPen(colour("surface"), 1.5))
        name = "text" if self.lit else "dim"
        painter.setBrush(colour(name if self.isEnabled() else "edge"))
        painter.drawRoundedRect(knob, 3, 3)

    def _bar(self, painter: QPainter, start: float, end: float, centre: float, name: str) -> None:
        start, end = min(start, end), max(start, end)
        left = self._left() + start * self._span()
        width = (end - start) * self._span()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(name))
        painter.drawRoundedRect(QRectF(left, centre - TRACK_PX / 2, width, TRACK_PX), 2, 2)

    def _hold(self, where: QPointF) -> None:
        self._grab = where
        self._grab_position = self._scale.position(self._value)

    def _left(self) -> float:
        return 7.0

    def _span(self) -> float:
        return max(self.width() - 14.0, 1.0)

    def _x(self, value: float) -> float:
        return self._left() + self._scale.position(value) * self._span()
