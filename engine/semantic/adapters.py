"""Adapters that hear by themselves: a projector or a mapper with the encoder its file names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.conditioning.adapter_file import card_of
from engine.conditioning.projector.views import sound_views
from engine.conditioning.raw_encoding import SILENCE_RMS, loudness_rms
from engine.conditioning.sound_embedding import SoundEncoding, SoundMoment, TargetSpec
from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.semantic.log_mel import WINDOW_S
from engine.semantic.mapper_hearing import hearing_mapper
from engine.semantic.sound_vector_names import CLAP, EAR
from engine.semantic.sound_vectors import open_sound_vectors
from engine.semantic.views import EAR_WIDTH, hear_views

Viewer = Callable[[Float32, int], tuple[Float32, ...]]
"""Mono samples and their rate to one vector per view."""


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
    viewer, window_s, width = open_viewer(encoding.encoder)
    encoding.card.check(encoding.encoder, width, target, path)
    encoding.listen(_Seer(encoding.encoder, viewer), window_s)
    return encoding


def open_viewer(encoder: str) -> tuple[Viewer, float, int]:
    """Return what makes three views for an encoder, and its window and width.

    The window is in seconds, the width in numbers per view. Raises `ModelLoadError` for an
    encoder that there is not, or whose weights are not here.
    """
    if encoder == EAR:
        from engine.semantic.embedded import EmbeddedListener

        ear = EmbeddedListener()
        ear.load()
        return lambda samples, rate: hear_views(ear.network, samples, rate), WINDOW_S, EAR_WIDTH
    if encoder == CLAP:
        clap = open_sound_vectors(CLAP)

        def views(samples: Float32, rate: int) -> tuple[Float32, ...]:
            return tuple(sound_views(samples, rate, clap.window_s, clap.encode))

        return views, clap.window_s, clap.width
    raise ModelLoadError(
        f"Sonolume does not have {encoder}, which this projector hears: train one for {EAR} or "
        f"{CLAP} with 'sonolume train projector'"
    )


class _Seer:
    """Gives a moment its views, once."""

    def __init__(self, encoder: str, viewer: Viewer) -> None:
        self._encoder = encoder
        self._viewer = viewer
        self._moment: SoundMoment | None = None
        self._seen: SoundMoment | None = None

    def __call__(self, moment: SoundMoment) -> SoundMoment:
        """The moment with views; without any in silence."""
        if self._seen is not None and moment is self._moment:
            return self._seen
        views: tuple[Float32, ...] = ()
        samples = np.nan_to_num(moment.samples)
        if loudness_rms(samples) >= SILENCE_RMS:
            views = self._viewer(samples, moment.sample_rate)
        self._moment, self._seen = moment, replace(moment, encoder=self._encoder, views=views)
        return self._seen
