"""Any checkpoint by folder, file or hub id; its family is read from its files, never its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from engine.diffusion.bundle import Bundle
from engine.diffusion.device import choose_device, choose_dtype, set_threads
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.memory import free_memory
from engine.diffusion.models.components import Components, Parts
from engine.diffusion.models.ember.bundle import open_ember_folder
from engine.diffusion.models.family import Family
from engine.diffusion.models.memory_need import check_memory, memory_need
from engine.diffusion.models.sd3 import Sd3Bundle
from engine.diffusion.models.single_file import SingleFile
from engine.diffusion.models.single_file_family import notice_of_file
from engine.diffusion.models.source import checkpoint_family, checkpoint_path
from engine.diffusion.models.stable_diffusion import StableDiffusionBundle
from engine.diffusion.models.tiny_vae import VaeChoice, choose_vae, own_vae_class
from engine.diffusion.runners.choose import choose_frames
from engine.errors import ModelLoadError
from engine.registry import AUTO_RUNNER, NO_GUIDES, Guides, ModelRequest

_RUNNERS = ("eager", "graph", "compile", AUTO_RUNNER)


@torch.inference_mode()
def open_checkpoint(request: ModelRequest) -> FeedbackModel:
    """Open a folder in diffusers layout, a single file, or what was fetched of the hub.

    Raises `ModelLoadError` before anything is loaded where that can be known, of memory too.
    """
    path = checkpoint_path(request.name)
    family = checkpoint_family(path)
    if family.kind == "ember":
        return open_ember_folder(path, request)
    if request.runner not in _RUNNERS:
        raise ModelLoadError(
            f"{request.name[:120]} runs on {', '.join(_RUNNERS)}: {request.runner} is ember's"
        )
    if request.dtype == "int8":
        raise ModelLoadError("int8 is ember's: paint with auto, float32 or bfloat16")
    device = choose_device(request.device)
    if device.type == "cpu":
        set_threads(request.threads)
    dtype = choose_dtype(request.dtype, device, half_on_cpu=True)
    vae = choose_vae(family, path, request.vae, own_vae_class(path))
    _check_fits(path, family, vae, device, dtype, request)
    bundle = _open_bundle(path, family, vae, device, dtype, request.guides)
    notices = [vae.notice, notice_of_file(path) if path.is_file() else ""]
    notice = "; ".join(line for line in notices if line)
    frames = choose_frames(replace(request, name=str(path)), bundle)
    return FeedbackModel(
        bundle, request.width, request.height, frames, live=request.live, notice=notice
    )


def _open_bundle(
    path: Path, family: Family, vae: VaeChoice, device: torch.device, dtype: torch.dtype,
    guides: Guides,
) -> Bundle:  # fmt: skip
    if family.kind == "sd3":
        if guides.controlnet or guides.ip_adapter:
            raise ModelLoadError(
                f"{path.name} is an SD 3.x: ControlNets and IP-Adapters lead U-Nets only; "
                "leave them out, --structure alone steers every model"
            )
        return Sd3Bundle(Components(path, device, dtype), family, vae.folder)
    opener = Components if path.is_dir() else SingleFile
    parts: Parts = opener(path, device, dtype)
    return StableDiffusionBundle(parts, family, vae.folder, guides)


def _check_fits(
    path: Path,
    family: Family,
    vae: VaeChoice,
    device: torch.device,
    dtype: torch.dtype,
    request: ModelRequest,
) -> None:
    size = (request.width, request.height)
    need = memory_need(path, family, vae.folder, dtype.itemsize, size, request.guides)
    remedies = ["--model-size with fewer pixels"] if need.painting > need.weights / 4 else []
    if dtype == torch.float32 and device.type == "cpu":
        remedies.append("--dtype bfloat16 (render)")
    if request.guides != NO_GUIDES:
        remedies.append("leave --controlnet and --ip-adapter out")
    remedies += ["close other programs", "choose a smaller model, ember takes 0.2 GB"]
    check_memory(request.name[:120], need, free_memory(device.type), remedies)
