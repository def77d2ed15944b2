"""How much memory a checkpoint will take, from the headers of its files, before it is loaded.

Imports no torch: it is asked before anything is opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.diffusion.memory import FreeMemory
from engine.diffusion.models.family import Family
from engine.diffusion.models.guide_files import controlnet_files, image_prompt_files
from engine.errors import MemoryShortError
from engine.registry import NO_GUIDES, Guides
from engine.weights_file import component_files, read_weights_file

_FIXED_BYTES = 200_000_000
_NUMBERS_PER_PIXEL_TINY = 190
_NUMBERS_PER_PIXEL_KL = 750
"""What painting takes beside the weights: the largest of U-Net, encoder and decoder.

Peaks of resident memory over the weights, float32, one thread, 2 cores Intel Xeon, 28 Nov 2026, at
256x256 and 512x512: U-Net of SD 2.x 199 and 275 MB, SD 3's transformer 203 MB at 512x512, TAESD
104 and 247, the KL autoencoder 249 and 829. So 100, 180 and 740 numbers for every pixel, and the
rest fixed. On CUDA it is an estimate nobody has measured yet.
"""

FAMILY_PARTS = {
    "sd": (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")),
    "sdxl": (("unet", "diffusion_pytorch_model"), ("text_encoder", "model"),
             ("text_encoder_2", "model")),
    "sd3": (("transformer", "diffusion_pytorch_model"), ("text_encoder", "model"),
            ("text_encoder_2", "model")),
}  # fmt: skip
VAE_PART = ("vae", "diffusion_pytorch_model")
_T5 = ("text_encoder_3", "model")


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes."""

    weights: int
    """With a ControlNet's."""
    painting: int
    opening: int = 0
    """Beside the weights, before anything is painted: what makes a prompt of a picture."""

    @property
    def total(self) -> int:
        """The most there is at once."""
        return self.weights + max(self.painting, self.opening)


def memory_need(
    checkpoint: Path, family: Family, tiny: Path | None, number_bytes: int,
    size: tuple[int, int], guides: Guides = NO_GUIDES,
) -> MemoryNeed:  # fmt: skip
    """Estimate for one checkpoint, its autoencoder, guides, number format and picture size.

    A ControlNet paints nothing of its own that is larger than what is counted: at 512x512 its
    answers are 26 numbers a pixel, held during the U-Net's 100, and decoding needs 190.

    Raises `ModelLoadError` for what is missing, half fetched or a pickle: it reads every header.
    """
    files = weight_files(checkpoint, family, tiny, number_bytes) + controlnet_files(guides)
    weights = number_bytes * sum(_count(file) for file in files)
    per_pixel = _NUMBERS_PER_PIXEL_KL if tiny is None else _NUMBERS_PER_PIXEL_TINY
    opening = number_bytes * sum(_count(file) for file in image_prompt_files(guides))
    return MemoryNeed(weights, painting_bytes(size, number_bytes, per_pixel), opening)


def weight_files(
    checkpoint: Path, family: Family, tiny: Path | None, number_bytes: int
) -> list[Path]:
    """Return the files whose weights a checkpoint opens, its autoencoder's too.

    Raises `ModelLoadError` where one is missing.
    """
    half = number_bytes == 2
    if checkpoint.is_file():
        files = [checkpoint]
    else:
        parts = [*FAMILY_PARTS[family.kind]]
        if tiny is None:
            parts.append(VAE_PART)
        if family.kind == "sd3" and (checkpoint / _T5[0]).is_dir():
            parts.append(_T5)
        files = _files(checkpoint, parts, half=half)
    if tiny is not None:
        files += component_files(tiny, "diffusion_pytorch_model", half=half)
    return files


def painting_bytes(
    size: tuple[int, int], number_bytes: int, per_pixel: int = _NUMBERS_PER_PIXEL_TINY
) -> int:
    """What one picture takes beside the weights."""
    return _FIXED_BYTES + size[0] * size[1] * number_bytes * per_pixel


def check_memory(name: str, need: MemoryNeed, free: FreeMemory, remedies: Iterable[str]) -> None:
    """Raise `MemoryShortError`, with the figures, when a model does not fit."""
    if need.total <= free.free:
        return
    held = ""
    if free.held > 0.1 * need.total:
        held = f" ({free.held / 1e9:.1f} GB is held by the model that paints now)"
    beside = f"{need.painting / 1e9:.1f} to paint"
    if need.opening > need.painting:
        beside = f"{need.opening / 1e9:.1f} to look at the image prompt"
    raise MemoryShortError(
        f"{name} needs about {need.total / 1e9:.1f} GB of {free.what}, {need.weights / 1e9:.1f} "
        f"for its weights and {beside}, and {free.free / 1e9:.1f} GB is "
        f"free{held}: {' or '.join(remedies)}"
    )


def _files(checkpoint: Path, parts: Iterable[tuple[str, str]], *, half: bool) -> list[Path]:
    return [
        path
        for folder, stem in parts
        for path in component_files(checkpoint / folder, stem, half=half)
    ]


def _count(path: Path) -> int:
    return sum(tensor.count for tensor in read_weights_file(path).tensors.values())
