"""`SingleFile`: one `.safetensors` in the layout of the original code, as `Parts` of a checkpoint.

What it is, its configurations and its text encoders are read from the names and shapes of its
tensors; renaming them is diffusers' own conversion. Nothing is fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.diffusion.models.clip_tokens import clip_tokenizer
from engine.diffusion.models.components import clip_encoder, diffusers_network
from engine.diffusion.models.ldm_config import (
    UNET,
    VAE,
    clip_config,
    open_clip_config,
    unet_config,
    vae_config,
)
from engine.diffusion.models.named_errors import named_errors
from engine.diffusion.models.single_file_family import scheduler_of_file
from engine.diffusion.models.weights import FileWeights, HeldWeights
from engine.errors import ModelLoadError
from engine.quiet_loaders import quiet_loaders

_SD1_TEXT = "cond_stage_model.transformer.text_model."
_SD2_TEXT = "cond_stage_model.model."
_SD1_OLD_TEXT = "cond_stage_model.transformer."
_XL_TEXT = "conditioner.embedders.0.transformer.text_model."
_XL_TEXT_2 = "conditioner.embedders.1.model."
_END, _ZERO = "<|endoftext|>", "!"


class SingleFile:
    """The parts of one file. Tensors are read one by one. Diffusion thread only."""

    def __init__(self, path: Path, device: torch.device, dtype: torch.dtype) -> None:
        quiet_loaders("diffusers", "transformers")
        self.name = path.stem
        self.device = device
        self.dtype = dtype
        self._path = path
        self._weights = FileWeights([path])
        self._xl = any(name.startswith(_XL_TEXT) for name in self._weights.facts)

    def json(self, name: str) -> dict[str, Any]:
        """Return the scheduler's configuration, the only one that is asked for."""
        assert name == "scheduler/scheduler_config.json", name
        return scheduler_of_file(self._path)

    def network(self, component: str, class_name: str) -> Any:
        """Return the U-Net."""
        assert component == "unet", component
        config = unet_config(self._weights.facts)
        part = f"{self.name}: {component}"
        with named_errors(part):
            held = _conversion("convert_ldm_unet_checkpoint")(self._tensors(UNET), dict(config))
        return diffusers_network(
            class_name, config, HeldWeights(held), part, self.device, self.dtype
        )

    def autoencoder(self) -> Any:
        """Return the KL autoencoder."""
        if f"{VAE}decoder.conv_in.weight" not in self._weights.facts:
            raise ModelLoadError(
                f"{self._path} holds no autoencoder: run `sonolume models fetch taesd` (taesdxl "
                "for SDXL) and use --vae tiny"
            )
        config = vae_config(self._weights.facts, xl=self._xl)
        part = f"{self.name}: vae"
        with named_errors(part):
            held = _conversion("convert_ldm_vae_checkpoint")(self._tensors(VAE), config)
        return diffusers_network(
            "AutoencoderKL", config, HeldWeights(held), part, self.device, self.dtype
        )

    def clip(self, tokenizer_name: str, encoder_name: str) -> tuple[Any, Any]:
        """Return a CLIP tokenizer and its text encoder, with its projection if it has one."""
        second = encoder_name.endswith("_2")
        prefix = self._text_prefix(second=second)
        opened = prefix in (_SD2_TEXT, _XL_TEXT_2)
        beside = self._path.parent / tokenizer_name
        tokenizer = clip_tokenizer(beside, pad_token=_ZERO if opened else _END)
        part = f"{self.name}: {encoder_name}"
        tensors = self._tensors(prefix)
        if opened:
            config = open_clip_config(self._weights.facts, prefix, drop_last=prefix == _SD2_TEXT)
            tensors = _from_open_clip(tensors, prefix, part)
        else:
            config = clip_config(self._weights.facts, prefix)
            tensors = {name[len(prefix) :]: tensor for name, tensor in tensors.items()}
        encoder = clip_encoder(
            config, HeldWeights(tensors), part, self.device, self.dtype, projected=second
        )
        return tokenizer, encoder

    def _text_prefix(self, *, second: bool) -> str:
        wanted = (_XL_TEXT_2,) if second else (_XL_TEXT, _SD1_TEXT, _SD2_TEXT, _SD1_OLD_TEXT)
        for prefix in wanted:
            if any(name.startswith(prefix) for name in self._weights.facts):
                return prefix
        raise ModelLoadError(
            f"{self._path} holds no text encoder {'2' if second else ''}".rstrip()
            + ": give the whole checkpoint, not its U-Net alone"
        )

    def _tensors(self, prefix: str) -> dict[str, Tensor]:
        names = [name for name in self._weights.facts if name.startswith(prefix)]
        return {name: self._weights.tensor(name) for name in names}


def _from_open_clip(tensors: dict[str, Tensor], prefix: str, part: str) -> dict[str, Tensor]:

    class _Encoder:  # all that the conversion asks of the encoder
        class config:  # noqa: N801
            hidden_size = int(tensors[f"{prefix}token_embedding.weight"].shape[1])

    with named_errors(part):
        converted: dict[str, Tensor] = _conversion("convert_open_clip_checkpoint")(
            _Encoder(), tensors, prefix=prefix
        )
    return converted


def _conversion(name: str) -> Any:
    """One of diffusers' own conversions; they are not exported, so their absence is told."""
    from diffusers.loaders import single_file_utils

    try:
        return getattr(single_file_utils, name)
    except AttributeError as error:
        raise ModelLoadError(
            f"this version of diffusers has no {name}: single files need 0.35 to 0.42; give the "
            "checkpoint as a folder, or install another version"
        ) from error
