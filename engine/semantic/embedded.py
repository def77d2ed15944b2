"""The embedded listener: ships with Sonolume, needs no torch and one thread.

Log-mel picture of the newest two seconds -> small convolutional network -> how alike it is to
each of the labels that were taught -> the mean of those labels' word vectors, so weighted
(Norouzi et al. 2014, "Zero-shot learning by convex combination of semantic embeddings"): a sound
between thunder and waves lies near "a storm at sea", which nobody taught.
`resources/listener/README.md` says what it learned from and how well.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from engine.conditioning.word_table_file import shipped_word_table
from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.semantic.lines import line_share
from engine.semantic.listener_names import EMBEDDED
from engine.semantic.log_mel import FRAMES, WINDOW_S, as_levels, mel_power
from engine.semantic.network import ListenerNetwork
from engine.semantic.text_space import TextSpace

TAUGHT_TEMPERATURE = 0.07
"""Of the labels that were taught: the one of training."""
LEAST_TAUGHT = 0.15
"""Cosine to the nearest of them below which a sound is none; 5 % of the windows of recordings that
were left out of training stay below it, 94 % of those without a label."""
ROTOR = "a helicopter"
MOST_LINES_OF_A_ROTOR = 0.72
"""`line_share` from which on nothing is a rotor, whatever the network says: low chords that beat
look like one to it. 127 windows of recorded helicopters have 0.65 at most, chords of saws in low
registers 0.67 and more, 95 % of them 0.78."""
_SAME = 0.8
"""Cosine from which on a taught label means the same as a phrase."""


class EmbeddedListener:
    """A `protocols.Listener` that answers at once, within some 10 ms, the same every time."""

    name = EMBEDDED
    warning = ""
    window_s = WINDOW_S
    step_s = 0.5
    temperature = 0.15
    least_cosine = 0.33

    def __init__(self, folder: Traversable | None = None) -> None:
        """`folder` holds `model.safetensors`; without it, the one that ships."""
        self._folder = folder or files("resources") / "listener"
        self._network: ListenerNetwork | None = None
        self._taught: Float32 = np.zeros((0, 0), np.float32)
        self._space: TextSpace | None = None
        self._rotors = np.zeros(0, np.bool_)  # which of the taught

    def load(self) -> None:
        """Read weights and word table. Raises `ModelLoadError`; some 100 ms."""
        path = self._folder / "model.safetensors"
        try:
            tensors = load(path.read_bytes())
            self._network = ListenerNetwork(tensors)
            self._taught = tensors["taught.directions"].astype(np.float32)
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise ModelLoadError(
                f"the embedded listener in {path} cannot be read ({error}): install Sonolume again"
            ) from error
        self._space = TextSpace(shipped_word_table())
        self._rotors = self._taught @ self._space.directions([ROTOR])[0] >= _SAME

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        """Unit directions `(n, width)`; zeros for a text without a single known letter."""
        if self._space is None:
            raise ModelLoadError("the embedded listener is not loaded yet")
        return self._space.directions(texts)

    def hear(self, samples: Float32, sample_rate: int) -> Float32 | None:
        """Listen to the newest window; what is missing at its beginning was silence."""
        if self._network is None:
            raise ModelLoadError("the embedded listener is not loaded yet")
        levels = as_levels(mel_power(samples, sample_rate, FRAMES))
        direction = self._network.embed(levels)
        cosines = self._taught @ direction
        if self._rotors[cosines.argmax()] and self._is_of_lines(samples, sample_rate):
            cosines[self._rotors] = -1.0
            if float(cosines.max()) < LEAST_TAUGHT:
                return np.zeros_like(direction)  # its own points to the rotor
        if float(cosines.max()) < LEAST_TAUGHT:
            return direction  # unlike anything that was taught, so unlike anything
        shares = np.exp((cosines - cosines.max()) / TAUGHT_TEMPERATURE)
        mean = (shares / shares.sum()) @ self._taught
        return np.asarray(mean / (np.linalg.norm(mean) + 1e-9), np.float32)

    @staticmethod
    def _is_of_lines(samples: Float32, sample_rate: int) -> bool:
        return line_share(samples, sample_rate) >= MOST_LINES_OF_A_ROTOR

    def close(self) -> None:
        """Free the weights; idempotent."""
        self._network = self._space = None
