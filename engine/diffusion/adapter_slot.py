"""`AdapterSlot`: which adapters stand between sound and prompt, and how one is exchanged live."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from engine.conditioning.encodings import AdapterShelf
from engine.diffusion.sound_led import SoundLed
from engine.errors import EngineError
from engine.mailbox import Fifo
from engine.messages import SoundStatus

logger = logging.getLogger(__name__)


class AdapterSlot:
    """Hands adapters to whatever model paints, and tells how the sound does in it."""

    def __init__(self, shelf: AdapterShelf) -> None:
        self._shelf = shelf  # diffusion thread only
        self._requests: Fifo[tuple[str, Path | None]] = Fifo(8)
        self._refused = ""  # diffusion thread only: why the newest file was not taken
        self.unheard = ""  # written by diffusion only: why the sound is not in the picture
        self.status = self._nothing()  # written by diffusion only

    def request(self, name: str, path: Path | None) -> None:
        """Load an adapter of encoding `name` at the next picture boundary; None: the shipped one.

        Any thread, never blocks.
        """
        self._requests.put((name, path))

    def give_to(self, model: object) -> None:
        """Equip a model that has been opened. Diffusion thread only, as all below."""
        self._refused = self.unheard = ""
        if isinstance(model, SoundLed):
            model.use_adapters(self._shelf)
        self.status = self._nothing()

    def serve(self, model: object) -> None:
        """Exchange what was asked for; a file that does not fit changes nothing but the status."""
        for name, path in self._requests.drain():
            shelf = self._shelf.exchanged(name, path)
            try:
                if isinstance(model, SoundLed):
                    model.exchange_adapter(name, shelf)
            except EngineError as error:
                self._refused = str(error)
                logger.info("adapter not loaded: %s", error)
            else:
                self._shelf, self._refused = shelf, ""
            self.status = replace(
                self.status, message=self._refused or self.unheard, files=self._files()
            )

    def look(self, model: SoundLed, window_s: float) -> None:
        """Note how the sound of the next picture does, of which so much is wanted."""
        self.unheard = model.sound_message
        (encoding, file), levels = model.sound_adapter or ("", ""), model.sound_levels
        shares = () if levels is None or window_s == 0.0 else levels.weights.tolist()
        self.status = SoundStatus(
            self._refused or self.unheard,
            str(file),
            encoding,
            tuple(round(share, 3) for share in shares),
            model.sound_unread,
            self.status.files,
        )

    def _nothing(self) -> SoundStatus:
        return SoundStatus(files=self._files())

    def _files(self) -> dict[str, str]:
        return {name: str(path) for name, path in self._shelf.files.items()}
