"""What the picture is about: a box to write in, the walk of the preset, and the unknown words."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.actions import shown_key
from app.engine_bridge import EngineBridge
from app.snapshots import PromptState
from app.widgets.buttons import Button, ElidedLabel, label, restyle
from app.widgets.field import Field
from app.widgets.scene_button import SceneButton
from app.widgets.unknown_words import unknown_words_text
from engine.presets import LONGEST_PROMPT

WARNING_PX = 15
MOST_CHARACTERS = 200_000
"""Room to paste a whole chapter: it is cut aloud, not in the box."""


class PromptPanel(QWidget):
    """Sends prompts; marks the scene that is painted and the one it walks to."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._state = PromptState()
        self.box = Field()
        self.box.setPlaceholderText("New text for the lit line, then Enter")
        self.box.setMaxLength(MOST_CHARACTERS)
        self.box.setAccessibleName("Prompt")
        self.next = Button(icon_name="next", tip=f"Next prompt ({shown_key('next_prompt')})")
        self.warning = ElidedLabel("", "warn")
        self.warning.setFixedHeight(WARNING_PX)  # always there: its coming must move nothing
        self.heard = ElidedLabel("", "small")  # placed by the column, in the heading's line
        self.heard.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.heard.setAccessibleName("What is heard")
        self.shortened = label("", "warn")
        self.shortened.setWordWrap(True)
        self.shortened.hide()
        self._kept = ""  # what was left of a prompt that was too long
        self.scenes: list[SceneButton] = []
        self._list = QVBoxLayout()
        self._list.setSpacing(1)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.box, 1)
        row.addWidget(self.next)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.shortened)
        layout.addWidget(self.warning)
        layout.addLayout(self._list)
        self.box.returnPressed.connect(self._on_return)
        self.next.clicked.connect(bridge.next_prompt)
        bridge.scenes_changed.connect(self._on_scenes)
        bridge.prompts_changed.connect(self._on_prompts)

    @Slot()
    def _on_return(self) -> None:
        written = self.box.text().strip()
        self._kept = written[:LONGEST_PROMPT].strip() if len(written) > LONGEST_PROMPT else ""
        self.shortened.setVisible(bool(self._kept))
        self.shortened.setText(
            f"Shortened: {len(written):,} characters, the first {LONGEST_PROMPT:,} are kept"
        )
        self._bridge.set_prompt(self._kept or written)
        self.box.clearFocus()

    @Slot(object)
    def _on_scenes(self, texts: tuple[str, ...]) -> None:
        for button in self.scenes:
            self._list.removeWidget(button)
            button.deleteLater()
        if any(button.prompt == self._kept for button in self.scenes) and self._kept not in texts:
            self.shortened.hide()  # another one is in its place
        self.scenes = [SceneButton(index, text) for index, text in enumerate(texts)]
        for button in self.scenes:
            self._list.addWidget(button)
            button.picked.connect(self._bridge.go_to_prompt)
        self._mark()

    @Slot(object)
    def _on_prompts(self, state: PromptState) -> None:
        self._state = state
        self.warning.set_full_text(unknown_words_text(state))
        self.heard.set_full_text(state.heard)
        self._mark()

    def _mark(self) -> None:
        state = self._state
        shares = dict(zip(state.texts, state.weights, strict=False))
        for index, button in enumerate(self.scenes):
            share = shares.get(button.prompt, 0.0)
            current = index == state.index
            button.set_share(share)
            restyle(button, "state", "current" if current else "next" if share > 0 else "")
        if 0 <= state.index < len(self.scenes):
            replaced = self.scenes[state.index].prompt
            self.box.setToolTip(f"Describe the picture. Enter puts it in place of: {replaced}")
