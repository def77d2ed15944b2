"""Any checkpoint by folder or hub id; its family is read from its files, never its name."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import torch

from engine.diffusion.device import choose_device, choose_dtype, set_threads
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.ember.bundle import open_ember_folder
from engine.diffusion.models.stable_diffusion import StableDiffusionBundle
from engine.diffusion.runners.choose import choose_frames
from engine.errors import ModelLoadError
from engine.registry import AUTO_RUNNER, ModelRequest

logger = logging.getLogger(__name__)

_RUNNERS = ("eager", "graph", "compile", AUTO_RUNNER)

_FAMILIES = {
    "StableDiffusionPipeline": "sd",
    "StableDiffusionImg2ImgPipeline": "sd",
    "LatentConsistencyModelPipeline": "sd",
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusionXLImg2ImgPipeline": "sdxl",
    "Ember": "ember",
}


@torch.inference_mode()
def open_checkpoint(request: ModelRequest) -> FeedbackModel:
    """Open a folder or hub id in diffusers layout. Raises `ModelLoadError`."""
    folder = checkpoint_folder(request.name)
    family = checkpoint_family(folder)
    if family == "ember":
        return open_ember_folder(folder, request)
    if request.runner not in _RUNNERS:
        raise ModelLoadError(
            f"{request.name[:120]} does not run on {request.runner}, which is ember's: "
            f"use {', '.join(_RUNNERS)}"
        )
    device = choose_device(request.device)
    if device.type == "cpu":
        set_threads(request.threads)
    dtype = choose_dtype(request.dtype, device, half_on_cpu=True)
    bundle = StableDiffusionBundle(
        folder, device, dtype, xl=family == "sdxl", guides=request.guides
    )
    frames = choose_frames(replace(request, name=str(folder)), bundle)
    return FeedbackModel(bundle, request.width, request.height, frames, live=request.live)


def checkpoint_folder(name: str) -> Path:
    """Return the local folder of a checkpoint, fetching a hub id when the network allows."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_file():
        raise ModelLoadError(
            f"{name} is a file: give the folder that holds model_index.json, or a hub id"
        )
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ModelLoadError(
            f"no model {name!r}: it is no known name, folder or hub id; "
            "`sonolume models list` shows what there is"
        )
    return _fetch(name)


def checkpoint_family(folder: Path) -> str:
    """Return `ember`, `sd` or `sdxl` from `model_index.json`. Raises `ModelLoadError`."""
    index = folder / "model_index.json"
    try:
        class_name = json.loads(index.read_text("utf-8")).get("_class_name")
    except FileNotFoundError as error:
        raise ModelLoadError(
            f"{folder} has no model_index.json: it is not in diffusers layout"
        ) from error
    except (ValueError, AttributeError) as error:
        raise ModelLoadError(f"{index} is damaged: fetch the checkpoint again") from error
    family = _FAMILIES.get(str(class_name))
    if family is None:
        known = ", ".join(sorted(set(_FAMILIES.values())))
        raise ModelLoadError(f"{folder} is a {class_name}; Sonolume paints with {known}")
    return family


def _fetch(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                hub_id,
                allow_patterns=["*.json", "*.txt", "*.model", "*/*.safetensors"],
                ignore_patterns=["*.bin", "*.ckpt", "safety_checker/*", "feature_extractor/*"],
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        reason = first.removeprefix("Got: ")[:120]
        raise ModelLoadError(
            f"{hub_id} is not on this machine and cannot be fetched ({reason}): "
            "check the id and the network, or give a folder"
        ) from error
