"""Where in a picture a sound is seen, and how ember paints it there without having heard anything.

Ember paints either of two prompts crisply and their mixture badly. So its two answers, to the
scene and to what the sound shows, are laid beside each other in latent space at every call: storms
in the sky, fire and water on the ground, animals in the middle, rain everywhere (after
MultiDiffusion, Bar-Tal et al. 2023). It costs every call twice; the adapter learns to do the same
in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import smoothstep

SKY, GROUND, MIDDLE, EVERYWHERE = "sky", "ground", "middle", "everywhere"


@dataclass(frozen=True, slots=True)
class Sight:
    """How a sound is seen."""

    prompt: str
    """What it shows, for ember."""
    where: str
    mood: float = 0.1
    """How far the scene's own prompt leans towards it: under a storm the land is dark too."""


SIGHT_OF: Mapping[str, Sight] = MappingProxyType(
    {
        "thunder": Sight("lightning strikes from dark clouds", SKY, 0.3),
        "rain": Sight("rain drops on a window", EVERYWHERE, 0.15),
        "waves": Sight("ocean waves", GROUND),
        "fire": Sight("a wall of fire", GROUND, 0.15),
        "rooster": Sight("a rooster on a fence", MIDDLE),
        "birds": Sight("birds flying at sunset", SKY),
        "helicopter": Sight("a helicopter before the setting sun", SKY),
        "bells": Sight("church bells", MIDDLE),
        "dog": Sight("a dog sitting in the evening sun", MIDDLE),
        "baby": Sight("a baby asleep in its cradle", MIDDLE),
        "clock": Sight("an old clock with hands", MIDDLE),
        "chainsaw": Sight("a chainsaw cutting a log", MIDDLE),
        "train": Sight("a steam locomotive on its rails", GROUND),
        "wind": Sight("the wind in a field of tall grass", GROUND),
        "crowd": Sight("a concert crowd with raised hands", GROUND),
        "drums": Sight("a drum set in stage light", MIDDLE),
        "guitar": Sight("a guitar on stage", MIDDLE),
        "piano": Sight("a grand piano", MIDDLE),
        "synthesiser": Sight("a synth with glowing knobs", GROUND),
        "voice": Sight("a lighthouse and its beam at night", MIDDLE, 0.3),
    }
)
"""Label of the listener's bank -> how it is seen."""


OFTEN = ("thunder", "rain", "waves", "fire", "rooster", "rooster")
"""Labels that come five times as often as the rest; of the rooster most is to be learnt."""
LANDS = (
    "forest", "skyline", "waves", "mountains", "dunes", "castle", "sunset", "lighthouse", "tree",
    "winter cabin", "bridge", "volcano", "cloud_sea", "moon", "flower", "waterfall",
)  # fmt: skip
"""Places, where sounds are heard, come three times as often as other scenes."""


def region(where: str, height: int, width: int) -> Tensor:
    """How much of each place is the sound's, `(height, width)` in [0, 1]."""
    y = torch.linspace(1.0, -1.0, height)[:, None].expand(height, width)
    x = torch.linspace(-1.0, 1.0, width)[None].expand(height, width)
    if where == SKY:
        return smoothstep(-0.25, 0.4, y)
    if where == GROUND:
        return smoothstep(-0.1, -0.5, y)
    if where == MIDDLE:
        return smoothstep(1.05, 0.6, ((x / 0.75) ** 2 + ((y + 0.1) / 0.9) ** 2).sqrt())
    if where == EVERYWHERE:
        return torch.full((height, width), 0.42)
    raise ValueError(f"no region {where!r}")
