"""Draws what people call a scene to where the text encoder has the painters' own phrases.

The flow's loss tells the text encoder little: any place that the U-Net can tell apart will do. So
words that are in no caption ended anywhere (Nov 2026: the plain sum of word vectors named the
scene of 72 % of foreign phrases, the encoder on top of it of 65 %). Here an alias has to lie
nearer to a phrase of its own scene than to those of others, as in CLIP (Radford et al. 2021), but
only the alias is moved:

    L = -log softmax_j(cos(z_i - m, p_j - m) / τ)_i,    m = mean_j p_j,

for the pooled vector and for the slots. The same with the names of all styles, added
to one and the same scene. Half of the aliases say something more that cannot be seen, which must
not lead them astray.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.models.ember.text import TextEncoder
from engine.training.ember.aliases import ALIASES, BEFORE, REMARKS, STYLE_ALIASES
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.styles.gallery import STYLES
from engine.training.ember.words import look_up

_TEMPERATURE = 0.1
_ASIDE_SHARE = 0.5
_PHRASE_SHARE = 0.2
"""How often a phrase stands for its scene instead of an alias, so that none drifts away."""


def meaning_loss(
    text: TextEncoder,
    rng: np.random.Generator,
    generator: torch.Generator,
    *,
    scenes: int,
    word_noise: float,
    teacher: TextEncoder,
) -> Tensor:
    """Cross-entropy of aliases of so many scenes, and of all styles; a scalar with gradient.

    The places are those of `teacher`.
    """
    of_scenes = _scene_names(rng, scenes)
    of_styles = _style_names(rng)
    named, called = ([*a, *b] for a, b in zip(of_scenes, of_styles, strict=True))
    with torch.no_grad():
        places = _meanings(teacher, named, 0.0, generator)
    moved = _meanings(text, called, word_noise, generator)
    parts = (slice(0, scenes), slice(scenes, None))
    losses = [
        _loss(z[part], p[part]) for part in parts for z, p in zip(moved, places, strict=True)
    ]
    return torch.stack(losses).sum()


def likeness(vectors: Tensor, places: Tensor) -> Tensor:
    """Cosines `(n, k)` of vectors `(n, d)` and places `(k, d)`, seen from the places' middle."""
    middle = places.mean(dim=0)
    return F.normalize(vectors - middle, dim=1) @ F.normalize(places - middle, dim=1).T


def _loss(vectors: Tensor, places: Tensor) -> Tensor:
    own = torch.arange(len(places), device=places.device)
    return F.cross_entropy(likeness(vectors, places) / _TEMPERATURE, own)


def _scene_names(rng: np.random.Generator, scenes: int) -> tuple[list[str], list[str]]:
    """For each of some scenes a phrase, and an alias or another phrase."""
    names = list(rng.choice(list(SCENES), scenes, replace=False))
    phrases = [_pick(rng, SCENES[name].phrases) for name in names]
    called = [
        _pick(rng, SCENES[name].phrases if rng.random() < _PHRASE_SHARE else ALIASES[name])
        for name in names
    ]
    return phrases, [_with_aside(rng, name) for name in called]


def _with_aside(rng: np.random.Generator, name: str) -> str:
    return f"{name} {_pick(rng, REMARKS)}" if rng.random() < _ASIDE_SHARE else name


def _style_names(rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """A scene in every style and in none, in the styles' phrases and in other words."""
    scene = _pick(rng, SCENES[_pick(rng, list(SCENES))].phrases)
    phrases, called = [scene], [scene]
    for style in STYLES.values():
        phrases.append(_joined(scene, _pick(rng, style.phrases)))
        own = rng.random() < _PHRASE_SHARE
        names = style.phrases if own else STYLE_ALIASES[style.name]
        called.append(_joined(scene, _pick(rng, names)))
    return phrases, [_with_aside(rng, name) for name in called]


def _joined(scene: str, style: str) -> str:
    return f"{style} {scene}" if style.endswith(BEFORE) else f"{scene}, {style}"


def _meanings(
    text: TextEncoder, prompts: Sequence[str], noise: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Pooled vectors `(n, width)` and slots `(n, slots x width)`, float32."""
    words, counts = look_up(text, prompts, noise, generator, text.start.device)
    tokens, pooled = text(words, counts)
    return pooled.float(), tokens.float().flatten(1)


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]
