"""Buttons, choices and labels in the house's look; no behaviour of their own."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QKeyEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QComboBox, QFrame, QLabel, QPushButton, QWidget

from app.widgets.icons import icon, paint_icon


class Button(QPushButton):
    """A push button that takes the keyboard by Tab only, so that clicks leave the keys alone."""

    def __init__(
        self,
        text: str = "",
        *,
        kind: str = "",
        icon_name: str = "",
        on_colour: str = "accent",
        tip: str = "",
        checkable: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._spaced = bool(icon_name)
        if text:
            self.setText(text)
        self.setProperty("kind", kind)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setCheckable(checkable)
        self.setToolTip(tip)
        if not text:
            self.setAccessibleName(tip)
            self.setFixedWidth(32)
        if icon_name:
            self.set_icon(icon_name, on_colour)

    def setText(self, text: str) -> None:
        """Set the text, a little apart from an icon: style sheets have no word for that gap."""
        super().setText(f"\N{THIN SPACE}{text}" if self._spaced and text else text)

    def set_icon(self, name: str, on_colour: str = "accent") -> None:
        """Show another icon."""
        self.setIcon(icon(name, "text" if not self.text() else "dim", on_colour))
        self.setIconSize(QSize(18, 18))

    def event(self, event: QEvent) -> bool:
        """Keep the space bar for a button that was reached by Tab; else it freezes the picture."""
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Space
        ):
            event.accept()
            return True
        return super().event(event)


class Choice(QComboBox):
    """A drop-down list; the wheel scrolls the page and not the choice."""

    def __init__(self, tip: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setMaxVisibleItems(16)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the page."""
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the box of the style sheet and our own arrow."""
        super().paintEvent(event)
        painter = QPainter(self)
        size = 16.0
        top = (self.height() - size) / 2
        arrow = QRectF(self.width() - size - 8, top, size, size)
        paint_icon(painter, "chevron-down", arrow, "dim" if self.isEnabled() else "faint")
        painter.end()


class ElidedLabel(QLabel):
    """A label that never asks for width: long text ends in an ellipsis, the tooltip has it all."""

    def __init__(self, text: str = "", role: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", role)
        self.setMinimumWidth(20)
        self._full = ""
        self.set_full_text(text)

    def set_full_text(self, text: str) -> None:
        """Show `text` as far as there is room."""
        self._full = text
        self._elide()

    def full_text(self) -> str:
        """Return the text without an ellipsis."""
        return self._full

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Elide anew."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        metrics = QFontMetrics(self.font())
        shown = metrics.elidedText(self._full, Qt.TextElideMode.ElideRight, self.width())
        self.setToolTip(self._full if shown != self._full else "")
        self.setText(shown)


def label(text: str, role: str = "", parent: QWidget | None = None) -> QLabel:
    """Return a label with a role of the style sheet."""
    result = QLabel(text, parent)
    result.setProperty("role", role)
    return result


def rule(parent: QWidget | None = None) -> QFrame:
    """Return a hairline."""
    result = QFrame(parent)
    result.setProperty("role", "rule")
    result.setFixedHeight(1)
    return result


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet asks for, and repaint only if it changed."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)
