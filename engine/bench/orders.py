"""Pictures that are painted to order, for the judge: what is asked for, and the painting of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from engine.diffusion.bundle import Bundle, PromptEmbedding
from engine.diffusion.fresh import paint_fresh
from engine.scoring.held_out_phrases import (
    FOREIGN_PHRASES,
    FOREIGN_STYLES,
    HELD_OUT_COMPOSITIONS,
    HELD_OUT_PHRASES,
    HELD_OUT_STYLES,
)
from engine.scoring.judge import Judge, shrink

if TYPE_CHECKING:
    from torch import Tensor

STEPS = (1, 2, 4)
THUMBNAIL_PX = 128

_LOOK_AT = 16

Kind = Literal["plain", "style", "composition", "foreign", "foreign style"]


@dataclass(frozen=True, slots=True)
class Order:
    """One picture to paint."""

    prompt: str
    scene: str
    style: str | None
    """None where the prompt names no style."""
    seed: int
    """Of its noise."""
    kind: Kind = "plain"
    """What the prompt is a test of."""


@dataclass(slots=True)
class Painted:
    """Pictures of one number of calls, one per order."""

    features: list[NDArray[np.float32]] = field(default_factory=list)
    thumbnails: list[NDArray[np.uint8]] = field(default_factory=list)


def orders_for(
    scenes: Sequence[str], styles: Sequence[str], pictures: int, seed: int
) -> list[Order]:
    """What to paint: `pictures` per scene, its phrasings in turn, and `pictures` per style.

    So are compositions of two things, and half as many again phrasings in foreign words, of scenes
    and of styles.

    Scenes and styles without a held-out phrasing are left out. The noise of a picture depends on
    its scene, its style, its number and `seed` only.
    """
    composed = [scene for scene in scenes if scene in HELD_OUT_COMPOSITIONS]
    scenes = [scene for scene in scenes if scene in HELD_OUT_PHRASES]
    styles = [style for style in styles if style in HELD_OUT_STYLES]

    def of_scenes(
        phrases: Mapping[str, tuple[str, ...]], kind: Kind, count: int
    ) -> Iterator[Order]:
        for scene in scenes:
            for k in range(count):
                prompt = phrases[scene][k % len(phrases[scene])]
                yield Order(prompt, scene, None, seed_of(seed, scene, kind, k), kind)

    def of_styles(templates: Mapping[str, str], kind: Kind, count: int) -> Iterator[Order]:
        for style in styles:
            for k, scene in enumerate(_scenes_for(style, scenes, count, seed)):
                prompt = templates[style].format(HELD_OUT_PHRASES[scene][k % 2])
                yield Order(prompt, scene, style, seed_of(seed, scene, style, kind, k), kind)

    orders = [
        *of_scenes(HELD_OUT_PHRASES, "plain", pictures),
        *of_styles(HELD_OUT_STYLES, "style", pictures),
    ]
    for scene in composed:
        prompt, kind = HELD_OUT_COMPOSITIONS[scene], "composition"
        orders += [
            Order(prompt, scene, None, seed_of(seed, scene, kind, k), "composition")
            for k in range(pictures)
        ]
    return [
        *orders,
        *of_scenes(FOREIGN_PHRASES, "foreign", pictures // 2),
        *of_styles(FOREIGN_STYLES, "foreign style", pictures // 2),
    ]


def _scenes_for(style: str, scenes: Sequence[str], count: int, seed: int) -> list[str]:
    """Scenes far apart in the list, others for every style."""
    start = seed_of(seed, style, "start", 0)
    return [scenes[(start + k * max(1, len(scenes) // count)) % len(scenes)] for k in range(count)]


def paint(bundle: Bundle, noises: Sequence[Tensor], prompt: PromptEmbedding) -> NDArray[np.uint8]:
    """Paint `(h, w, 3)` from noise, one call for each, as the program begins a show."""
    latent = paint_fresh(bundle, noises, prompt, bundle.natural_guidance)
    picture = bundle.decode(latent)[0].clamp(-1.0, 1.0).add(1.0).mul(127.5).round()
    levels: NDArray[np.uint8] = picture.permute(1, 2, 0).byte().cpu().numpy()
    return levels


def paint_all(
    bundle: Bundle, size: tuple[int, int], judge: Judge, orders: Sequence[Order]
) -> dict[int, Painted]:
    """Paint every order with every number of calls and look at it."""
    import torch
    from tqdm import tqdm

    done = {steps: Painted() for steps in STEPS}
    waiting: dict[int, list[NDArray[np.uint8]]] = {steps: [] for steps in STEPS}
    shape = bundle.latent_shape(*size)
    with torch.inference_mode():
        for k, order in enumerate(tqdm(orders, desc="quality", unit="prompt", disable=None), 1):
            generator = torch.Generator().manual_seed(order.seed)
            noises = [
                torch.randn(shape, generator=generator).to(bundle.device)
                for _ in range(max(STEPS))
            ]
            prompt = bundle.encode_prompt(order.prompt)
            for steps in STEPS:
                waiting[steps].append(paint(bundle, noises[:steps], prompt))
                if len(waiting[steps]) == _LOOK_AT or k == len(orders):
                    batch = np.stack(waiting[steps])
                    waiting[steps].clear()
                    done[steps].features.append(judge.look(batch).features)
                    done[steps].thumbnails += [shrink(picture, THUMBNAIL_PX) for picture in batch]
    return done


def seed_of(seed: int, *parts: str | int) -> int:
    """A number in [0, 2^32) that depends on all of these."""
    return crc32(repr((seed, *parts)).encode())
