"""Adapters that hear by themselves: a projector or a mapper with the encoder its file names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.conditioning.adapter_file import card_of
from engine.conditioning.encoder_names import CLAP, EAR, ENCODER_NAMES, VIEWED_ENCODERS
from engine.conditioning.mapper import MapperEncoding
from engine.conditioning.raw_encoding import SILENCE_RMS, loudness_rms
from engine.conditioning.sound_embedding import SoundEncoding, SoundMoment, TargetSpec
from engine.conditioning.vggish import VggishEncoder
from engine.conditioning.vggish_file import vggish_file
from engine.messages import Float32
from engine.semantic.clap_folder import DEFAULT_CLAP, clap_folder, clap_width
from engine.semantic.far_ears import FarEars, FarSeer, FarVector
from engine.semantic.mapper_hearing import hearing_mapper
from engine.semantic.process_messages import Kind
from engine.semantic.sound_vectors import SoundViews, open_sound_views

MOMENT_S = 2.0
"""Of a moment whose vectors come from afar: only how loud it is is looked at."""


def open_adapter(name: str, path: Path, target: TargetSpec) -> SoundEncoding:
    """Open an adapter with what hears for it. Raises `ModelLoadError`."""
    if name == "mapper":
        return hearing_mapper(path, target)
    return hearing_projector(path, target)


def open_live_adapter(
    ears: FarEars, name: str, path: Path, target: TargetSpec
) -> SoundEncoding:  # fmt: skip
    """Open an adapter for a show. Raises `ModelLoadError`.

    The shipped ear listens on the thread that paints (some 10 ms twice a second); what takes
    longer is heard by `ears`.
    """
    heard = VIEWED_ENCODERS if name == "projector" else ENCODER_NAMES
    encoder = card_of(path).encoder
    if encoder == EAR or encoder not in heard:
        return open_adapter(name, path, target)
    if name == "mapper":
        return _far_mapper(ears, path, target)
    return _far_projector(ears, path, target)


def far_width(encoder: str) -> int:
    """How many numbers a vector of CLAP or VGGish has, by what lies on this machine.

    Loads no weights. Raises `ModelLoadError` with the remedy where there are none.
    """
    if encoder == CLAP:
        return clap_width(clap_folder(DEFAULT_CLAP))
    vggish_file(None)
    return VggishEncoder.width


def _far_projector(ears: FarEars, path: Path, target: TargetSpec) -> SoundEncoding:
    from engine.conditioning.projector.encoding import open_projector

    encoding = open_projector(path, target)
    card = encoding.card
    card.check(card.encoder, far_width(card.encoder), target, path)
    ear = ears.ear(card.encoder, "views", card.input_width)
    encoding.listen(FarSeer(ear, card.encoder), MOMENT_S, ear.message)
    return encoding


def _far_mapper(ears: FarEars, path: Path, target: TargetSpec) -> SoundEncoding:
    card = card_of(path)
    kind: Kind = "sequence" if card.settings.get("patches") else "vector"
    ear = ears.ear(card.encoder, kind, card.input_width)
    encoding = MapperEncoding(
        path, target, hear=FarVector(ear), window_s=MOMENT_S, waiting=ear.message
    )
    card.check(card.encoder, far_width(card.encoder), target, path)
    return encoding


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
