"""What kind of checkpoint a folder holds, read from its configurations. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.errors import ModelLoadError

Kind = Literal["ember", "sd", "sdxl", "sd3"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a checkpoint wants to be called."""

    fresh_steps: int
    """Calls for a picture from pure noise."""
    guidance: float
    """Guidance it looks best with; 1 where it is distilled into the weights."""
    why: str
    """What in the checkpoint says so."""


PLAIN = Pace(8, 7.5, "its scheduler is that of a checkpoint of many steps")
_PLAIN_XL = Pace(8, 5.0, PLAIN.why)
FEW_STEPS = Pace(4, 1.0, "a few-step checkpoint")
"""Also what a few-step LoRA (LCM, Hyper, Turbo) makes of a plain one."""
_LCM = Pace(4, 8.0, "an LCM: guidance is an input of its U-Net")
_ONE_STEP = Pace(1, 1.0, "a U-Net without a middle, made for one step")
_PLAIN_FLOW = Pace(8, 5.0, "a flow-matching transformer")
EMBER_PACE = Pace(4, 1.0, "ember")


@dataclass(frozen=True, slots=True)
class Family:
    """What decides which bundle opens a checkpoint, and with which small autoencoder."""

    kind: Kind
    label: str
    """For people: `SD 1.x`, `SD 2.x`, `SDXS-class`, `SDXL`, `SD 3.x`, `ember`."""
    text_width: int
    """Width of the text its denoiser reads; 768 for SD 1.x, 1024 for SD 2.x (SD-Turbo)."""
    pace: Pace
    tiny: str
    """Name of the small autoencoder of its latent space; empty where there is none."""


_EMBER = Family("ember", "ember", 0, EMBER_PACE, "")
_KNOWN = "Sonolume paints with SD 1.x, SD 2.x (SD-Turbo), SDXS, SDXL, SD 3.x and ember"
_FEW_STEP_SCHEDULERS = ("LCMScheduler", "TCDScheduler")


def family_of_folder(folder: Path) -> Family:
    """Return the family of a folder in diffusers layout. Raises `ModelLoadError`."""
    if not (folder / "model_index.json").is_file():
        raise ModelLoadError(f"{folder} {_without_index(folder)}")
    index = read_json(folder / "model_index.json", "it is not in diffusers layout")
    class_name = str(index.get("_class_name"))
    if class_name == "Ember":
        return _EMBER
    if (folder / "unet").is_dir() or "unet" in index:
        unet = _config(folder, "unet")
        if unet.get("_class_name") == "UNet2DConditionModel":
            return unet_family(unet, _config(folder, "scheduler"), str(folder))
    if (folder / "transformer").is_dir() or "transformer" in index:
        transformer = _config(folder, "transformer")
        if transformer.get("_class_name") == "SD3Transformer2DModel":
            width = int(transformer.get("joint_attention_dim", 4096))
            return Family("sd3", "SD 3.x", width, _PLAIN_FLOW, "taesd3")
    part = "transformer" if class_name.startswith("StableDiffusion3") else "unet"
    if class_name.startswith("StableDiffusion") and not (folder / part).is_dir():
        raise ModelLoadError(f"{folder} has no folder {part}: fetch the whole checkpoint again")
    raise ModelLoadError(f"{folder} is a {class_name}, another family: {_KNOWN}")


def _without_index(folder: Path) -> str:
    """Say what a folder without `model_index.json` is, and the remedy."""
    lacks = "has no model_index.json: it is not in diffusers layout"
    inside = next(iter(sorted(folder.glob("*/model_index.json"))), None)
    if inside is None:
        inside = next(iter(sorted(folder.glob("snapshots/*/model_index.json"))), None)
    if inside is not None:
        return f"{lacks}, the folder {inside.parent} inside it is: give that one"
    weights = sorted(folder.glob("*.safetensors"))
    if (folder / "config.json").is_file():
        name = read_json(folder / "config.json", "").get("_class_name", "one network")
        return f"holds a {name} alone: give the folder of a whole checkpoint"
    if any("lora" in path.name for path in weights):
        return f"{lacks}, and {weights[0].name} looks like a LoRA: give it with --lora"
    if weights:
        return f"{lacks}: give one of its files, {weights[0]}"
    if any(folder.glob("*.ckpt")):
        return f"{lacks}, and pickles (.ckpt) are not read: give the checkpoint as .safetensors"
    return f"{lacks}: give the folder that model_index.json lies in, or a .safetensors file"


def unet_family(unet: Mapping[str, Any], scheduler: Mapping[str, Any], where: str) -> Family:
    """Return the family of a `UNet2DConditionModel` from its configuration."""
    channels = int(unet.get("in_channels", 4))
    if channels != 4:
        raise ModelLoadError(
            f"{where} takes {channels} latent channels, as for inpainting or depth; 4 are known: "
            "choose the plain checkpoint it was made from"
        )
    width = _first(unet.get("cross_attention_dim", 1280))
    pace = _unet_pace(unet, scheduler)
    if unet.get("addition_embed_type") == "text_time":
        if width == 1280:
            raise ModelLoadError(
                f"{where} is the SDXL refiner: it only finishes pictures; choose an SDXL base"
            )
        return Family("sdxl", "SDXL", width, _PLAIN_XL if pace is PLAIN else pace, "taesdxl")
    if unet.get("addition_embed_type") is not None:
        kind = unet["addition_embed_type"]
        raise ModelLoadError(f"{where} wants {kind!r} beside the text: {_KNOWN}")
    if _has_no_middle(unet):
        return Family("sd", "SDXS-class", width, pace, "taesd")
    label = "SD 1.x" if width == 768 else "SD 2.x" if width == 1024 else f"SD, text {width}"
    return Family("sd", label, width, pace, "taesd")


def read_json(path: Path, otherwise: str) -> dict[str, Any]:
    """Return the table in a JSON file; `otherwise` says what its absence means."""
    try:
        table = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelLoadError(f"{path.parent} has no {path.name}: {otherwise}") from error
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{path} is damaged: fetch the checkpoint again") from error
    if not isinstance(table, dict):
        raise ModelLoadError(f"{path} is damaged: fetch the checkpoint again")
    return table


def _config(folder: Path, component: str) -> dict[str, Any]:
    name = "scheduler_config.json" if component == "scheduler" else "config.json"
    lacks = f"the checkpoint's {component} is missing; fetch it again"
    return read_json(folder / component / name, lacks)


def _unet_pace(unet: Mapping[str, Any], scheduler: Mapping[str, Any]) -> Pace:
    """Few steps or many; no checkpoint says it in so many words.

    LCM U-Nets have an input for the guidance (`time_cond_proj_dim`); SDXS has no middle; LCM and
    TCD are schedulers of distilled models; SD-Turbo and SDXL-Turbo space their steps "trailing",
    so that one step begins at pure noise.
    """
    if unet.get("time_cond_proj_dim"):
        return _LCM
    if _has_no_middle(unet):
        return _ONE_STEP
    if scheduler.get("_class_name") in _FEW_STEP_SCHEDULERS:
        return FEW_STEPS
    if scheduler.get("timestep_spacing") == "trailing":
        return FEW_STEPS
    return PLAIN


def _has_no_middle(unet: Mapping[str, Any]) -> bool:
    return "mid_block_type" in unet and unet["mid_block_type"] is None


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, (list, tuple)) else value)
