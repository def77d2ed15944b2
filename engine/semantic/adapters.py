"""Adapters that hear by themselves: a projector or a mapper with the encoder its file names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.conditioning.adapter_file import card_of
from engine.conditioning.encoder_names import CLAP, EAR
from engine.conditioning.raw_encoding import SILENCE_RMS, loudness_rms
from engine.conditioning.sound_embedding import SoundEncoding, SoundMoment, TargetSpec
from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.semantic.mapper_hearing import hearing_mapper
from engine.semantic.sound_vectors import SoundViews, open_sound_views


def open_adapter(name: str, path: Path, target: TargetSpec) -> SoundEncoding:
    """Open an adapter with what hears for it. Raises `ModelLoadError`."""
    if name == "mapper":
        return hearing_mapper(path, target)
    return hearing_projector(path, target)


def open_live_adapter(name: str, path: Path, target: TargetSpec) -> SoundEncoding:
    """Open an adapter for a show. Raises `ModelLoadError`, for one that hears CLAP too.

    Whatever listens for an adapter listens on the thread that paints, and CLAP takes seconds.
    """
    if card_of(path).encoder == CLAP:
        raise ModelLoadError(
            f"{path.name} hears CLAP, which takes seconds a time and would stop the painting: use "
            f"it with 'sonolume render' or 'image', or train one that hears {EAR}"
        )
    return open_adapter(name, path, target)


def hearing_projector(path: Path, target: TargetSpec) -> SoundEncoding:
    """Open a projector whose moments are given views. Raises `ModelLoadError`."""
    from engine.conditioning.projector.encoding import open_projector

    encoding = open_projector(path, target)
    ear = open_sound_views(encoding.encoder)
    encoding.card.check(ear.name, ear.width, target, path)
    encoding.listen(_Seer(ear), ear.window_s)
    return encoding


class _Seer:
    """Gives a moment its views, once."""

    def __init__(self, ear: SoundViews) -> None:
        self._ear = ear
        self._moment: SoundMoment | None = None
        self._seen: SoundMoment | None = None

    def __call__(self, moment: SoundMoment) -> SoundMoment:
        """The moment with views; without any in silence."""
        if self._seen is not None and moment is self._moment:
            return self._seen
        views: tuple[Float32, ...] = ()
        samples = np.nan_to_num(moment.samples)
        if loudness_rms(samples) >= SILENCE_RMS:
            views = self._ear.views(samples, moment.sample_rate)
        self._moment, self._seen = moment, replace(moment, encoder=self._ear.name, views=views)
        return self._seen
