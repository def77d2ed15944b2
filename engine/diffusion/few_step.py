"""Which checkpoints paint in few steps, which need help, and which LoRAs give it.

Everything here is read from configurations and from what a file holds, never from its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MANY_STEP_SCHEDULERS = frozenset(
    {
        "DDIMScheduler", "DDPMScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler",
        "DPMSolverSinglestepScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler",
        "LMSDiscreteScheduler", "PNDMScheduler", "UniPCMultistepScheduler",
    }
)  # fmt: skip
"""Samplers that few-step models do not ship with; those come with Euler in trailing spacing
(SD-Turbo, SDXL-Turbo), LCM or TCD."""

_NOTES = re.compile(r"\b(lcm|hyper[ _-]?sd|lightning|turbo|dmd2?|tcd|pcm)\b", re.IGNORECASE)

_TIME_SHARE = 0.9


def many_step_guidance(unet: Mapping[str, Any], scheduler: Mapping[str, Any]) -> float | None:
    """Guidance of SD 1.x, SD 2.x (7.5) and SDXL (5) as they were trained, after their pipelines.

    By the configurations of U-Net and scheduler; None for what was distilled to few steps, and for
    what is not known.
    """
    blocks = tuple(unet.get("block_out_channels", ()))
    released = blocks in ((320, 640, 1280, 1280), (320, 640, 1280))
    whole = unet.get("layers_per_block") == 2 and unet.get("mid_block_type", "") is not None
    if not (released and whole) or unet.get("time_cond_proj_dim"):
        return None
    sampler = str(scheduler.get("_class_name"))
    euler = sampler in ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")
    untrailed = scheduler.get("timestep_spacing") in ("leading", "linspace")
    if sampler not in MANY_STEP_SCHEDULERS and not (euler and untrailed):
        return None
    return 5.0 if len(blocks) == 3 else 7.5


def is_few_step_lora(metadata: Mapping[str, str], layers: Mapping[str, Sequence[str]]) -> bool:
    """Guess whether a LoRA makes few steps enough, by its notes or by what it changes.

    `layers` are its layers by component. LCM-LoRA and Hyper-SD change every layer of the U-Net,
    the small ones that read the time too, and no text encoder: a distillation has to, a style has
    no reason to. A wrong guess costs a line of advice and, on a checkpoint of many steps, sets the
    guidance wrong, which `diffusion/guidance` can put right.
    """
    said = (metadata.get(key, "") for key in ("modelspec.title", "ss_output_name", "title"))
    if any(_NOTES.search(text.replace("_", " ")) for text in said):
        return True
    if set(layers) != {"unet"}:
        return False
    names = layers["unet"]
    timed = sum(name.endswith(("time_emb_proj", "emb_layers_1")) for name in names)
    residual = sum(name.endswith(("conv1", "in_layers_2")) for name in names)
    attending = sum(name.endswith("attn2_to_k") for name in names)
    return bool(attending) and timed >= _TIME_SHARE * residual > 0
