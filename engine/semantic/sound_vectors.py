"""What adapters hear, by name: the ear that ships, CLAP, or VGGish. Any sound to vectors.

Unlike a listener, which answers in words and in time with the music, these are asked: for training
and for pictures of whole files.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from engine.conditioning.encoder_names import (
    CLAP,
    EAR,
    ENCODER_NAMES,
    VGGISH,
    VGGISH_QUANTISED,
    VIEWED_ENCODERS,
)
from engine.conditioning.projector.views import sound_views
from engine.conditioning.vggish import VggishEncoder
from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.semantic.log_mel import FRAMES, HOP_S, WINDOW_S, as_levels, mel_power
from engine.semantic.network import HEAD, ListenerNetwork
from engine.semantic.views import hear_views

if TYPE_CHECKING:
    from engine.semantic.clap_encoder import Encoder

EAR_HOP_S = 0.5
EAR_QUIET_DB = -45.0
"""A window whose loudest frame is this far below the sound's is left out: pauses teach nothing."""


class SoundEncoder(Protocol):
    """What hears for adapters, whatever it makes of it."""

    @property
    def name(self) -> str:
        """One of `ENCODER_NAMES`."""
        ...

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        ...

    @property
    def digest(self) -> str:
        """Names the weights; equal ones give equal vectors."""
        ...

    @property
    def window_s(self) -> float:
        """How much sound one vector is made of, seconds."""
        ...


class SoundVectors(SoundEncoder, Protocol):
    """An encoder by the name that `AdapterCard.encoder` keeps. One thread."""

    def encode(self, samples: Float32, sample_rate: int) -> Float32:
        """`(width,)` of mono `samples`, the whole of them."""
        ...

    def sequence(self, samples: Float32, sample_rate: int) -> Float32:
        """`(n, width)`, n >= 1, in the order of time."""
        ...


def open_sound_vectors(
    name: str, weights: Path | None = None, device: str = "cpu"
) -> SoundVectors:
    """Return an encoder of `ENCODER_NAMES`.

    `weights` is CLAP's folder, or VGGish's file or folder; without it, where they are fetched or
    converted to. Raises `ModelLoadError` with the remedy where the weights are not there.
    """
    if name == EAR:
        return EarVectors()
    if name == CLAP:
        return ClapVectors.opened(weights, device)
    if name in (VGGISH, VGGISH_QUANTISED):
        return VggishEncoder(weights, quantised=name == VGGISH_QUANTISED)
    raise ModelLoadError(f"no encoder {name!r}: choose one of {', '.join(ENCODER_NAMES)}")


@runtime_checkable
class SoundViews(SoundEncoder, Protocol):
    """An encoder of `VIEWED_ENCODERS`: three views of a sound, for projectors. One thread."""

    def views(self, samples: Float32, sample_rate: int) -> tuple[Float32, ...]:
        """One vector `(width,)` per view of the sound that ends with mono `samples`."""
        ...


def open_sound_views(name: str, weights: Path | None = None, device: str = "cpu") -> SoundViews:
    """Return an encoder of `VIEWED_ENCODERS`; `weights` as for `open_sound_vectors`.

    Raises `ModelLoadError` with the remedy where there are no weights: never random ones, for
    whoever learned from those would hear nothing.
    """
    if name == EAR:
        return EarVectors()
    if name == CLAP:
        return ClapVectors.opened(weights, device)
    raise ModelLoadError(
        f"Sonolume sees no views of a sound by {name!r}: choose {' or '.join(VIEWED_ENCODERS)}, "
        "for which 'sonolume train projector' trains too"
    )


class EarVectors:
    """The network of the listener that ships, before its last layer: 384 numbers of 2 s."""

    name = EAR
    width = 2 * HEAD
    window_s = WINDOW_S

    def __init__(self) -> None:
        """Raises `ModelLoadError`."""
        path = files("resources") / "listener" / "model.safetensors"
        try:
            weights = path.read_bytes()
            self.network = ListenerNetwork(load(weights))
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise ModelLoadError(
                f"the embedded listener in {path} cannot be read ({error}): install Sonolume again"
            ) from error
        self.digest = hashlib.sha256(weights).hexdigest()

    def encode(self, samples: Float32, sample_rate: int) -> Float32:
        """The mean over the windows of a sound."""
        return np.asarray(self.sequence(samples, sample_rate).mean(axis=0), np.float32)

    def sequence(self, samples: Float32, sample_rate: int) -> Float32:
        """One row per window of two seconds, two windows a second, without the pauses."""
        power = mel_power(np.nan_to_num(samples.astype(np.float32)), sample_rate)
        if len(power) < FRAMES:
            power = np.concatenate([np.zeros((FRAMES - len(power), power.shape[1])), power])
        step = round(EAR_HOP_S / HOP_S)
        last = len(power) - FRAMES
        starts = sorted({0, *range(last % step, last + 1, step)})  # so that no frame is unheard
        loudest = power.sum(axis=1).max()
        least = loudest * 10.0 ** (EAR_QUIET_DB / 10.0)
        windows = (power[start : start + FRAMES].astype(np.float32) for start in starts)
        rows = [self._features(w) for w in windows if w.sum(axis=1).max() >= least]
        return np.stack(rows)

    def views(self, samples: Float32, sample_rate: int) -> tuple[Float32, ...]:
        """See `SoundViews`: of the newest two seconds, some 10 ms."""
        return hear_views(self.network, samples, sample_rate)

    def _features(self, power: Float32) -> Float32:
        return self.network.features(as_levels(power))


class ClapVectors:
    """CLAP's audio tower: directions of ten seconds, and of texts."""

    name = CLAP
    window_s = 10.0

    def __init__(self, encoder: Encoder, width: int) -> None:
        """`width`: how many numbers its directions have."""
        self._encoder = encoder
        self.width = width
        self.digest = encoder.digest

    @classmethod
    def opened(cls, folder: Path | None, device: str) -> ClapVectors:
        """Open a checkpoint in this process. Raises `ModelLoadError`."""
        from engine.semantic.clap_encoder import SAMPLES, ClapEncoder
        from engine.semantic.clap_folder import DEFAULT_CLAP, clap_folder

        encoder = ClapEncoder(clap_folder(DEFAULT_CLAP if folder is None else str(folder)), device)
        return cls(encoder, encoder.embed_sounds(np.zeros((1, SAMPLES), np.float32)).shape[1])

    def encode(self, samples: Float32, sample_rate: int) -> Float32:
        """The direction of the mean over windows."""
        mean = self.sequence(samples, sample_rate).mean(axis=0)
        return np.asarray(mean / (np.linalg.norm(mean) + 1e-9), np.float32)

    def sequence(self, samples: Float32, sample_rate: int) -> Float32:
        """One row per ten seconds, the last ends with the sound; a short one is repeated."""
        from engine.semantic.clap_encoder import exact_window

        length = round(self.window_s * sample_rate)
        starts = range(len(samples) % length, len(samples), length)
        parts = [samples[start : start + length] for start in starts]
        if len(samples) < length:
            parts = [samples]
        rows = [self._encoder.embed_sounds(exact_window(p, sample_rate)[None])[0] for p in parts]
        return np.stack(rows)

    def views(self, samples: Float32, sample_rate: int) -> tuple[Float32, ...]:
        """See `SoundViews`; seconds."""
        return tuple(sound_views(samples, sample_rate, self.window_s, self.encode))

    def texts(self, texts: list[str]) -> Float32:
        """Directions `(n, width)` of texts in the same space."""
        return self._encoder.embed_texts(texts)
