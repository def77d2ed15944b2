"""Encodes the painted pictures once; draws batches of latents with captions from the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from engine.errors import TrainingError
from engine.training.ember.autoencoder import TrainedAutoencoder, warp_grid
from engine.training.ember.dataset import PictureFile, to_tensor
from engine.training.ember.number_format import fast_numbers

if TYPE_CHECKING:
    from engine.training.ember.repertoire import Kind

PLAIN, MIRRORED, DEGRADED = 0, 1, 2

_SHAPE_SHARES = {"square": 0.88, "wide": 0.07, "tall": 0.05}
_CHUNK = 8


@dataclass(frozen=True, slots=True)
class LatentFile:
    """Latents of one scene and shape: `(2 or 3, n, 16, h, w)` float16.

    Plain, mirrored and, where they were made, degraded.
    """

    scene: str
    shape: str
    latents: NDArray[np.float16]
    values: Mapping[str, Sequence[float]]
    rows: NDArray[np.int64]


def encode_pictures(
    files: Sequence[PictureFile],
    network: TrainedAutoencoder,
    folder: Path,
    *,
    device: str,
    seed: int,
    degraded: bool = True,
) -> None:
    """Write the latents of every file that has none yet, the `degraded` ones too if asked."""
    folder.mkdir(parents=True, exist_ok=True)
    network.to(device)
    for file in tqdm(files, desc="encode", unit="file", disable=None):
        path = folder / f"{file.scene}-{file.shape}.npy"
        if path.exists():
            continue
        generator = torch.Generator().manual_seed(seed)
        parts = []
        for first in range(0, len(file.pictures), _CHUNK):
            pictures = to_tensor(np.asarray(file.pictures[first : first + _CHUNK])).to(device)
            encoded = _encode(pictures, network, generator, degraded=degraded)
            parts.append(encoded.cpu().numpy())
        temporary = path.with_name(f".{path.name}")
        np.save(temporary, np.concatenate(parts, axis=1))
        temporary.replace(path)


def open_latents(files: Sequence[PictureFile], folder: Path) -> list[LatentFile]:
    """Latents of these files, in memory; raises `TrainingError` where one has none."""
    out = []
    for file in files:
        path = folder / f"{file.scene}-{file.shape}.npy"
        if not path.exists():
            raise TrainingError(f"{path} is missing: run the stage 'flow' first")
        rows = file.training_rows()
        out.append(LatentFile(file.scene, file.shape, np.load(path), file.values, rows))
    return out


@dataclass(frozen=True, slots=True)
class LatentBatch:
    """Pictures of one shape as latents `(n, 16, h, w)`, float32, and what is said of them."""

    clean: Tensor
    start: Tensor
    """Where the way to `clean` begins: the same, or in the last rows damaged."""
    prompts: Sequence[str]
    """As people type."""
    plain_prompts: Sequence[str]
    """The same in the painters' own words."""
    degraded: int
    """How many rows, the last ones, start damaged."""
    shape: str

    def partly_unsaid(self, rng: np.random.Generator, share: float) -> LatentBatch:
        """The same pictures with about this share of the captions left out, in both wordings."""
        kept = rng.random(len(self.prompts)) >= share
        prompts, plain = (
            [text if keep else "" for text, keep in zip(texts, kept, strict=True)]
            for texts in (self.prompts, self.plain_prompts)
        )
        return replace(self, prompts=prompts, plain_prompts=plain)


