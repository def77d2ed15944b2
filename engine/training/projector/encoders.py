"""The networks whose ears a projector learns to speak for: the shipped listener, or CLAP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from engine.conditioning.projector.views import sound_views
from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.semantic.clap_encoder import RATE_HZ, SAMPLES, ClapEncoder, exact_window
from engine.semantic.clap_folder import clap_digest, clap_folder
from engine.semantic.log_mel import WINDOW_S
from engine.semantic.network import ListenerNetwork
from engine.semantic.views import EAR, EAR_WIDTH, hear_views

CLAP = "clap"
ENCODERS = (EAR, CLAP)


@dataclass(frozen=True, slots=True)
class SoundEncoder:
    """Turns the sound before a moment into its three views."""

    name: str
    """As `AdapterCard.encoder` has it."""
    digest: str
    """Names its weights."""
    window_s: float
    views: Callable[[Float32, int], Float32]
    """Mono samples and their rate to `(3, width)`."""


def open_encoder(name: str, clap_model: str, device: str) -> SoundEncoder:
    """Open an encoder by name. Raises `ModelLoadError`, with how to get it, where it is not there.

    Never random weights: a projector that learned from those would hear nothing.
    """
    if name == EAR:
        return _ear()
    if name == CLAP:
        return _clap(clap_model, device)
    raise ModelLoadError(f"no encoder {name!r}: there are {' and '.join(ENCODERS)}")


def moments(encoder: SoundEncoder, samples: Float32, rate_hz: int) -> Float32:
    """Views at the end of every whole window of a clip, `(n, 3, width)`, n at least 1."""
    window = max(1, round(encoder.window_s * rate_hz))
    ends = range(window, len(samples) + 1, window) if len(samples) >= window else (len(samples),)
    return np.stack([encoder.views(samples[:end], rate_hz) for end in ends]).astype(np.float32)


def _ear() -> SoundEncoder:
    path = files("resources") / "listener" / "model.safetensors"
    try:
        network = ListenerNetwork(load(path.read_bytes()))
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise ModelLoadError(
            f"the embedded listener in {path} cannot be read ({error}): install Sonolume again"
        ) from error

    def views(samples: Float32, rate_hz: int) -> Float32:
        return np.stack(hear_views(network, samples, rate_hz))

    return SoundEncoder(EAR, f"{EAR}-{EAR_WIDTH}", WINDOW_S, views)


def _clap(model: str, device: str) -> SoundEncoder:
    folder = clap_folder(model)
    clap = ClapEncoder(folder, device)

    def encode(samples: Float32, rate_hz: int) -> Float32:
        vector: Float32 = clap.embed_sounds(exact_window(samples, rate_hz)[None])[0]
        return vector

    window_s = SAMPLES / RATE_HZ

    def views(samples: Float32, rate_hz: int) -> Float32:
        return sound_views(samples, rate_hz, window_s, encode)

    return SoundEncoder(CLAP, clap_digest(folder), window_s, views)
