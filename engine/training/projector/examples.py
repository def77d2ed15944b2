"""Pairs as tensors: views of all moments of every sound, heard once and kept on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from engine.audio.decode import SoundReader
from engine.diffusion.structure.fitting import cover
from engine.diffusion.structure.image import read_picture
from engine.errors import AudioFileError, StructureError
from engine.messages import Float32
from engine.semantic.sound_vectors import SoundViews
from engine.training.projector.dataset import Missing, Pair, Pairs
from engine.training.projector.encoders import moments


@dataclass(frozen=True, slots=True)
class Examples:
    """What a split has to teach."""

    pairs: tuple[Pair, ...]
    views: Float32
    """Of all moments of all pairs, `(m, 3, width)`."""
    first: NDArray[np.int64]
    """Where the moments of each pair begin, and the end: `(n + 1,)`."""

    @property
    def input_width(self) -> int:
        """Of one view."""
        return int(self.views.shape[2])

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Places of a batch: as different pairs as there are."""
        chosen: NDArray[np.int64] = rng.choice(
            len(self.pairs), count, replace=count > len(self.pairs)
        )
        return chosen

    def views_of(self, places: Sequence[int], rng: np.random.Generator) -> Tensor:
        """Views `(b, 3, width)` of one moment of each pair."""
        rows = [rng.integers(self.first[place], self.first[place + 1]) for place in places]
        return torch.from_numpy(self.views[rows])

    def newest_views(self) -> Tensor:
        """Views of the last moment of every pair, `(n, 3, width)`."""
        return torch.from_numpy(self.views[self.first[1:] - 1])

    def pictures_of(self, places: Sequence[int], width: int, height: int) -> Tensor:
        """Pictures `(b, 3, height, width)` in [-1, 1]."""
        pictures = []
        for place in places:
            frame = self.pairs[place].frame
            assert frame is not None, "this stage reads pairs with pictures"
            pixels = cover(read_picture(frame), width, height)
            pictures.append(torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0))
        return torch.stack(pictures).permute(0, 3, 1, 2).contiguous()


def hear(pairs: Pairs, encoder: SoundViews, cache: Path) -> tuple[Examples, Pairs]:
    """Listen to every pair once; return the examples, and the pairs without those that are broken.

    Views are kept in `cache`, and heard again where sounds or encoder are others.
    """
    key = _key(pairs, encoder)
    kept = _read(cache, key)
    if kept is not None:
        whole = [bool(count) for count in kept[1]]
        return _examples(pairs, kept[0], kept[1], whole), _without(pairs, whole)
    sounds = tqdm(pairs.found, desc=f"hearing ({encoder.name})", unit="sound", disable=None)
    views = [_heard(pair, encoder) for pair in sounds]
    counts = np.array([len(heard) for heard in views], np.int64)
    rows = [heard for heard in views if len(heard)]
    together = np.concatenate(rows) if rows else np.zeros((0, 3, 0), np.float32)
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, views=together, counts=counts, key=np.array(key))
    whole = [bool(count) for count in counts]
    return _examples(pairs, together, counts, whole), _without(pairs, whole)


def _heard(pair: Pair, encoder: SoundViews) -> Float32:
    """Views of a sound; none where sound or picture cannot be read."""
    try:
        with SoundReader(pair.audio) as reader:
            samples, rate_hz = reader.read_all().mean(axis=1), reader.sample_rate
        if pair.frame is not None:
            read_picture(pair.frame)
    except (AudioFileError, StructureError):
        return np.zeros((0, 3, 0), np.float32)
    return moments(encoder, samples, rate_hz)


def _examples(
    pairs: Pairs, views: Float32, counts: NDArray[np.int64], whole: Sequence[bool]
) -> Examples:
    found = tuple(pair for pair, is_whole in zip(pairs.found, whole, strict=True) if is_whole)
    first = np.concatenate([[0], np.cumsum(counts[counts > 0])])
    return Examples(found, views, first)


def _without(pairs: Pairs, whole: Sequence[bool]) -> Pairs:
    marked = list(zip(pairs.found, whole, strict=True))
    broken = tuple(
        Missing(pair.id, "audio or frame, damaged") for pair, good in marked if not good
    )
    return Pairs(tuple(pair for pair, good in marked if good), pairs.missing + broken)


def _key(pairs: Pairs, encoder: SoundViews) -> str:
    """Names what the views depend on: encoder, files and how old they are."""
    parts = [encoder.name, encoder.digest]
    for pair in pairs.found:
        parts += [str(pair.audio), str(pair.audio.stat().st_mtime_ns), str(pair.frame)]
    return "\n".join(parts)


def _read(cache: Path, key: str) -> tuple[Float32, NDArray[np.int64]] | None:
    if not cache.exists():
        return None
    try:
        with np.load(cache, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            return file["views"], file["counts"]
    except (OSError, ValueError, KeyError):
        return None  # half written: heard again
