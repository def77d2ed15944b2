"""What the model that paints makes of the words of the prompts."""

from __future__ import annotations

from engine.messages import ControlState, Reading
from engine.protocols import ImageModel


class Readings:
    """Asks a model once per prompt. Written by the diffusion thread, read from any."""

    def __init__(self) -> None:
        self._of: dict[str, Reading] = {}
        self.unknown_words: tuple[tuple[str, str], ...] = ()
        """Of all current prompts: the word, and the one it is painted as."""
        self.words_left_out = 0
        """Of the newest prompt."""

    def forget(self) -> None:
        """Another model paints."""
        self._of.clear()

    def look(self, control: ControlState, model: ImageModel) -> None:
        """Take the prompts of the next picture."""
        unknown: list[tuple[str, str]] = []
        left_out = 0
        for prompt in control.prompts:
            if prompt.text not in self._of:
                self._of[prompt.text] = model.reading(prompt.text)
            reading = self._of[prompt.text]
            unknown += reading.unknown_words
            left_out = reading.left_out
        self.unknown_words = tuple(dict.fromkeys(unknown))
        self.words_left_out = left_out
