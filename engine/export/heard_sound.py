"""The sound that an export's pictures answer: what was heard so far, or slices of the file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.audio.decode import SoundReader
from engine.conditioning.sound_embedding import SoundMoment, stepped
from engine.conditioning.sound_slices import SlicePlan
from engine.export.settings import SliceChoice
from engine.messages import ControlState, Float32

MEMORY_S = 12.0
"""More than any encoding looks at."""
_BLOCK = 65_536

HeardParts = Sequence[tuple[SoundMoment, float]]


class HeardSound:
    """The newest sound of a stream, by the sample index of the analysis. Export thread only."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._blocks: deque[Float32] = deque()
        self._kept = 0
        self._end = 0  # one past the newest sample
        self._newest: tuple[float, SoundMoment] | None = None

    def add(self, block: Float32) -> None:
        """Take what is analysed next, `(n, channels)`."""
        self._blocks.append(np.asarray(block.mean(axis=1), np.float32))
        self._kept += len(block)
        self._end += len(block)
        while self._kept - len(self._blocks[0]) > MEMORY_S * self._rate:
            self._kept -= len(self._blocks.popleft())

    def sound_at(self, control: ControlState, window_s: float, step_s: float) -> HeardParts:
        """The window that ends where the picture's state was made; nothing in silence.

        With a step it ends at a whole number of steps, and is the same object until the next.
        """
        if control.silent or not self._blocks:
            return ()
        index = stepped(control.sample_index, step_s, self._rate)
        if self._newest is not None:
            known_s, moment = self._newest
            if (known_s, moment.sample_index) == (window_s, index):
                return ((moment, 1.0),)
        newest = np.concatenate(self._blocks)
        end = max(0, len(newest) - (self._end - index))
        begin = max(0, end - round(window_s * self._rate))
        moment = SoundMoment(newest[begin:end], self._rate, sample_index=index)
        self._newest = (window_s, moment)
        return ((moment, 1.0),)


class SlicedSound:
    """Slices of a file, one for every picture, or what lies between two. Export thread only.

    Reads ahead by one slice and its margin, and keeps no more than that.
    """

    def __init__(
        self, path: Path, choice: SliceChoice, start_s: float, now: Callable[[], float]
    ) -> None:
        """`now` is the time of the video, seconds."""
        self._reader = SoundReader(path)
        rate = self._reader.sample_rate
        self._plan = SlicePlan(
            round(self._reader.duration_s * rate), rate, choice.per_second, choice.overlap
        )
        self._new_seeds = choice.new_seeds
        self._start_s = start_s
        self._now = now
        self._first = 0  # sample of the file that `_samples` begins with
        self._samples: Float32 = np.zeros(0, np.float32)
        self._moments: dict[int, SoundMoment] = {}

    def sound_at(self, control: ControlState, window_s: float, step_s: float) -> HeardParts:
        """The slices of this moment of the video, with their shares."""
        shares = self._plan.shares(self._start_s + self._now())
        self._moments = {index: self._moment(index) for index, _ in shares}
        return tuple((self._moments[index], share) for index, share in shares)

    def seeded(self, control: ControlState) -> ControlState:
        """The state with the seed that its slice has."""
        if not self._new_seeds:
            return control
        index = self._plan.shares(self._start_s + self._now())[0][0]
        seed = (control.values["diffusion/seed"] + index) % 1_000_000.0
        return replace(control, values={**control.values, "diffusion/seed": seed})

    def close(self) -> None:
        """Let go of the file; idempotent."""
        self._reader.close()

    def _moment(self, index: int) -> SoundMoment:
        known = self._moments.get(index)
        if known is not None:
            return known
        begin, end = self._plan.span(index)
        margin = self._plan.margin
        samples = self._read(begin - margin, end + margin)
        return SoundMoment(samples, self._reader.sample_rate, margin=margin)

    def _read(self, begin: int, end: int) -> Float32:
        """Samples `[begin, end)` of the file; silence outside of it."""
        first = max(0, begin)
        if first < self._first or first > self._first + len(self._samples):
            self._reader.seek(first)
            self._first, self._samples = first, np.zeros(0, np.float32)
        blocks = [self._samples[first - self._first :]]
        have = len(blocks[0])
        while have < end - first:
            block = self._reader.read(_BLOCK)
            if not len(block):
                break
            blocks.append(np.asarray(block.mean(axis=1), np.float32))
            have += len(block)
        self._first, self._samples = first, np.concatenate(blocks)
        found = self._samples[: max(0, end - first)]
        return np.pad(found, (first - begin, end - first - len(found)))