class LatentSource:
    """Batches of latents with fresh captions; all pictures of a batch have one shape.

    Plain, styled and composed pictures are drawn in the shares that the repertoire states,
    whatever the number of their files.
    """

    def __init__(self, files: Sequence[LatentFile]) -> None:
        from engine.training.ember.repertoire import kind_of, repertoire

        self._scenes = repertoire()
        self._by_shape: dict[str, dict[Kind, list[LatentFile]]] = {}
        for file in files:
            if file.scene in self._scenes:
                kinds = self._by_shape.setdefault(file.shape, {})
                kinds.setdefault(kind_of(file.scene), []).append(file)
        shares = np.array([_SHAPE_SHARES[shape] for shape in self._by_shape])
        self._shares = shares / shares.sum()

    def batch(
        self,
        rng: np.random.Generator,
        count: int,
        degraded_share: float,
        *,
        shape: str | None = None,
    ) -> LatentBatch:
        """Draw `count` pictures, of one `shape` if one is named.

        The last round(degraded_share x count) start from damage.
        """
        from engine.training.ember.captions import free_and_plain

        drawn = str(rng.choice(list(self._by_shape), p=self._shares))
        shape = drawn if shape is None else shape
        clean, start = [], []
        prompts: list[str] = []
        plain_prompts: list[str] = []
        first_degraded = count - round(degraded_share * count)
        for index in range(count):
            file = self._draw_file(shape, rng)
            row = int(rng.choice(file.rows))
            copy = PLAIN if index >= first_degraded else int(rng.integers(2))
            clean.append(file.latents[copy, row])
            start.append(file.latents[DEGRADED, row] if index >= first_degraded else clean[-1])
            values = {name: column[row] for name, column in file.values.items()}
            scene = self._scenes[file.scene]
            seed = int(rng.integers(2**63))
            free, plain = free_and_plain(scene, values, seed, mirrored=copy == MIRRORED)
            prompts.append(free)
            plain_prompts.append(plain)
        return LatentBatch(
            _stack(clean), _stack(start), prompts, plain_prompts, count - first_degraded, shape
        )

    def _draw_file(self, shape: str, rng: np.random.Generator) -> LatentFile:
        """Draw the kind of picture by its share, then a file of that kind."""
        from engine.training.ember.repertoire import SHARES

        by_kind = self._by_shape[shape]
        kinds = list(by_kind)
        files = by_kind[kinds[0]]
        if len(kinds) > 1:
            shares = np.array([SHARES[kind] for kind in kinds])
            files = by_kind[kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]]
        return files[rng.integers(len(files))]


def _stack(latents: Sequence[NDArray[np.float16]]) -> Tensor:
    return torch.from_numpy(np.stack(latents).astype(np.float32))


@torch.inference_mode()
def _encode(
    pictures: Tensor, network: TrainedAutoencoder, generator: torch.Generator, *, degraded: bool
) -> Tensor:
    """Plain, mirrored and, if asked, degraded latents `(2 or 3, b, 16, h, w)`."""
    with fast_numbers(pictures.device):
        mirrored = pictures.flip(3).contiguous(memory_format=torch.channels_last)
        parts = [network.encode(pictures), network.encode(mirrored)]
        if degraded:
            worn = _wear(network.decoder(parts[PLAIN]).float(), generator)
            parts.append(network.encode(worn))
    return torch.stack(parts).half()


def _wear(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """What a round of the feedback loop does: resample away and back, shift the levels slightly.

    The way back is the same motion mirrored in time, so the picture stays where it was.
    """
    b, _, height, width = pictures.shape
    grid = warp_grid(b, generator, pictures.shape[2:], 1.0).to(pictures.device)
    away = F.grid_sample(
        pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    # First-order inverse of a motion this slight: sample at x - (motion(x) - x).
    still = F.affine_grid(
        torch.eye(2, 3, device=pictures.device).expand(b, 2, 3),
        [b, 3, height, width],
        align_corners=False,
    )
    back = F.grid_sample(
        away, 2 * still - grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    gain = 1 + 0.1 * (torch.rand(b, 1, 1, 1, generator=generator) - 0.5)
    lift = 0.06 * (torch.rand(b, 3, 1, 1, generator=generator) - 0.5)
    return (back * gain.to(back.device) + lift.to(back.device)).clamp(-1, 1)
