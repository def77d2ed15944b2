"""The parts of a checkpoint folder in diffusers layout; what fails to open is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from engine.errors import ModelLoadError
from engine.quiet_loaders import quiet_loaders


class Components:
    """Opens one checkpoint's networks, tokenizers and configurations. Diffusion thread only.

    safetensors only: a pickle can run code. Everything raises `ModelLoadError`.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        quiet_loaders("diffusers", "transformers")
        self.folder = folder
        self.device = device
        self.dtype = dtype

    def json(self, name: str) -> dict[str, Any]:
        """Return the table in a file such as `unet/config.json`."""
        with named_errors(self.folder, name.split("/", maxsplit=1)[0]):
            table: dict[str, Any] = json.loads((self.folder / name).read_text("utf-8"))
            return table

    def network(self, component: str, class_name: str) -> Any:
        """Return a diffusers network, channels last, on the device."""
        import diffusers

        with named_errors(self.folder, component):
            network = getattr(diffusers, class_name).from_pretrained(
                self.folder, subfolder=component, torch_dtype=self.dtype,
                use_safetensors=True, low_cpu_mem_usage=False,
            )  # fmt: skip
        return network.to(self.device).to(memory_format=torch.channels_last).eval()

    def autoencoder(self) -> Any:
        """Return the KL or Tiny autoencoder in `vae`."""
        class_name = self.json("vae/config.json").get("_class_name", "AutoencoderKL")
        if class_name not in ("AutoencoderKL", "AutoencoderTiny"):
            raise ModelLoadError(f"{self.folder / 'vae'} is a {class_name}; KL or Tiny are known")
        return self.network("vae", class_name)

    def clip(self, tokenizer_name: str, encoder_name: str) -> tuple[Any, Any]:
        """Return a CLIP tokenizer and its text encoder, with its projection if it has one."""
        from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        config = self.json(f"{encoder_name}/config.json")
        projected = "CLIPTextModelWithProjection" in config.get("architectures", [])
        encoder_class = CLIPTextModelWithProjection if projected else CLIPTextModel
        with named_errors(self.folder, encoder_name):
            tokenizer = CLIPTokenizer.from_pretrained(self.folder / tokenizer_name)
            encoder: Any = encoder_class.from_pretrained(
                self.folder / encoder_name, dtype=self.dtype, use_safetensors=True
            )
        return tokenizer, encoder.to(self.device).eval()


class named_errors:  # noqa: N801 - reads like the context managers of contextlib
    """Turn what a loader raises into one line that names the component and the remedy."""

    def __init__(self, folder: Path, component: str) -> None:
        self._folder, self._component = folder, component

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, ValueError, RuntimeError, KeyError, ImportError)):
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise ModelLoadError(
                f"{self._folder.name}: {self._component} cannot be loaded ({reason}): "
                "fetch the checkpoint again, with safetensors weights"
            ) from error
