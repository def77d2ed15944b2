"""Models that Sonolume recommends, by short names; `sonolume models fetch NAME` fetches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["checkpoint", "autoencoder", "lora", "listener"]


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One repository of the hub, or one file of it."""

    name: str
    hub_id: str
    role: Role
    help: str
    file: str = ""
    """The one file that is wanted; empty: what its layout needs."""


KNOWN_MODELS: tuple[KnownModel, ...] = (
    KnownModel("sd-turbo", "stabilityai/sd-turbo", "checkpoint",
               "512x512 in one step; the standard for a GPU"),
    KnownModel("sdxl-turbo", "stabilityai/sdxl-turbo", "checkpoint",
               "richer pictures in one step, for 8 GB of GPU memory and more"),
    KnownModel("sdxs", "IDKiro/sdxs-512-dreamshaper", "checkpoint",
               "a third of the work of SD-Turbo, one step"),
    KnownModel("sd15", "stable-diffusion-v1-5/stable-diffusion-v1-5", "checkpoint",
               "the base of most LoRAs; in few steps with lcm-lora-sdv1-5"),
    KnownModel("lcm-dreamshaper", "SimianLuo/LCM_Dreamshaper_v7", "checkpoint",
               "an SD 1.5 of one to four steps"),
    KnownModel("sd3-medium", "stabilityai/stable-diffusion-3.5-medium", "checkpoint",
               "for pictures from raw sound; wants its licence accepted first"),
    KnownModel("taesd", "madebyollin/taesd", "autoencoder",
               "small and fast autoencoder for SD 1.x, SD 2.x and SDXS"),
    KnownModel("taesdxl", "madebyollin/taesdxl", "autoencoder",
               "small and fast autoencoder for SDXL"),
    KnownModel("taesd3", "madebyollin/taesd3", "autoencoder",
               "small and fast autoencoder for SD 3.x"),
    KnownModel("lcm-lora-sdv1-5", "latent-consistency/lcm-lora-sdv1-5", "lora",
               "makes any SD 1.5 paint in few steps"),
    KnownModel("lcm-lora-sdxl", "latent-consistency/lcm-lora-sdxl", "lora",
               "makes any SDXL paint in few steps"),
    KnownModel("hyper-sd15", "ByteDance/Hyper-SD", "lora",
               "makes any SD 1.5 paint in one step", "Hyper-SD15-1step-lora.safetensors"),
    KnownModel("hyper-sdxl", "ByteDance/Hyper-SD", "lora",
               "makes any SDXL paint in four steps", "Hyper-SDXL-4steps-lora.safetensors"),
    KnownModel("clap", "laion/clap-htsat-unfused", "listener",
               "hears what any words say (--listener clap)"),
)  # fmt: skip


_WAYS: dict[Role, str] = {
    "checkpoint": "a checkpoint: give it with --model",
    "autoencoder": "a small autoencoder: checkpoints of its family find it by themselves "
    "once it is fetched, or by --vae tiny",
    "lora": "a LoRA: give it with --lora beside a checkpoint",
    "listener": "a listener: give it with --listener clap",
}


def way_of(known: KnownModel) -> str:
    """Say what a model is and where it is given."""
    return f"{known.name} is {_WAYS[known.role]}"


def known_model(name: str) -> KnownModel | None:
    """Return what a short name or a hub id of the table stands for."""
    for known in KNOWN_MODELS:
        if name in (known.name, known.hub_id):
            return known
    return None
