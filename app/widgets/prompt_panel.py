"""What the picture is about: a box to write in, the walk of the preset, and the unknown words."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.actions import shown_key
from app.engine_bridge import EngineBridge
from app.snapshots import PromptState
from app.widgets.buttons import Button, label, restyle
from app.widgets.field import Field
from app.widgets.scene_button import SceneButton


def unknown_words_text(state: PromptState) -> str:
    """Say which words the model does not know; empty when it knows them all."""
    if not state.unknown_words:
        return ""
    words = [
        f"\N{LEFT SINGLE QUOTATION MARK}{word}\N{RIGHT SINGLE QUOTATION MARK} (nearest: "
        f"\N{LEFT SINGLE QUOTATION MARK}{nearest}\N{RIGHT SINGLE QUOTATION MARK})"
        if nearest
        else f"\N{LEFT SINGLE QUOTATION MARK}{word}\N{RIGHT SINGLE QUOTATION MARK}"
        for word, nearest in state.unknown_words
    ]
    return f"{state.model or 'the model'} does not know {', '.join(words)}"


class PromptPanel(QWidget):
    """Sends prompts; marks the scene that is painted and the one it walks to."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._state = PromptState()
        self.box = Field()
        self.box.setPlaceholderText("Describe the picture, then Enter")
        self.box.setMaxLength(2000)
        self.box.setAccessibleName("Prompt")
        self.next = Button(icon_name="next", tip=f"Next prompt ({shown_key('next_prompt')})")
        self.warning = label("", "warn")
        self.warning.setWordWrap(True)
        self.warning.hide()
        self.scenes: list[SceneButton] = []
        self._list = QVBoxLayout()
        self._list.setSpacing(1)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.box, 1)
        row.addWidget(self.next)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(row)
        layout.addWidget(self.warning)
        layout.addLayout(self._list)
        self.box.returnPressed.connect(self._on_return)
        self.next.clicked.connect(bridge.next_prompt)
        bridge.scenes_changed.connect(self._on_scenes)
        bridge.prompts_changed.connect(self._on_prompts)

    @Slot()
    def _on_return(self) -> None:
        self._bridge.set_prompt(self.box.text())
        self.box.clearFocus()

    @Slot(object)
    def _on_scenes(self, texts: tuple[str, ...]) -> None:
        for button in self.scenes:
            self._list.removeWidget(button)
            button.deleteLater()
        self.scenes = [SceneButton(text) for text in texts]
        for button in self.scenes:
            self._list.addWidget(button)
            button.picked.connect(self._bridge.set_prompt)
        self._mark()

    @Slot(object)
    def _on_prompts(self, state: PromptState) -> None:
        self._state = state
        text = unknown_words_text(state)
        self.warning.setText(text)
        self.warning.setVisible(bool(text))
        self._mark()

    def _mark(self) -> None:
        state = self._state
        shares = dict(zip(state.texts, state.weights, strict=False))
        for index, button in enumerate(self.scenes):
            share = shares.get(button.prompt, 0.0)
            current = index == state.index
            button.set_share(share)
            restyle(button, "state", "current" if current else "next" if share > 0 else "")
