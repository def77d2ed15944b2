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
from engine.diffusion.models.components import clip_encoder, diffusers_network, named_errors
from engine.diffusion.models.family import FEW_STEPS, Family, read_json, unet_family
from engine.diffusion.models.ldm_config import (
    UNET,
    VAE,
    Facts,
    clip_config,
    open_clip_config,
    unet_config,
    vae_config,
)
from engine.diffusion.models.weights import FileWeights, HeldWeights
from engine.diffusion.models.weights_file import read_weights_file
from engine.errors import ModelLoadError
from engine.quiet_loaders import quiet_loaders

_SD1_TEXT = "cond_stage_model.transformer.text_model."
_SD2_TEXT = "cond_stage_model.model."
_XL_TEXT = "conditioner.embedders.0.transformer.text_model."
_XL_TEXT_2 = "conditioner.embedders.1.model."
_END, _ZERO = "<|endoftext|>", "!"

_OTHERS = (
    ("lora_", "a LoRA: give it with --lora beside a checkpoint"),
    ("unet.down_blocks.", "a LoRA or a U-Net alone: give the folder of the whole checkpoint"),
    ("control_model.", "a ControlNet: give a checkpoint"),
    ("double_blocks.", "a Flux transformer, another family"),
    ("model.diffusion_model.double_blocks.", "a Flux checkpoint, another family"),
    ("model.diffusion_model.joint_blocks.", "an SD 3.x in one file: give it as a folder in "
     "diffusers layout (`sonolume models fetch` does)"),
    ("down_blocks.", "a U-Net alone: give the folder of the whole checkpoint"),
    ("encoder.", "an autoencoder alone: give a checkpoint"),
)  # fmt: skip


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
        from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

        assert component == "unet", component
        config = unet_config(self._weights.facts)
        part = f"{self.name}: {component}"
        with named_errors(part):
            held = convert_ldm_unet_checkpoint(self._tensors(UNET), dict(config))
        return diffusers_network(
            class_name, config, HeldWeights(held), part, self.device, self.dtype
        )

    def autoencoder(self) -> Any:
        """Return the KL autoencoder."""
        from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

        if f"{VAE}decoder.conv_in.weight" not in self._weights.facts:
            raise ModelLoadError(
                f"{self._path} holds no autoencoder: run `sonolume models fetch taesd` (taesdxl "
                "for SDXL) and use --vae tiny"
            )
        config = vae_config(self._weights.facts, xl=self._xl)
        part = f"{self.name}: vae"
        with named_errors(part):
            held = convert_ldm_vae_checkpoint(self._tensors(VAE), config)
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
            config = open_clip_config(
                self._weights.facts, prefix, drop_last=prefix == _SD2_TEXT
            )
            tensors = _from_open_clip(tensors, prefix, part)
        else:
            config = clip_config(self._weights.facts, prefix)
            tensors = {name[len(prefix) :]: tensor for name, tensor in tensors.items()}
        encoder = clip_encoder(
            config, HeldWeights(tensors), part, self.device, self.dtype, projected=second
        )
        return tokenizer, encoder

    def _text_prefix(self, *, second: bool) -> str:
        wanted = (_XL_TEXT_2,) if second else (_XL_TEXT, _SD1_TEXT, _SD2_TEXT)
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


def family_of_file(path: Path) -> Family:
    """Return the family of a single file. Raises `ModelLoadError`, naming what else it is."""
    facts = read_weights_file(path).tensors
    if f"{UNET}input_blocks.0.0.weight" not in facts:
        for prefix, words in _OTHERS:
            if any(name.startswith(prefix) for name in facts):
                raise ModelLoadError(f"{path} is {words}")
        raise ModelLoadError(
            f"{path} is no checkpoint that Sonolume knows ({len(facts)} tensors, the first is "
            f"{next(iter(facts), 'none')}): SD 1.x, SD 2.x and SDXL files are"
        )
    return unet_family(_unet_config(path, facts), scheduler_of_file(path), str(path))


def scheduler_of_file(path: Path) -> dict[str, Any]:
    """Return `NAME.scheduler.json` beside `NAME.safetensors`, or what the file itself says.

    Newer files say in their metadata (`modelspec.prediction_type`) or by an empty tensor `v_pred`
    what they predict. None says how many steps it wants: taken for a few-step one, which a plain
    checkpoint becomes with an LCM or Hyper LoRA.
    """
    beside = path.with_suffix(".scheduler.json")
    if beside.is_file():
        return read_json(beside, "it is needed")
    file = read_weights_file(path)
    said = file.metadata.get("modelspec.prediction_type", "")
    predicts_v = "v_pred" in file.tensors or said in ("v", "v_prediction")
    return {
        "prediction_type": "v_prediction" if predicts_v else "epsilon",
        "rescale_betas_zero_snr": "ztsnr" in file.tensors,
        "timestep_spacing": "trailing",
    }


def notice_of_file(path: Path) -> str:
    """One line on what had to be assumed about a single file; empty where nothing was."""
    if path.with_suffix(".scheduler.json").is_file():
        return ""
    return (
        f"{path.name} does not say how many steps it wants: it paints in {FEW_STEPS.fresh_steps}; "
        "a plain checkpoint needs an LCM or Hyper LoRA for that (--lora)"
    )


def _unet_config(path: Path, facts: Facts) -> dict[str, Any]:
    try:
        return unet_config(facts)
    except (KeyError, StopIteration, IndexError, ValueError) as error:
        raise ModelLoadError(
            f"{path} has a U-Net of an unknown layout (no {error}): SD 1.x, SD 2.x and SDXL are known"
        ) from error


def _from_open_clip(tensors: dict[str, Tensor], prefix: str, part: str) -> dict[str, Tensor]:
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    class _Encoder:  # all that the conversion asks of the encoder
        class config:  # noqa: N801
            hidden_size = int(tensors[f"{prefix}token_embedding.weight"].shape[1])

    with named_errors(part):
        converted: dict[str, Tensor] = convert_open_clip_checkpoint(
            _Encoder(), tensors, prefix=prefix
        )
    return converted
