"""`ControlNetBranch`: a ControlNet beside a U-Net of the same family.

Zhang, Rao & Agrawala 2023, "Adding Conditional Control to Text-to-Image Diffusion Models": a copy
of the U-Net's encoder sees a conditioning picture, and its outputs, scaled, are added to the
U-Net's skip connections and to its middle block.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.diffusion.models.named_errors import named_errors
from engine.diffusion.structure.control_map import control_map
from engine.errors import ModelLoadError
from engine.messages import Uint8
from engine.quiet_loaders import quiet_loaders

_FAMILIES = {768: "SD 1.x", 1024: "SD 2.x or SD-Turbo", 2048: "SDXL"}
"""By the width of the text that they read."""
_SHAPES = ("in_channels", "block_out_channels", "layers_per_block")
"""What decides how large the residuals are, and how many."""


class ControlNetBranch:
    """Residuals for one picture of one size. Diffusion thread only.

    Conditioning picture and scale are buffers that stay where they are, so that a recorded program
    sees what was written into them since. Whether there is anything to add (`active`) is decided
    outside such a program.
    """

    def __init__(
        self, folder: Path, unet: Mapping[str, Any], device: torch.device, dtype: torch.dtype,
        kind: str,
    ) -> None:  # fmt: skip
        """Open the ControlNet in `folder` for a U-Net of this configuration.

        `kind` is one of `CONTROL_MAPS`. Raises `ModelLoadError`, before any weights are read when
        it is of another family.
        """
        check_family(folder, unet)
        import diffusers

        quiet_loaders("diffusers", "transformers")
        with named_errors(folder.name, "the ControlNet"):
            network_class: Any = diffusers.ControlNetModel
            network = network_class.from_pretrained(
                folder, torch_dtype=dtype, use_safetensors=True, low_cpu_mem_usage=False
            )
        self.network: Any = network.to(device).to(memory_format=torch.channels_last).eval()
        self._kind = kind
        self._device = device
        self._dtype = dtype
        self._seen: Uint8 | None = None
        self._scale = torch.zeros((), device=device)
        self._asked = 0.0
        self._planes: Tensor | None = None  # (1, 3, h, w) in [0, 1], made for the first picture

    @property
    def active(self) -> bool:
        """Whether there is anything to add."""
        return self._seen is not None and self._asked > 0.0

    def see(self, structure: Uint8 | None, scale: float) -> None:
        """Condition on a structure picture `(h, w, 3)`, the model's size; None: on nothing."""
        self._asked = scale
        self._scale.fill_(scale)
        if structure is self._seen:
            return
        self._seen = structure
        if structure is not None:
            condition = torch.from_numpy(control_map(structure, self._kind)).permute(2, 0, 1)
            if self._planes is None or self._planes.shape[2:] != condition.shape[1:]:
                shape = (1, *condition.shape)
                self._planes = torch.empty(shape, device=self._device, dtype=self._dtype)
            self._planes[0].copy_(condition).mul_(1.0 / 255.0)

    def residuals(
        self, sample: Tensor, timestep: Tensor, tokens: Tensor, added: Mapping[str, Tensor] | None
    ) -> dict[str, Any]:
        """Return what the U-Net's call of the same arguments is given besides; `active` only.

        `sample` is `(b, 4, h/8, w/8)`; all rows see the same picture.
        """
        assert self._planes is not None, "no picture was seen"
        down, middle = self.network(
            sample,
            timestep,
            encoder_hidden_states=tokens,
            controlnet_cond=self._planes.expand(len(sample), -1, -1, -1),
            conditioning_scale=self._scale,
            added_cond_kwargs=added,
            return_dict=False,
        )
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


def check_family(folder: Path, unet: Mapping[str, Any]) -> None:
    """Raise `ModelLoadError` where `folder` holds no ControlNet for a U-Net like `unet`."""
    config = _config(folder)
    if config.get("_class_name") != "ControlNetModel":
        raise ModelLoadError(
            f"{folder} is a {config.get('_class_name')} and no ControlNetModel: choose another "
            "--controlnet"
        )
    theirs, ours = config.get("cross_attention_dim", 1280), unet.get("cross_attention_dim", 1280)
    if theirs != ours:
        raise ModelLoadError(
            f"{folder.name} is a ControlNet for {_family(theirs)}, and the model is for "
            f"{_family(ours)}: choose a ControlNet of that family, or leave --controlnet out"
        )
    differing = [name for name in _SHAPES if not _alike(config.get(name), unet.get(name))]
    if config.get("addition_embed_type") != unet.get("addition_embed_type"):
        differing.append("addition_embed_type")
    if differing:
        name = differing[0]
        raise ModelLoadError(
            f"{folder.name} is a ControlNet for another U-Net ({name} {config.get(name)}, the "
            f"model has {unet.get(name)}): choose one made for this model"
        )


def _alike(one: Any, other: Any) -> bool:
    """Compare values of two configurations; JSON has lists where Python has tuples."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return list(one) == list(other)
    return bool(one == other)


def _family(width: Any) -> str:
    text = f"text of width {width}"
    return f"{_FAMILIES[width]}, {text}" if width in _FAMILIES else text


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ModelLoadError(
            f"no ControlNet in {folder}: it has no config.json; give --controlnet the folder of "
            "one in diffusers layout"
        ) from error
    except ValueError as error:
        raise ModelLoadError(f"{file} is damaged: fetch the ControlNet again") from error
    return config
