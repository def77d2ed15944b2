"""One line about the music: its key on the left, its section on the right."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.snapshots import SignalState
from app.widgets.buttons import label, restyle
from engine.keys import KEY_NAMES
from engine.messages import AudioFeatures, section_name

LEAST_SURE = 0.15
"""A key that is less sure than this is not worth a name."""


class FormLine(QWidget):
    """Key and section in words; empty while nothing is known."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.key = label("", "small")
        self.section = label("", "small")
        self.key.setToolTip("The key of the last seconds.")
        self.section.setToolTip(
            "The part of the song, in the order of first hearing. A part that comes back keeps "
            "its letter, and the walk can return to its prompt (Follow sections)."
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.key)
        layout.addStretch(1)
        layout.addWidget(self.section)
        self._live = False

    @Slot(object)
    def set_features(self, features: AudioFeatures) -> None:
        """Take the newest key and section."""
        tonal, structure = features.tonal, features.structure
        known = self._live and tonal.key >= 0 and tonal.key_confidence >= LEAST_SURE
        self.key.setText(KEY_NAMES[tonal.key] if known else "")
        again = structure.heard_before
        self.section.setText(_section_text(structure.section, again) if self._live else "")
        restyle(self.section, "tint", "accent" if again else "")

    @Slot(object)
    def set_state(self, state: SignalState) -> None:
        """Nothing is in a key without sound."""
        self._live = state is SignalState.LIVE
        if not self._live:
            self.key.setText("")
            self.section.setText("")


def _section_text(section: int, again: bool) -> str:
    if section < 0:
        return ""
    return f"part {section_name(section)}, again" if again else f"part {section_name(section)}"
