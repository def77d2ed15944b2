"""`MapperEncoding`: a trained mapper as one of the ways from sound into a prompt space."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.conditioning.encoder_names import VGGISH, VGGISH_QUANTISED
from engine.conditioning.mapper_file import load_mapper
from engine.conditioning.raw_encoding import SILENCE_RMS, loudness_rms
from engine.conditioning.sound_embedding import SoundEmbedding, SoundMoment, TargetSpec
from engine.conditioning.vggish import VggishEncoder
from engine.errors import ModelLoadError
from engine.messages import Float32

Hear = Callable[[Float32, int], "Float32 | None"]
"""Mono samples and their rate to `(width,)`, or for a sequence to `(n, width)`; None: not yet."""
SEQUENCE_S = 10.0
"""How much sound a sequence is made of: ten patches of VGGish, as V2D's AudioCaps clips."""
STEP_S = 0.5


class MapperEncoding:
    """A `SoundEncoding`. Diffusion thread only.

    Hears by itself, through `hear` or with VGGish, or through `SoundMoment.views`: their mean,
    for it learned from whole sounds and a view is a part of one. By itself it hears better.
    """

    def __init__(
        self, path: Path, target: TargetSpec, *, hear: Hear | None = None, window_s: float = 0.0,
        waiting: Callable[[], str] = lambda: "",
    ) -> None:  # fmt: skip
        """Raises `ModelLoadError` for a mapper that speaks to another model than `target`.

        `hear` is the encoder that the file names and `window_s` how much sound it wants; without
        it the encoder's views have to come with the sound, but VGGish, which makes none, is
        opened from where it was converted to. `waiting` says why nothing is heard.
        """
        self._mapper, self.card = load_mapper(path)
        self.card.check(self.card.encoder, self.card.input_width, target, path)
        if hear is None and self.card.encoder in (VGGISH, VGGISH_QUANTISED):
            vggish = VggishEncoder(quantised=self.card.encoder == VGGISH_QUANTISED)
            patches = self._mapper.shape.patches
            hear = vggish.sequence if patches else vggish.encode
            window_s = SEQUENCE_S if patches else vggish.window_s
        self._path, self._target, self._hear = path, target, hear
        if self._mapper.shape.patches and hear is None:
            raise ModelLoadError(
                f"{path} follows a sound over {self._mapper.shape.patches} vectors of "
                f"{self.card.encoder}, and a listener's views are single ones: paint with "
                "'sonolume image', or train another --network"
            )
        self._window_s = window_s
        self._waiting = waiting
        self._heard: Float32 | None = None  # what was mapped last, and to what
        self._embedding: SoundEmbedding | None = None

    @property
    def encoder(self) -> str:
        """Whose views it needs; empty where it hears by itself."""
        return "" if self._hear else self.card.encoder

    @property
    def window_s(self) -> float:
        """How much sound it looks at, seconds; 0 where views are enough."""
        return self._window_s

    @property
    def step_s(self) -> float:
        """A network listens: twice a second is soon enough."""
        return STEP_S

    @property
    def message(self) -> str:
        """Why nothing is heard, where somebody else listens."""
        return self._waiting()

    def embed(self, moment: SoundMoment) -> SoundEmbedding | None:
        """Encode; None in silence, and until a listener has answered."""
        heard = self._vector(moment)
        if heard is None:
            return None
        if heard is not self._heard:  # else nothing new has come from afar
            self._heard, self._embedding = heard, self._mapped(heard)
        return self._embedding

    def _vector(self, moment: SoundMoment) -> Float32 | None:
        if self._hear is not None:
            if not loudness_rms(moment.samples) >= SILENCE_RMS:  # NaN is none
                return None
            return self._hear(moment.samples, moment.sample_rate)
        if not moment.views:
            return None
        self.card.check(moment.encoder, moment.views[-1].shape[-1], self._target, self._path)
        heard = np.mean(moment.views, axis=0)
        if self._mapper.shape.unit:
            heard = heard / (np.linalg.norm(heard) + 1e-9)
        return np.asarray(heard, np.float32)

    def _mapped(self, heard: Float32) -> SoundEmbedding | None:
        import torch

        heard = np.ascontiguousarray(heard, np.float32)
        if heard.shape[-1] != self.card.input_width:
            raise ModelLoadError(
                f"{self._path} hears {self.card.encoder} ({self.card.input_width} numbers), not "
                f"{heard.shape[-1]}: choose the encoder it was trained with"
            )
        if not np.isfinite(heard).all():
            return None
        patches = self._mapper.shape.patches
        with torch.inference_mode():
            sound = torch.from_numpy(picked(heard, patches) if patches else heard)
            vector = self._mapper.bridged(sound[None])
            tokens, pooled = self._mapper.prompts(self._mapper(vector))
        return SoundEmbedding(tokens[0].numpy(), None if pooled is None else pooled[0].numpy())


def picked(rows: Float32, count: int) -> Float32:
    """Exactly `count` rows `(count, width)`, evenly over a sound; few are repeated in their order.

    How V2D cuts ESC-50's five seconds to five patches (a linspace of indices).
    """
    return rows[np.round(np.linspace(0, len(rows) - 1, count)).astype(np.int64)]
