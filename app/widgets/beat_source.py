"""Whose beat the picture follows: the sound's, MIDI clock, Ableton Link."""

from __future__ import annotations

from typing import Literal, cast

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from app.engine_bridge import EngineBridge
from app.widgets.buttons import Choice
from engine.commands import ClockChoice

KINDS = (("sound", "Beat of the sound"), ("midi", "MIDI clock"), ("link", "Ableton Link"))


class BeatSource(Choice):
    """Posts a choice; shows what the engine really follows."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__("Whose beat, bar and tempo the picture follows", parent)
        self._bridge = bridge
        self._kind = "sound"
        for kind, text in KINDS:
            self.addItem(text, kind)
        self.activated.connect(self._on_activated)
        bridge.clock_changed.connect(self.set_kind)

    @Slot(str)
    def set_kind(self, kind: str) -> None:
        """Show what leads."""
        self._kind = kind
        self.setCurrentIndex(self.findData(kind))

    @Slot(int)
    def _on_activated(self, index: int) -> None:
        kind = str(self.itemData(index))
        self.setCurrentIndex(self.findData(self._kind))  # the engine decides
        if kind != self._kind:
            asked = cast("Literal['sound', 'midi', 'link']", kind)
            self._bridge.select_clock(ClockChoice(asked))
