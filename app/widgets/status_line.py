"""The bottom line: what the engine does, and how fast."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from app.engine_bridge import EngineBridge
from app.snapshots import Figures
from app.style import font
from app.widgets.buttons import label, restyle
from engine.messages import Phase

DOTS = {
    Phase.STARTING: "dim", Phase.LOADING: "accent", Phase.RUNNING: "ok", Phase.FAILED: "red",
    Phase.STOPPED: "dim",
}  # fmt: skip


class StatusLine(QFrame):
    """Figures of equal width, so that nothing jumps."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("status")
        self.setFixedHeight(30)
        self.dot = QLabel()
        self.dot.setFixedSize(8, 8)
        self.phase = label("", "figure")
        self.figures = {
            name: _figure(widest)
            for name, widest in (
                ("ai", "AI 00.0 fps"), ("output", "Output 00.0 fps"),
                ("latency", "Latency 000 ms"), ("gap", "Longest gap 000 ms"),
                ("dropped", "Dropped 00"), ("overflows", "Overflows 0"),
            )
        }  # fmt: skip
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 0, 14, 0)
        layout.setSpacing(20)
        layout.addWidget(self.dot)
        layout.addWidget(self.phase)
        layout.addStretch(1)
        for widget in self.figures.values():
            layout.addWidget(widget)
        bridge.figures_changed.connect(self._on_figures)

    @Slot(object)
    def _on_figures(self, figures: Figures) -> None:
        running = figures.phase is Phase.RUNNING
        model = f" · {figures.model}" if figures.model else ""
        self.phase.setText(f"{figures.phase.value.capitalize()}{model}")
        restyle(self.dot, "dot", DOTS[figures.phase])
        show = self.figures
        show["ai"].setText(f"AI {figures.ai_fps:.1f} fps" if running else "AI \N{EN DASH}")
        show["output"].setText(f"Output {figures.output_fps:.1f} fps")
        show["latency"].setText(f"Latency {figures.latency_ms:.0f} ms")
        show["gap"].setText(f"Longest gap {figures.longest_gap_ms:.0f} ms")
        show["dropped"].setText(f"Dropped {figures.dropped}")
        show["overflows"].setText(f"Overflows {figures.overflows}")
        restyle(show["dropped"], "alert", "true" if figures.dropped else "false")
        restyle(show["overflows"], "alert", "true" if figures.overflows else "false")


def _figure(widest: str) -> QLabel:
    result = label("", "figure")
    result.setFont(font(12))
    result.setMinimumWidth(QFontMetrics(font(12)).horizontalAdvance(widest))
    return result
