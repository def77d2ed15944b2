"""The parts of a checkpoint folder in diffusers layout; what fails to open is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch

from engine.diffusion.models.family import read_json
from engine.diffusion.models.named_errors import named_errors
from engine.diffusion.models.weights import FileWeights, Weights, fill
from engine.errors import ModelLoadError
from engine.quiet_loaders import quiet_loaders
from engine.weights_file import component_files


class Parts(Protocol):
    """Networks, tokenizers and configurations of one checkpoint. Diffusion thread only.

    safetensors only: a pickle can run code. Everything raises `ModelLoadError`.
    """

    name: str
    """What the window shows, and how errors begin."""
    device: torch.device
    dtype: torch.dtype

    def json(self, name: str) -> dict[str, Any]:
        """Return the table in a file such as `unet/config.json`."""
        ...

    def network(self, component: str, class_name: str) -> Any:
        """Return a diffusers network, channels last, on the device."""
        ...

    def autoencoder(self) -> Any:
        """Return the checkpoint's own autoencoder, KL or Tiny."""
        ...

    def clip(self, tokenizer_name: str, encoder_name: str) -> tuple[Any, Any]:
        """Return a CLIP tokenizer and its text encoder, with its projection if it has one."""
        ...


class Components:
    """The `Parts` of a folder, one subfolder each."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        quiet_loaders("diffusers", "transformers")
        self.name = folder.name
        self.folder = folder
        self.device = device
        self.dtype = dtype

    def json(self, name: str) -> dict[str, Any]:
        """Return the table in a file such as `unet/config.json`."""
        component = name.split("/", maxsplit=1)[0]
        lacks = f"the checkpoint's {component} is missing; fetch it again"
        return read_json(self.folder / name, lacks)

    def network(self, component: str, class_name: str) -> Any:
        """Return a diffusers network, channels last, on the device."""
        config = self.json(f"{component}/config.json")
        weights = self._weights(component, "diffusion_pytorch_model")
        return self._filled(component, class_name, config, weights)

    def autoencoder(self) -> Any:
        """Return the KL or Tiny autoencoder in `vae`."""
        class_name = self.json("vae/config.json").get("_class_name", "AutoencoderKL")
        if class_name not in ("AutoencoderKL", "AutoencoderTiny"):
            raise ModelLoadError(f"{self.folder / 'vae'} is a {class_name}; KL or Tiny are known")
        return self.network("vae", class_name)

    def clip(self, tokenizer_name: str, encoder_name: str) -> tuple[Any, Any]:
        """Return a CLIP tokenizer and its text encoder, with its projection if it has one."""
        from transformers import CLIPTokenizer

        if not (self.folder / tokenizer_name).is_dir():
            raise ModelLoadError(
                f"{self.name} has no folder {tokenizer_name}: that part of the checkpoint is "
                "missing; fetch it again"
            )
        with named_errors(self.name, tokenizer_name):
            tokenizer = CLIPTokenizer.from_pretrained(self.folder / tokenizer_name)
        config = self.json(f"{encoder_name}/config.json")
        projected = "CLIPTextModelWithProjection" in config.get("architectures", [])
        weights = self._weights(encoder_name, "model")
        part = f"{self.name}: {encoder_name}"
        return tokenizer, clip_encoder(
            config, weights, part, self.device, self.dtype, projected=projected
        )

    def _weights(self, component: str, stem: str) -> FileWeights:
        half = self.dtype in (torch.float16, torch.bfloat16)
        return FileWeights(component_files(self.folder / component, stem, half=half))

    def _filled(
        self, component: str, class_name: str, config: dict[str, Any], weights: Weights
    ) -> Any:
        part = f"{self.name}: {component}"
        return diffusers_network(class_name, config, weights, part, self.device, self.dtype)


def diffusers_network(
    class_name: str,
    config: dict[str, Any],
    weights: Weights,
    part: str,
    device: torch.device,
    dtype: torch.dtype,
) -> Any:
    """Build a network of diffusers from its configuration and fill it."""
    import diffusers

    with named_errors(part), torch.device("meta"):
        network = getattr(diffusers, class_name).from_config(config)
    fill(network, weights, part, device, dtype)
    return network


def clip_encoder(
    config: dict[str, Any],
    weights: Weights,
    part: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    projected: bool,
) -> Any:
    """Build a CLIP text encoder from its configuration and fill it."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    encoder_class = CLIPTextModelWithProjection if projected else CLIPTextModel
    with named_errors(part), torch.device("meta"):
        encoder: Any = encoder_class(CLIPTextConfig.from_dict(config))
    fill(encoder, weights, part, device, dtype)
    return encoder
