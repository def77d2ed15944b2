"""`Framer`: blocks of any length in, hops of one length out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.messages import Float32

HOP_MS = 10.667
"""The analysis hop: 512 samples at 48 kHz, about 94 Hz at any rate."""
_OFFSET_HOPS = 47.0
"""Half a second."""
_CERTAIN = 0.02
"""A sound may begin in the middle of a wave; a mean that large is an offset from the start."""
_NOTHING = 1e-9
_MAX_ABS = 16.0  # +24 dBFS; more is damage, and its square must stay finite


def hop_length(sample_rate: int) -> int:
    """Samples per analysis hop at `sample_rate`."""
    return max(1, round(sample_rate * HOP_MS / 1000.0))


class Framer:
    """Keeps the newest samples and says when a hop is full. Analysis thread only.

    What comes out depends on the samples alone, never on how they were cut into blocks. Samples
    that are not numbers become 0.
    """

    def __init__(self, hop: int, history: int, *, levelled: bool = False) -> None:
        """`levelled`: a constant voltage (DC) is taken out of every hop."""
        self.hop = hop
        self.sample_index = 0
        """One past the newest sample of the last full hop, counting those that were skipped."""
        self.unbroken = history
        """So many of the newest samples follow each other; before the first there was silence."""
        self._mono = np.zeros(max(hop, history), np.float32)
        self._pending = np.zeros((hop, 2), np.float32)
        self._filled = 0
        self._levelled = levelled
        self._peak = 0.0
        self._offset: Float32 | None = None  # per channel; None before the first hop
        self._ramp = (np.arange(1, hop + 1, dtype=np.float32) / hop)[:, None]

    def push(self, block: Float32) -> Iterator[int]:
        """Take `block`, shape `(n,)`, `(n, 1)` or `(n, 2)`, and yield once per full hop.

        Yields the new `sample_index`; look at `newest` and `peak` before asking for the next.
        """
        samples = np.asarray(block, np.float32)
        if samples.ndim == 1:
            samples = samples[:, None]
        if samples.ndim != 2 or not 1 <= samples.shape[1] <= 2:
            raise ValueError(f"a block of shape {samples.shape} is not (n, 1) or (n, 2)")
        if not np.isfinite(samples).all():
            samples = np.where(np.isfinite(samples), samples, np.float32(0.0))
        start = 0
        while start < samples.shape[0]:
            take = min(self.hop - self._filled, samples.shape[0] - start)
            pending = self._pending[self._filled : self._filled + take]
            np.clip(samples[start : start + take], -_MAX_ABS, _MAX_ABS, out=pending)
            start += take
            self._filled += take
            if self._filled == self.hop:
                self._complete()
                yield self.sample_index

    def skip(self, count: int) -> int:
        """Go on by `count` samples that nobody has; return how many hops end in them.

        The hop that holds the last of them is completed by `push`, with zeros in their place.
        """
        before = self._filled
        hops, self._filled = divmod(before + count, self.hop)
        self._pending[0 if hops else before : self._filled] = 0.0
        self.sample_index += hops * self.hop
        self.unbroken = -self._filled
        return hops

    def newest(self, n: int) -> Float32:
        """The newest `n` samples of full hops, both channels averaged; a view, shape `(n,)`."""
        return self._mono[self._mono.shape[0] - n :]

    @property
    def stereo(self) -> Float32:
        """Both channels of the newest full hop; a view, shape `(hop, 2)`."""
        return self._pending

    @property
    def peak(self) -> float:
        """Largest absolute sample of the newest hop as it came, over both channels."""
        return self._peak

    def _complete(self) -> None:
        hop = self.hop
        self._mono[:-hop] = self._mono[hop:]
        self._peak = float(np.abs(self._pending).max())
        if self._levelled:
            self._level_out()
        np.add(self._pending[:, 0], self._pending[:, 1], out=self._mono[-hop:])
        self._mono[-hop:] *= 0.5
        self.sample_index += hop
        self.unbroken += hop
        self._filled = 0

    def _level_out(self) -> None:
        """Take a constant voltage (DC) out of the newest hop: it is no sound.

        The mean of the last `_OFFSET_HOPS` hops or so, as a ramp, so that no step is made. A first
        order high-pass at 0.3 Hz: 20 Hz loses nothing.
        """
        if self._peak == 0.0:  # digital silence stays what it is
            self._offset = None if self._offset is None else np.zeros_like(self._offset)
            return
        mean = self._pending.mean(axis=0)
        if self._offset is None:
            self._offset = mean if float(np.abs(mean).max()) > _CERTAIN else np.zeros_like(mean)
        before = self._offset
        self._offset = before + np.float32(1.0 / _OFFSET_HOPS) * (mean - before)
        self._offset[np.abs(self._offset) < _NOTHING] = 0.0
        if self._offset.any() or before.any():
            self._pending -= before + self._ramp * (self._offset - before)
