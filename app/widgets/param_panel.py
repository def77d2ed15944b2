"""All parameters of the table, in their groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.engine_bridge import EngineBridge
from app.widgets.level_slider import LEVEL_PARAMS, LevelSlider
from app.widgets.param_row import FIGURE_PX, ParamRow
from app.widgets.param_slider import ParamSlider
from app.widgets.section import Section
from engine.messages import LoraChoice
from engine.params import LORA_PARAMS, PARAMS

TITLES = {
    "diffusion": "Painting", "motion": "Motion", "prompt": "Prompt walk", "colour": "Colour",
    "audio": "Listening", "master": "Master", "structure": "Structure", "lora": "LoRAs",
    "sound": "Sound into the picture",
}  # fmt: skip


UNIT_GAP_PX = 2
PLAYED_MOST = ("audio", "master")
"""Groups a performer has a hand on all evening: the column shows them where no one scrolls."""
PLACED = (*PLAYED_MOST, "sound")
"""Groups whose sections the column places."""


class ParamPanel(QWidget):
    """One row per entry of `engine.params.PARAMS`; only those of LoRAs are known by name.

    The sections of `PLACED` are made here and placed by the column.
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
                if spec.group not in PLACED:
                    layout.addWidget(section)
            slider = LevelSlider if spec.name in LEVEL_PARAMS else ParamSlider
            row = self.rows[spec.name] = ParamRow(spec, bridge, slider=slider)
            self.sections[spec.group].body.addWidget(row)
        for group in self.sections:
            _align([row for row in self.rows.values() if row.spec.group == group])
        self._on_loras(())
        bridge.loras_changed.connect(self._on_loras)
        bridge.values_changed.connect(self._on_values)
        bridge.modulated_changed.connect(self._on_modulated)

    @Slot(object)
    def _on_loras(self, loras: Sequence[LoraChoice]) -> None:
        """Show a slider for every LoRA that is on, by its file's name, and none for others."""
        for place, name in enumerate(LORA_PARAMS):
            row = self.rows[name]
            row.setVisible(place < len(loras))
            if place < len(loras):
                row.name_label.set_full_text(Path(loras[place].path).stem)
        self.sections["lora"].setVisible(bool(loras))

    @Slot(object)
    def _on_values(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.rows[name].set_value(value)

    @Slot(object)
    def _on_modulated(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.rows[name].set_modulated(value)


def _align(rows: Sequence[ParamRow]) -> None:
    """Sliders of a section end in one line; no word is cut, no strip left for units of nobody."""
    units = [row.unit_label for row in rows if row.spec.unit]
    width = max((unit.fontMetrics().horizontalAdvance(unit.text()) for unit in units), default=0)
    figure_px = max(FIGURE_PX, *(row.longest_word_px for row in rows))
    for row in rows:
        row.align(width + UNIT_GAP_PX if width else 0, figure_px)
