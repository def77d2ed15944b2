"""Stand-ins for CLAP's encoder, opened in its process by tests; nothing heavy is imported."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from multiprocessing.synchronize import Event

import numpy as np

from engine.errors import ModelLoadError
from engine.messages import Float32

WIDTH = 4


class BandEncoder:
    """Hears which of four bands of 1 kHz is strong; a text is the band it names."""

    temperature = 0.05
    digest = "bands"
    on_gpu = False

    def embed_sounds(self, sounds: Float32) -> Float32:
        spectra = np.abs(np.fft.rfft(sounds, axis=1)[:, :40_000])  # 0.1 Hz a bin
        bands = spectra.reshape(len(sounds), WIDTH, -1).max(axis=2).astype(np.float32) + 1e-6
        return np.asarray(bands / np.linalg.norm(bands, axis=1, keepdims=True), np.float32)

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        axes = [next((int(c) for c in text if c.isdigit()), 0) for text in texts]
        return np.eye(WIDTH, dtype=np.float32)[axes]


class HeldEncoder(BandEncoder):
    """Says when a window has come and works on it until it is let go."""

    def __init__(self, begun: Event, let_go: Event) -> None:
        self._begun, self._let_go = begun, let_go

    def embed_sounds(self, sounds: Float32) -> Float32:
        if len(sounds) == 1:  # not the self-test
            self._begun.set()
            self._let_go.wait()
            self._let_go.clear()
        return super().embed_sounds(sounds)


class ConstantEncoder(BandEncoder):
    """Hears the same in every sound."""

    def embed_sounds(self, sounds: Float32) -> Float32:
        return np.eye(WIDTH, dtype=np.float32)[[0] * len(sounds)]


class MuteEncoder(BandEncoder):
    """Cannot read texts: whoever has their vectors need not ask."""

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        raise ModelLoadError("no text tower here")


class ShyEncoder(BandEncoder):
    """Reports its priority and its parent as a direction."""

    def embed_sounds(self, sounds: Float32) -> Float32:
        if len(sounds) > 1:
            return super().embed_sounds(sounds)
        facts = [os.nice(0), os.getpid(), os.getppid(), len(sounds[0])]
        return np.array([facts], np.float32)


class DyingEncoder(BandEncoder):
    """Is killed by the first window, as by a system short of memory."""

    def embed_sounds(self, sounds: Float32) -> Float32:
        if len(sounds) == 1:
            os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        return super().embed_sounds(sounds)


def missing_encoder() -> BandEncoder:
    """Fail to open."""
    raise ModelLoadError("the weights are gone: fetch them again")
