"""Opens what a projector's file has for a U-Net: gated audio attention, or bending of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.conditioning.adapter_file import card_of
from engine.conditioning.projector.projector_file import UNET, part_of
from engine.diffusion.models.audio_attention import AudioAttention
from engine.diffusion.models.text_bending import PREFIX, BentText
from engine.errors import ModelLoadError


def open_sound_hearing(path: Path, unet: Any) -> AudioAttention | BentText:
    """Put it into `unet`, in evaluation mode; which kind, and where, is read off its names.

    Raises `ModelLoadError`, with `unet` as it was.
    """
    routing = str(card_of(path).settings.get("routing", "published"))
    tensors = part_of(path, UNET)
    if not tensors:
        raise ModelLoadError(
            f"{path} has no audio attention (no tensors 'unet.'): it can only be a prompt; train "
            "one with 'sonolume train projector --target MODEL'"
        )
    hearing: AudioAttention | BentText
    if all(name.startswith(PREFIX) for name in tensors):
        hearing = BentText(unet, routing)
    else:
        places = [p for p in ("down", "mid", "up") if any(name.startswith(p) for name in tensors)]
        hearing = AudioAttention(unet, places, routing)
    try:
        hearing.load(tensors, path.name)
    except ModelLoadError:
        hearing.withdraw()
        raise
    return hearing.eval().requires_grad_(False)
