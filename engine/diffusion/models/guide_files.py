"""Where the weights of a ControlNet and of an IP-Adapter lie. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from engine.errors import ModelLoadError
from engine.registry import Guides
from engine.weights_file import component_files

_ENCODER_PLACES = ("image_encoder", "../models/image_encoder")
"""Where h94/IP-Adapter keeps the encoder, from the adapter's file: SD 1.5 and SDXL, SDXL vit-h."""


def controlnet_files(guides: Guides) -> list[Path]:
    """Return the weights of the ControlNet that is asked for, none where there are none.

    What is wrong with them, opening it says better.
    """
    if not guides.controlnet:
        return []
    try:
        folder = Path(guides.controlnet).expanduser()
        return component_files(folder, "diffusion_pytorch_model", half=False)
    except ModelLoadError:
        return []


def image_prompt_files(guides: Guides) -> list[Path]:
    """Return the files that are read while a picture becomes a prompt, and freed after it."""
    if not guides.ip_adapter:
        return []
    adapter = Path(guides.ip_adapter).expanduser()
    try:
        encoder = component_files(encoder_folder(adapter), "model", half=False)
    except ModelLoadError:
        return []
    return [adapter, *encoder] if adapter.suffix == ".safetensors" and adapter.is_file() else []


def encoder_folder(adapter: Path) -> Path:
    """Return the folder of the image encoder beside an adapter. Raises `ModelLoadError`."""
    for place in _ENCODER_PLACES:
        folder = adapter.parent / place
        if (folder / "config.json").is_file():
            return folder.resolve()
    raise ModelLoadError(
        f"no image encoder beside {adapter}: put the folder image_encoder of h94/IP-Adapter, "
        "config.json and model.safetensors, there"
    )
