"""The bottom line: what the engine does, and how fast, at this moment."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from app.engine_bridge import EngineBridge
from app.recent import LAGS_BELOW_FPS, STUTTERS_BELOW
from app.snapshots import Figures, Health
from app.style import font
from app.widgets.buttons import label, restyle
from engine.messages import Phase

DOTS = {
    Phase.STARTING: "dim", Phase.LOADING: "accent", Phase.RUNNING: "ok", Phase.FAILED: "red",
    Phase.STOPPED: "dim",
}  # fmt: skip
WHY = {
    Health.GOOD: "",
    Health.STUTTERS: f"Fewer than {STUTTERS_BELOW:.0%} of the asked frames are made: choose a "
    "smaller --size or --fps, or close other programs",
    Health.LAGS: f"Fewer than {LAGS_BELOW_FPS:g} pictures a second are painted, too few to follow "
    "a beat: choose a smaller --model-size or a faster model",
}
STANDSTILL_MS = 250.0
"""Half a beat at 120 BPM without a new frame is seen by everyone."""


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
        layout.setSpacing(14)
        layout.addWidget(self.dot)
        layout.addWidget(self.phase)
        layout.addStretch(1)
        for widget in self.figures.values():
            layout.addWidget(widget)
        self._explain()
        bridge.figures_changed.connect(self._on_figures)

    def _explain(self) -> None:
        show = self.figures
        show["ai"].setToolTip("Pictures that the model paints, per second")
        show["latency"].setToolTip("From the newest sound heard to the frame that follows it")
        show["gap"].setToolTip("Longest time between two frames, of the last 60 s")
        show["overflows"].setToolTip("Sound that came faster than it was taken, in the last 60 s")

    @Slot(object)
    def _on_figures(self, figures: Figures) -> None:
        running = figures.phase is Phase.RUNNING
        health = figures.health if running else Health.GOOD
        word = (health if running else figures.phase).value.capitalize()
        self.phase.setText(f"{word} · {figures.model}" if figures.model else word)
        restyle(self.phase, "alert", "true" if health is not Health.GOOD else "false")
        restyle(self.dot, "dot", DOTS[figures.phase] if health is Health.GOOD else "accent")
        for widget in (self.dot, self.phase):
            widget.setToolTip(WHY[health])
        self._show_rates(figures, running, health)
        self._show_losses(figures)

    def _show_rates(self, figures: Figures, running: bool, health: Health) -> None:
        show = self.figures
        stutters = health is Health.STUTTERS
        asked = f" of {figures.asked_fps:g}" if stutters else ""
        show["ai"].setText(f"AI {figures.ai_fps:.1f} fps" if running else "AI \N{EN DASH}")
        show["output"].setText(f"Output {figures.output_fps:.1f}{asked} fps")
        show["output"].setToolTip(f"Frames made per second, {figures.asked_fps:g} are asked for")
        show["latency"].setText(f"Latency {figures.latency_ms:.0f} ms")
        slow = figures.ai_fps < LAGS_BELOW_FPS
        _alert(show["ai"], health is Health.LAGS or (stutters and slow))
        _alert(show["output"], stutters)

    def _show_losses(self, figures: Figures) -> None:
        show = self.figures
        show["gap"].setText(f"Longest gap {figures.longest_gap_ms:.0f} ms")
        show["dropped"].setText(f"Dropped {figures.dropped}")
        show["overflows"].setText(f"Overflows {figures.overflows}")
        show["dropped"].setToolTip(
            f"Frames not made in time, in the last 60 s; {figures.dropped_ever} since the start"
        )
        _alert(show["gap"], figures.longest_gap_ms > STANDSTILL_MS)
        _alert(show["dropped"], figures.drops_show)
        _alert(show["overflows"], figures.overflows > 0)


def _alert(figure: QLabel, on: bool) -> None:
    restyle(figure, "alert", "true" if on else "false")


def _figure(widest: str) -> QLabel:
    result = label("", "figure")
    result.setFont(font(12))
    result.setMinimumWidth(QFontMetrics(font(12)).horizontalAdvance(widest))
    return result
