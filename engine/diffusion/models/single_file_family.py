"""What kind of checkpoint a single `.safetensors` file is. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.diffusion.models.family import FEW_STEPS, Family, read_json, unet_family
from engine.diffusion.models.ldm_config import UNET, Facts, unet_config
from engine.errors import ModelLoadError
from engine.weights_file import Header, read_weights_file

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


def family_of_file(path: Path) -> Family:
    """Return the family of a single file. Raises `ModelLoadError`, naming what else it is."""
    file = read_weights_file(path)
    return _family(file.tensors, scheduler_of_file(path), str(path))


def family_of_header(header: Header, where: str) -> Family:
    """Return the family of a file of which only the header is here. Raises `ModelLoadError`."""
    return _family(header.tensors, _said_scheduler(header.tensors, header.metadata), where)


def _family(facts: Facts, scheduler: Mapping[str, Any], where: str) -> Family:
    if f"{UNET}input_blocks.0.0.weight" not in facts:
        for prefix, words in _OTHERS:
            if any(name.startswith(prefix) for name in facts):
                raise ModelLoadError(f"{where} is {words}")
        raise ModelLoadError(
            f"{where} is no checkpoint that Sonolume knows ({len(facts)} tensors, the first is "
            f"{next(iter(facts), 'none')}): SD 1.x, SD 2.x and SDXL files are"
        )
    return unet_family(_unet_config(where, facts), scheduler, where)


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
    return _said_scheduler(file.tensors, file.metadata)


def _said_scheduler(facts: Facts, metadata: Mapping[str, str]) -> dict[str, Any]:
    said = metadata.get("modelspec.prediction_type", "")
    predicts_v = "v_pred" in facts or said in ("v", "v_prediction")
    return {
        "prediction_type": "v_prediction" if predicts_v else "epsilon",
        "rescale_betas_zero_snr": "ztsnr" in facts,
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


def _unet_config(where: str, facts: Facts) -> dict[str, Any]:
    try:
        return unet_config(facts)
    except (KeyError, StopIteration, IndexError, ValueError) as error:
        raise ModelLoadError(
            f"{where} has a U-Net of an unknown layout (no {error}): SD 1.x, SD 2.x and SDXL have "
            "others"
        ) from error
