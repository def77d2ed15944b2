"""All parameters of the table, in their groups."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.engine_bridge import EngineBridge
from app.widgets.param_row import ParamRow
from app.widgets.section import Section
from engine.params import PARAMS

TITLES = {
    "diffusion": "Painting", "motion": "Motion", "prompt": "Prompt walk", "colour": "Colour",
    "audio": "Listening", "master": "Master",
}  # fmt: skip


PLAYED_MOST = ("audio", "master")
"""Groups a performer has a hand on all evening: the column shows them where no one scrolls."""


class ParamPanel(QWidget):
    """One row per entry of `engine.params.PARAMS`; nothing here knows a parameter by name.

    The sections of `PLAYED_MOST` are made here and placed by the column.
    """

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[str, ParamRow] = {}
        self.sections: dict[str, Section] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for spec in PARAMS.values():
            if spec.group not in self.sections:
                title = TITLES.get(spec.group, spec.group.capitalize())
                section = self.sections[spec.group] = Section(spec.group, title)
                section.body.setSpacing(2)
                if spec.group not in PLAYED_MOST:
                    layout.addWidget(section)
            row = self.rows[spec.name] = ParamRow(spec, bridge)
            self.sections[spec.group].body.addWidget(row)
        bridge.values_changed.connect(self._on_values)
        bridge.modulated_changed.connect(self._on_modulated)

    @Slot(object)
    def _on_values(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.rows[name].set_value(value)

    @Slot(object)
    def _on_modulated(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.rows[name].set_modulated(value)
