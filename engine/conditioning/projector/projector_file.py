"""A projector in a file: networks beside the card that says what they turn into what.

`projector.*` are the networks here, `unet.*` the gated audio attention of a U-Net by
SonicDiffusion's names, if there is one (`engine.diffusion.models.audio_attention`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import Module

from engine.conditioning.adapter_file import AdapterCard, card_metadata, card_of
from engine.conditioning.int8_rows import unpacked
from engine.conditioning.projector.network import Projector, SonicProjector, projector
from engine.conditioning.projector.plan import plan_of
from engine.errors import ModelLoadError
from engine.weights_file import PICKLES, read_weights_file

PROJECTOR, UNET = "projector.", "unet."


def save_projector(
    path: Path,
    card: AdapterCard,
    network: Mapping[str, Tensor],
    unet: Mapping[str, Tensor] | None = None,
) -> None:
    """Write beside `path` and rename, so that a kill leaves the old file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"{PROJECTOR}{name}": tensor for name, tensor in network.items()}
    tensors |= {f"{UNET}{name}": tensor for name, tensor in (unet or {}).items()}
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    temporary = path.with_suffix(".tmp")
    save_file(plain, temporary, metadata=card_metadata(card))
    temporary.replace(path)


def load_projector(path: Path) -> tuple[AdapterCard, Projector | SonicProjector]:
    """Read card and networks, in evaluation mode, on the CPU in float32.

    Raises `ModelLoadError` for a pickle, a file without a card, an adapter of another kind, and
    weights that are missing or of another shape: none of them is ever left random.
    """
    if path.suffix.lower() in PICKLES:
        raise ModelLoadError(
            f"{path} is a pickle, which can run any code when it is opened: one of SonicDiffusion "
            f"becomes safetensors by 'sonolume train projector --convert {path}'"
        )
    card = card_of(path)
    if card.kind != "projector":
        raise ModelLoadError(
            f"{path} is a {card.kind}, not a projector: choose the encoding '{card.kind}', or "
            "another file"
        )
    tensors = part_of(path, PROJECTOR)
    try:
        with torch.device("meta"):
            network = projector(plan_of(card))
        _check_shapes(path, network, tensors)
        network.load_state_dict(tensors, strict=True, assign=True)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ModelLoadError(_wrong_shape(path, " ".join(str(error).split())[:160])) from error
    return card, network.float().eval().requires_grad_(False)


def _check_shapes(path: Path, network: Module, tensors: Mapping[str, Tensor]) -> None:
    for name, wanted in network.state_dict().items():
        found = tuple(tensors[name].shape) if name in tensors else "missing"
        if found != tuple(wanted.shape):
            raise ModelLoadError(
                _wrong_shape(path, f"{name} is {found}, not {tuple(wanted.shape)}")
            )


def _wrong_shape(path: Path, what: str) -> str:
    return (
        f"{path} is no projector of the shape its card says ({what}): fetch it again, or train "
        "one with 'sonolume train projector'"
    )


def has_ears(path: Path) -> bool:
    """Whether a file has attention for a U-Net too. Raises `ModelLoadError`."""
    return any(name.startswith(UNET) for name in read_weights_file(path).tensors)


def part_of(path: Path, prefix: str) -> dict[str, Tensor]:
    """Tensors of a file whose names begin with `prefix`, without it. Raises `ModelLoadError`."""
    try:
        tensors = unpacked(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ModelLoadError(f"{path} cannot be read: fetch it again") from error
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
