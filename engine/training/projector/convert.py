"""SonicDiffusion's checkpoints, which are pickles, to a file that Sonolume reads.

`audio_projector_*.pth` is the state of the projector, `landscape.pt` or `greatest_hits.pt` the
audio attention of the U-Net, by the U-Net's names. They are opened with `weights_only`, which
builds tensors and plain containers and runs no code of the file.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.conditioning.adapter_file import AdapterCard
from engine.conditioning.projector.network import projector
from engine.conditioning.projector.plan import ProjectorPlan, plan_of
from engine.conditioning.projector.projector_file import save_projector
from engine.conditioning.sound_embedding import TargetSpec
from engine.errors import TrainingError

_WRAPPERS = ("model_state_dict", "state_dict")
"""What trainers put around a state."""
_PROJECTOR_KEY = "audio_emb_projection.0.weight"
_ADAPTER_WORD = "adapter"
_BLOCKS = ("down_blocks.", "mid_block.", "up_blocks.")
MICROSOFT_CLAP = "msclap"


def convert(files: Sequence[Path], out: Path) -> AdapterCard:
    """Write one safetensors file of a projector's pickle, and a U-Net's where it is given.

    Raises `TrainingError` for files that hold neither, or not all of it.
    """
    network: dict[str, Tensor] = {}
    unet: dict[str, Tensor] = {}
    for path in files:
        state = _state(path)
        if _PROJECTOR_KEY in state:
            network = _named_today(state)
        elif state and all(name.startswith(_BLOCKS) for name in state):
            unet = {name: t for name, t in state.items() if _ADAPTER_WORD in name}
        else:
            first = next(iter(sorted(state)), "nothing")
            raise TrainingError(
                f"{path} is neither a projector of SonicDiffusion (it has no {_PROJECTOR_KEY}) "
                f"nor its audio attention; its first tensor is {first}"
            )
    if not network:
        raise TrainingError(
            "there is no projector among the files: give audio_projector_*.pth too, --convert "
            "may stand several times"
        )
    card = _card(network, files)
    try:
        with torch.device("meta"):
            built = projector(plan_of(card))
        built.load_state_dict(network, strict=True, assign=True)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise TrainingError(f"this is no whole projector of SonicDiffusion: {reason}") from error
    save_projector(out, card, network, unet)
    return card


def _state(path: Path) -> dict[str, Tensor]:
    """Tensors by name, out of whatever a trainer put around them."""
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(f"there is no file {path}") from error
    except (pickle.UnpicklingError, LookupError, RuntimeError, OSError, EOFError, TypeError,
            ValueError) as error:  # fmt: skip
        raise TrainingError(
            f"{path} holds more than tensors, or is damaged, and is not opened: fetch it again "
            "from where its author published it"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and wrapper in found:
            found = found[wrapper]
    if not isinstance(found, Mapping):
        raise TrainingError(f"{path} holds a {type(found).__name__}, not tensors by name")
    return {
        str(name).removeprefix("module."): tensor.float()
        for name, tensor in found.items()
        if isinstance(tensor, Tensor)
    }


def _named_today(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of `SonicProjector`; a bare last layer is the first of its two."""
    bare = {"to_out_adapter.weight": "to_out_adapter.0.weight",
            "to_out_adapter.bias": "to_out_adapter.0.bias"}  # fmt: skip
    return {f"adapter.{bare.get(name, name)}": tensor for name, tensor in state.items()}


def _card(network: Mapping[str, Tensor], files: Sequence[Path]) -> AdapterCard:
    tokens = network[f"adapter.{_PROJECTOR_KEY}"].shape[0]
    norm = network.get("adapter.audio_emb_projection.4.weight")
    out = network.get("adapter.to_out_adapter.0.weight")
    if norm is None or out is None:
        raise TrainingError(
            f"{files[0]} lacks layers of SonicDiffusion's projector: fetch it again"
        )
    input_width, width = int(norm.shape[1]), int(out.shape[0])
    plan = ProjectorPlan(
        input_width, TargetSpec(tokens, width), decomposer="sonic", norm=0.0, width=width
    )
    family = "SD 1.x" if width == 768 else f"text {width}"
    return AdapterCard(
        "projector", MICROSOFT_CLAP, input_width, plan.target, family,
        {**plan.settings(), "converted": [path.name for path in files]},
    )  # fmt: skip
