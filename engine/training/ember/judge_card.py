"""The judge's model card, written with its figures by the stage that measured them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.scoring.judge_network import INPUT_PX, JudgeConfig

_LOWEST_SHOWN = 5


def judge_card(config: JudgeConfig, figures: Mapping[str, Any], *, seed: int) -> str:
    """Markdown for the folder that `save_judge` writes; `figures` as in its judge.json."""
    by_scene: Mapping[str, float] = figures["by_scene"]
    lowest = sorted(by_scene.items(), key=lambda item: item[1])[:_LOWEST_SHOWN]
    count, style = figures["held_out_pictures"], figures["style_accuracy"]
    return f"""# The judge of ember: model card

Names the scene{" and the style" if config.styles else ""} of a picture, for
`sonolume bench ember --quality`. It is independent of ember: it learned from painted pictures
alone, with seeds of its own, and never saw a picture of ember's. Licence: Apache-2.0.

A residual network of {figures["parameters"]:,} parameters that sees {INPUT_PX}x{INPUT_PX} pixels;
`model.safetensors` holds it in float16, `reference.safetensors` its {config.widths[-1]} features
of the held-out painted pictures, from which the Frechet distance and the diversity are measured.

## Data
Only pictures painted by this repository (`engine/training/ember/scenes`): {len(config.scenes)}
scenes{f", {len(config.styles)} styles with 'plain'" if config.styles else ""}; every twelfth
picture was held out. No photograph, no scraped picture, no person's work was used. In training,
pictures are zoomed, blurred, noised, quantised as JPEG and lit differently.

## Command
`sonolume train ember --stage judge --budget {figures["training_min"]:.0f} --seed {seed}`
after the stage `scenes`:
{figures["training_steps"]} steps, {figures["training_min"]} minutes.

## Figures
| figure | value |
|---|---|
| scene named rightly, {count} held-out pictures | {_percent(figures["scene_accuracy"])} |
| the same pictures worn as in training | {_percent(figures["scene_accuracy_worn"])} |
| style named rightly | {"no styles yet" if style is None else _percent(style)} |
| lowest scenes | {", ".join(f"{name} {_percent(share)}" for name, share in lowest)} |
"""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
