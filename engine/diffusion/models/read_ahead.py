"""What of opening a checkpoint needs no device, done while another model paints.

The body of the thread `loader`: the files of the weights are read into the system's own cache, and
the libraries are imported that the networks are built with (3.4 s on two cores of a Xeon, 28 Nov
2026). No torch operation runs here. What remains for the diffusion thread is copying from memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from threading import Event

from engine.diffusion.device import choose_device, choose_dtype
from engine.diffusion.memory import free_memory
from engine.diffusion.models.guide_files import controlnet_files, image_prompt_files
from engine.diffusion.models.memory_need import weight_files
from engine.diffusion.models.source import checkpoint_family, checkpoint_path
from engine.diffusion.models.tiny_vae import choose_vae, own_vae_class
from engine.quiet_loaders import quiet_loaders
from engine.registry import ModelRequest

SLICE_BYTES = 1 << 23
"""Between two slices the thread looks whether it is still wanted: 4 to 80 ms of disk."""
_LIBRARIES = {
    "diffusers": ("UNet2DConditionModel", "AutoencoderKL", "AutoencoderTiny",
                  "SD3Transformer2DModel"),
    "transformers": ("CLIPTokenizer", "CLIPTextConfig", "CLIPTextModel",
                     "CLIPTextModelWithProjection"),
}  # fmt: skip
"""Both import a class's module when it is first named."""


def read_ahead(request: ModelRequest, stopping: Event) -> None:
    """Read the files of a checkpoint, until told to stop.

    Raises `ModelLoadError` for what opening it would refuse for its files' sake.
    """
    path = checkpoint_path(request.name)
    family = checkpoint_family(path)
    if family.kind == "ember":
        return
    dtype = choose_dtype(request.dtype, choose_device(request.device), half_on_cpu=True)
    tiny = choose_vae(family, path, request.vae, own_vae_class(path)).folder
    files = weight_files(path, family, tiny, dtype.itemsize)
    files += controlnet_files(request.guides) + image_prompt_files(request.guides)
    if sum(file.stat().st_size for file in files) <= free_memory("cpu").free:
        read_slices(files, stopping)
    quiet_loaders(*_LIBRARIES)
    for library, names in _LIBRARIES.items():
        for name in names:
            if not stopping.is_set():
                getattr(import_module(library), name)


def read_slices(files: Iterable[Path], stopping: Event) -> int:
    """Read files from end to end, so that they are in memory; returns the bytes read."""
    piece = memoryview(bytearray(SLICE_BYTES))
    done = 0
    for path in files:
        with path.open("rb", buffering=0) as file:
            while not stopping.is_set() and (count := file.readinto(piece)):
                done += count
    return done
