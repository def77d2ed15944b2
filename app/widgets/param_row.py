"""One parameter: its name, its slider and its figure."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.engine_bridge import EngineBridge
from app.style import font
from app.widgets.buttons import ElidedLabel, label
from app.widgets.field import Field
from app.widgets.param_scale import ParamScale, osc_address
from app.widgets.param_slider import ParamSlider
from engine.params import ParamSpec

HAND_HOLD_MS = 400
"""After an edit, older values from the engine are not shown for this long."""


FIGURE_PX = 54
WORD_MARGIN_PX = 14
"""Border, padding and cursor on both sides of a word in the field."""


class ValueEdit(Field):
    """A figure that can be typed over; Esc gives it back."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "value")
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setFont(font(12))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave the field on Enter too."""
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clearFocus()

    def leave(self) -> None:
        """Give the old figure back."""
        self.setModified(False)
        super().leave()


class ParamRow(QWidget):
    """Shows and sets one entry of the parameter table."""

    def __init__(
        self,
        spec: ParamSpec,
        bridge: EngineBridge,
        parent: QWidget | None = None,
        slider: type[ParamSlider] = ParamSlider,
    ) -> None:
        super().__init__(parent)
        self.spec = spec
        self._bridge = bridge
        self._scale = ParamScale(spec)
        self.name_label = ElidedLabel(spec.label.capitalize(), "dim")
        self.name_label.setFixedWidth(78)
        self.slider = slider(self._scale)
        self.slider.setAccessibleName(spec.label)
        self.figure = ValueEdit()
        self.figure.setAccessibleName(f"{spec.label}, value")
        self.figure.setFixedWidth(FIGURE_PX)
        self.unit_label = label(spec.unit, "small")
        self._holding = QTimer(self, singleShot=True, interval=HAND_HOLD_MS)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.name_label)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.figure)
        layout.addWidget(self.unit_label)
        self.setToolTip(_tip(spec))
        self.slider.edited.connect(self._on_edited)
        self.figure.editingFinished.connect(self._on_typed)
        self._show_figure()

    @property
    def longest_word_px(self) -> int:
        """Room that the longest of the words needs which stand for its values; 0 without any."""
        metrics = self.figure.fontMetrics()
        widths = (metrics.horizontalAdvance(word) for word in self.spec.words)
        return max(widths, default=-WORD_MARGIN_PX) + WORD_MARGIN_PX

    def align(self, unit_width_px: int, figure_width_px: int = FIGURE_PX) -> None:
        """Give unit and figure the room that the longest of its section need; 0: no unit."""
        self.figure.setFixedWidth(figure_width_px)
        self.unit_label.setFixedWidth(unit_width_px)
        self.unit_label.setVisible(unit_width_px > 0)

    def set_value(self, value: float) -> None:
        """Show the engine's base value, unless a hand is on it."""
        if self.slider.dragging or self._holding.isActive():
            return
        if value != self.slider.value:
            self.slider.set_value(value)
            self._show_figure()

    def set_unread(self, readers: str) -> None:
        """Grey it out, with a tip on who `readers` are; empty: it is read now."""
        self.setEnabled(not readers)
        unread = f"<p><b>Changes nothing now.</b> It is for {readers}.</p>" if readers else ""
        self.setToolTip(unread + _tip(self.spec))

    def set_modulated(self, value: float) -> None:
        """Show what the picture gets."""
        self.slider.set_modulated(value)

    @Slot(float)
    def _on_edited(self, value: float) -> None:
        self._holding.start()
        self._show_figure()
        self._bridge.set_param(self.spec.name, value)

    @Slot()
    def _on_typed(self) -> None:
        if self.figure.isModified():
            value = self._scale.parse(self.figure.text())
            if value is not None:
                self.slider.edit(value)
        self._show_figure()

    def _show_figure(self) -> None:
        self.figure.setText(self._scale.text(self.slider.value))
        self.figure.setModified(False)


def _tip(spec: ParamSpec) -> str:
    scale = ParamScale(spec)
    unit = f" {spec.unit}" if spec.unit else ""
    span = f"{scale.text(spec.low)} to {scale.text(spec.high)}{unit}"
    return (
        f"<p>{spec.help}</p><p>{span}, usually {scale.text(spec.default)}. "
        f"Double click resets, Shift drags finely.</p><p><tt>{osc_address(spec)}</tt></p>"
    )
