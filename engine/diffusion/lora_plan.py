"""From files to changes of a model's layers: all that can be wrong is found before one changes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from engine.diffusion.few_step import is_few_step_lora
from engine.diffusion.lora_change import Change, Misfit, build_change
from engine.diffusion.lora_file import LoraFile, read_lora
from engine.diffusion.lora_keys import LoraKey, layer_table, read_key, unread_kind
from engine.errors import ModelLoadError
from engine.messages import LORA_SLOTS, LoraChoice

Networks = Mapping[str, nn.Module]
"""The networks of a model that LoRAs may change, by component: `unet`, `text_encoder`, ..."""

_FAMILIES = {768: "SD 1.x", 1024: "SD 2.x and SD-Turbo", 2048: "SDXL"}
"""Width of the text that a U-Net attends to -> who has it."""

_OF_TRANSFORMERS = re.compile("(joint|double|single)_(transformer_)?blocks")


@dataclass(frozen=True, slots=True)
class PlannedLora:
    """One LoRA, ready for one model."""

    name: str
    weight: float
    changes: tuple[tuple[str, nn.Linear | nn.Conv2d, Change], ...]
    """(component, layer, what is added to its weight at weight 1)."""
    few_step: bool
    """It was made so that few steps are enough (LCM, Hyper-SD and their like)."""


def plan_loras(
    networks: Networks, choices: Sequence[LoraChoice], model: str
) -> tuple[PlannedLora, ...]:
    """Read all files and find the layers they change; nothing is changed yet.

    `model` is what messages call it. Raises `ModelLoadError`. Diffusion thread only.
    """
    if len(choices) > LORA_SLOTS:
        raise ModelLoadError(f"{len(choices)} LoRAs are given; {LORA_SLOTS} at once are possible")
    tables = {name: layer_table(name, network) for name, network in networks.items()}
    return tuple(_planned(tables, choice, model) for choice in choices)


_Tables = Mapping[str, Mapping[str, nn.Linear | nn.Conv2d]]


def _planned(tables: _Tables, choice: LoraChoice, model: str) -> PlannedLora:
    file = read_lora(Path(choice.path))
    layers = _layers_of(file)
    made_for = _text_width({key: pieces for key, pieces in layers.items() if key[0] == "unet"})
    ours = _width_of(tables)
    missing = [name for part, name in layers if name not in tables.get(part, {})]
    if len(missing) == len(layers) or (made_for and ours and made_for != ours):
        raise ModelLoadError(_foreign(file, layers, made_for, model, ours))
    if missing:
        raise ModelLoadError(
            f"{file.name} does not fit {model}: {len(missing)} of its {len(layers)} layers are "
            f"not there ({missing[0]}): choose a LoRA made for this model"
        )
    changes: list[tuple[str, nn.Linear | nn.Conv2d, Change]] = []
    for (component, name), pieces in layers.items():
        layer = tables[component][name]
        try:
            change = build_change(pieces, layer.weight, file, component, name)
        except Misfit as error:
            raise ModelLoadError(
                f"{file.name} does not fit {model}: {error}: choose a LoRA made for this model"
            ) from error
        changes.append((component, layer, change))
    parts = {component: [n for c, n in layers if c == component] for component, _ in layers}
    few_step = is_few_step_lora(file.metadata, parts)
    return PlannedLora(file.name, choice.weight, tuple(changes), few_step)


def _layers_of(file: LoraFile) -> dict[tuple[str, str], dict[str, Tensor]]:
    """The tensors of a file by (component, layer) and part. Raises `ModelLoadError`."""
    layers: dict[tuple[str, str], dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in file.tensors.items():
        kind = unread_kind(name)
        if kind is not None:
            raise ModelLoadError(
                f"{file.name} holds {kind} ({name[:80]}); LoRA, LoHa and LoKr are read"
            )
        key: LoraKey | None = read_key(name)
        if key is None:
            raise ModelLoadError(
                f"{file.name} is no LoRA: nobody knows what {name[:80]} is; is it a whole model?"
            )
        layers[key.component, key.layer][key.part] = tensor
    if not layers:
        raise ModelLoadError(f"{file.name} is empty: it changes no layer")
    bare = all(name.startswith("base_model.") for name in file.tensors)
    if bare and not file.config:
        raise ModelLoadError(
            f"{file.name} does not say how strong it is: put peft's adapter_config.json, which "
            "holds its alpha, beside it"
        )
    return dict(layers)


def _foreign(
    file: LoraFile,
    layers: Mapping[tuple[str, str], object],
    made_for: int | None,
    model: str,
    ours: int | None,
) -> str:
    """Say what a LoRA is made for, and what the model is."""
    first = next(name for _, name in layers)
    whose = f"text width {made_for}" if made_for else f"a network with {first}"
    if made_for in _FAMILIES:
        whose = f"{_FAMILIES[made_for]} ({whose})"
    elif any(part == "transformer" or _OF_TRANSFORMERS.search(name) for part, name in layers):
        whose = "a transformer such as SD 3 or Flux"
    is_a = ""
    if ours is not None:
        is_a = f", and {model} has text width {ours}"
        if ours in _FAMILIES:
            is_a = f", and {model} is {_FAMILIES[ours]} ({ours})"
    return f"{file.name} is made for {whose}{is_a}: choose a LoRA made for {model}"


def _text_width(layers: Mapping[tuple[str, str], Mapping[str, Tensor]]) -> int | None:
    """How wide the text is that a file's U-Net attends to; None if it leaves that alone."""
    for (_, name), pieces in layers.items():
        inner = pieces.get("down", pieces.get("hada_w1_b"))
        if name.endswith("attn2_to_k") and inner is not None:
            return int(inner.shape[1])
    return None


def _width_of(tables: _Tables) -> int | None:
    for name, layer in tables.get("unet", {}).items():
        if name.endswith("attn2_to_k"):
            return int(layer.weight.shape[1])
    return None
