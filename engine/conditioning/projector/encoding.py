"""`ProjectorEncoding`: the audio projector behind the seam between sound and prompt space."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.conditioning.adapter_file import AdapterCard
from engine.conditioning.encoder_names import VIEWED_ENCODERS
from engine.conditioning.projector.network import Hearing, Levels, Projector, SonicProjector
from engine.conditioning.projector.projector_file import load_projector
from engine.conditioning.projector.views import LONG_S
from engine.conditioning.sound_embedding import (
    VIEWS,
    LevelShares,
    SoundEmbedding,
    SoundMoment,
    TargetSpec,
)
from engine.errors import ModelLoadError
from engine.messages import Float32

STEP_S = 0.5
"""How often its listener is asked."""


class ProjectorEncoding:
    """A `SoundEncoding` by a trained projector. Diffusion thread only.

    It computes when the views or the settings have changed, which is once a second or less often;
    every other call returns the same object. Its network runs on the CPU, for ember 19 ms on one
    busy core.
    """

    def __init__(self, card: AdapterCard, network: Projector | SonicProjector) -> None:
        self.card = card
        self.levels: LevelShares | None = None
        """Of the newest sound; None before it, and of an adapter that decomposes nothing."""
        self.computed = 0
        """How often its network ran."""
        self._network = network
        self._window_s = LONG_S
        self._seer: Callable[[SoundMoment], SoundMoment] = lambda moment: moment
        self._waiting: Callable[[], str] = lambda: ""
        self._hearing = Hearing()
        self._key: tuple[tuple[int, ...], Hearing] | None = None
        self._views: tuple[Float32, ...] = ()  # held, so that their ids are nobody else's
        self._embedding: SoundEmbedding | None = None
        self._stage_rows: Float32 | None = None

    @property
    def encoder(self) -> str:
        """Whose `SoundMoment.views` it needs."""
        return self.card.encoder

    @property
    def window_s(self) -> float:
        """How much sound its listener wants."""
        return self._window_s

    def listen(
        self, seer: Callable[[SoundMoment], SoundMoment], window_s: float,
        waiting: Callable[[], str] = lambda: "",
    ) -> None:  # fmt: skip
        """Have moments that come without views be given some by `seer`.

        `waiting` says why there are none.
        """
        self._seer, self._window_s, self._waiting = seer, window_s, waiting

    @property
    def message(self) -> str:
        """Why nothing is heard, where somebody else listens."""
        return self._waiting()

    @property
    def step_s(self) -> float:
        """A network listens: twice a second is soon enough."""
        return STEP_S

    @property
    def natural_norm(self) -> float:
        """How long its rows were trained to be."""
        return self._network.plan.norm

    @property
    def unread(self) -> tuple[str, ...]:
        """Parameters that its network does not read, by their names in the table."""
        plan = self._network.plan
        soft = () if plan.decomposer == "soft" else ("sound/temperature",)
        return soft if plan.norm else ("sound/norm", *soft)

    @property
    def hearing(self) -> Hearing:
        """Temperature, norm and gates of the next call."""
        return self._hearing

    def set(self, hearing: Hearing) -> None:
        """Have the next call project so."""
        self._hearing = hearing

    def embed(self, moment: SoundMoment) -> SoundEmbedding | None:
        """Project the views; None while the encoder has not answered."""
        if not self._take(moment):
            return None
        if self._embedding is None:
            self._project()
        return self._embedding

    def stage_rows(self, moment: SoundMoment) -> Float32 | None:
        """What each stage of a U-Net hears, `(3, tokens, width)`, for gated audio attention."""
        if not self._take(moment):
            return None
        self.embed(moment)  # for the bars
        return self.newest_stage_rows()

    def newest_stage_rows(self) -> Float32:
        """The same of the newest sound. Raises `ValueError` before the first."""
        if not self._views:
            raise ValueError("no sound has been projected yet")
        if self._stage_rows is None:
            with torch.inference_mode():
                self._stage_rows = _array(
                    self._network.stage_rows(self._batch(), self._hearing)[0]
                )
        return self._stage_rows

    @torch.inference_mode()
    def silence(self) -> Float32:
        """What each stage hears of a vector of zeros: what guidance leans away from."""
        views = torch.zeros(1, len(VIEWS), self.card.input_width)
        return _array(self._network.stage_rows(views, self._hearing)[0])

    def _take(self, moment: SoundMoment) -> bool:
        """Forget what was computed where views or settings are others; False without views."""
        if not moment.views:
            moment = self._seer(moment)
        if not moment.views:
            self._key = self.levels = None
            return False
        key = (tuple(id(view) for view in moment.views), self._hearing)
        if key != self._key:
            self._check(moment)
            self._key, self._views = key, moment.views
            self._embedding = self._stage_rows = None
        return True

    def _check(self, moment: SoundMoment) -> None:
        widths = {view.shape for view in moment.views}
        wanted = {(self.card.input_width,)}
        if moment.encoder != self.encoder or widths != wanted or len(moment.views) != len(VIEWS):
            raise ModelLoadError(
                f"this projector hears {self.encoder} ({len(VIEWS)} views of "
                f"{self.card.input_width} numbers), the listener is {moment.encoder} "
                f"({len(moment.views)} of {sorted(widths)}): choose the listener {self.encoder}, "
                f"or train one with 'sonolume train projector --encoder {moment.encoder}'"
            )

    def _batch(self) -> Tensor:
        return torch.from_numpy(np.stack(self._views).astype(np.float32))[None]

    @torch.inference_mode()
    def _project(self) -> None:
        found = self._network(self._batch(), self._hearing)
        pooled = None if found.pooled is None else _array(found.pooled[0])
        self._embedding = SoundEmbedding(_array(found.tokens[0]), pooled)
        self.levels = _shares(found.levels)
        self.computed += 1


def open_projector(path: Path, target: TargetSpec, encoder: str = "") -> ProjectorEncoding:
    """Open a projector's file for a model; `encoder` is the listener that runs, empty: any.

    Raises `ModelLoadError` where the file is for another model or hears another listener, and
    where any will do and it hears one that Sonolume does not have.
    """
    card, network = load_projector(path)
    if not encoder and card.encoder not in VIEWED_ENCODERS:
        raise ModelLoadError(
            f"{path} hears {card.encoder} ({card.input_width} numbers), which Sonolume does not "
            f"have: train one for {' or '.join(VIEWED_ENCODERS)} with 'sonolume train projector'"
        )
    card.check(encoder or card.encoder, card.input_width, target, path)
    return ProjectorEncoding(card, network)


def _shares(levels: Levels | None) -> LevelShares | None:
    if levels is None:
        return None
    return LevelShares(_array(levels.assignment[0]), _array(levels.weights[0]))


def _array(tensor: Tensor) -> Float32:
    return np.asarray(tensor.float().numpy(), np.float32)
