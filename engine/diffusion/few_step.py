"""Which LoRAs make few steps enough; read from what a file holds, never from its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_NOTES = re.compile(r"\b(lcm|hyper[ _-]?sd|lightning|turbo|dmd2?|tcd|pcm)\b", re.IGNORECASE)

_TIME_SHARE = 0.9


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
