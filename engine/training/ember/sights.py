"""What a sound lets be seen in a picture of something else: thunder over a forest, rain on a city.

A sight is laid over a finished picture of another scene, which stays recognisable below it. It is
drawn by the functions its own scene is drawn with, in linear light, and takes its colours from the
picture where it has none of its own. Labels are those of the listener's bank.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from engine.training.ember import flyers, foregrounds
from engine.training.ember.compositions import to_light
from engine.training.ember.foregrounds import Foreground, air, canvas_of
from engine.training.ember.scenes import fields, palettes
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.scenes.city import rain_drops
from engine.training.ember.scenes.fire import FLAMES, fire_sparks
from engine.training.ember.scenes.fowl import rooster_at
from engine.training.ember.scenes.sky import lightning

_NIGHT = ("#8fa4ff", "#2b3354", "#0c0f1c")
"""Of a storm: lightning's halo, cloud, what lies in its shadow."""


def thunder(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """Dark clouds, lightning down to the ground; the land is dark and lit by it."""
    x, y, aspect = canvas_of(light)
    batch = light.shape[0]
    flash, cloudy, shadow = (palettes.rgb(code).to(light) for code in _NIGHT)
    strike = fields.uniform(generator, batch, -0.6, 0.6) * aspect
    base = fields.uniform(generator, batch, 0.25, 0.5)
    near = fields.glow(fields.sdf_circle((x - strike) * 0.7, y - base + 0.2, 0.0), 0.8)
    grey = light.mean(1, keepdim=True)
    level = 0.16 / grey.mean((2, 3), keepdim=True).clamp(min=0.05)
    cold = (flash + 0.15).view(1, 3, 1, 1)
    dark = (0.45 * light + 0.55 * grey * cold) * level.clamp(max=1.0)
    light = dark * (0.35 + 1.1 * near).unsqueeze(1) + 0.02 * shadow.view(1, 3, 1, 1)
    tile = fields.texture(generator, batch, 256, cells=4, octaves=5, gain=0.55)
    u, v = x * 0.12 + 0.04 * x * y, y * 0.2
    bend = fields.sample(tile, u * 0.7, v * 0.7)
    cloud = fields.sample(tile, u + 0.06 * bend, v + 0.05 * bend).abs()
    under = fields.sample(tile, u + 0.06 * bend, v + 0.05 * bend + 0.02).abs()
    relief = (0.5 + 1.8 * (under - cloud)).clamp(0.0, 1.3)
    ceiling = fields.smoothstep(base - 0.45, base + 0.1, y + 0.4 * (cloud - 0.4))
    mass = (0.16 + 1.25 * near) * relief
    light = fields.over(light, palettes.paint_flat(cloudy.expand(batch, 3), mass), 0.92 * ceiling)
    reach = fields.uniform(generator, batch, -0.6, -0.2)
    bolts = lightning(generator, x, y, strike, base, reach, torch.rand(batch, generator=generator))
    halo = (
        fields.blur(bolts.unsqueeze(1), 0.03) * 1.1 + fields.blur(bolts.unsqueeze(1), 0.12) * 1.6
    )
    glare = 0.5 * (1.0 + flash).expand(batch, 3)
    return light + palettes.paint_flat(glare, bolts + halo.squeeze(1))


def rain(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """The picture seen through a wet pane: soft, dim, drops that hold it upside down, streaks."""
    x, y, _ = canvas_of(light)
    batch = light.shape[0]
    amount = fields.uniform(generator, batch, 0.55, 1.0)
    grey = light.mean(1, keepdim=True)
    blue = palettes.rgb("#7f93b8").to(light).view(1, 3, 1, 1)
    light = 0.75 * (0.6 * light + 0.4 * grey * (0.4 + blue))
    soft = fields.blur(light, 0.014)
    streaks = fields.fbm(
        generator, batch, *light.shape[-2:], cells=9.0, octaves=3, gain=0.8, stretch=0.08
    )
    lit = soft.mean((1, 2, 3)).view(-1, 1, 1)
    soft = soft + palettes.paint_flat(
        blue.view(1, 3).expand(batch, 3), (0.5 * lit + 0.02) * streaks.clamp(min=0.0)
    )
    return rain_drops(generator, soft, x, y, amount)


def waves(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """Water in the lower half, the picture mirrored in its waves."""
    return foregrounds.sea(light, colour, generator)


def fire(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """Flames along the ground as high as half the picture, everything lit by them."""
    x, y, _ = canvas_of(light)
    batch = light.shape[0]
    stops = palettes.pick(FLAMES, 0.2 * colour)
    tall = fields.uniform(generator, batch, 0.75, 1.25)
    wild = fields.uniform(generator, batch, 0.5, 1.2)
    tile = fields.texture(generator, batch, 256, cells=4, octaves=4, gain=0.48)
    rise = (y + 1.0) / tall
    sway = fields.sample(tile, x * 0.08, rise * 0.16 + 0.5)
    u, v = x * 0.24 + 0.05 * wild * sway, rise * 0.19
    tongues = fields.sample(tile, u, v)
    curls = fields.sample(tile, u * 2.1 + 0.05 * wild * tongues, v * 1.6 + 0.05 * tongues)
    ridge = 1.0 - (1.6 * fields.sample(tile, u + 0.3, v * 0.7 + 0.6)).abs()
    heat = (0.75 - 0.8 * rise + 0.4 * tongues + 0.28 * curls + 0.34 * ridge - 0.12).clamp(0.0, 1.0)
    glow = palettes.paint_flat(stops[:, 2], fields.smoothstep(1.2, -0.8, y).expand_as(heat))
    grey = light.mean(1, keepdim=True)
    light = 0.45 * light + 0.5 * grey * glow + 0.06 * glow
    flames = palettes.ramp(stops, heat, (0.0, 0.2, 0.45, 0.72, 1.0))
    light = fields.over(
        light, flames * (0.5 + 0.9 * heat).unsqueeze(1), fields.smoothstep(0.05, 0.3, heat)
    )
    sparks = fire_sparks(generator, x, y, 0.0 * tall - 0.6, 0.0 * tall + 2.0, 0.0 * tall + 0.8)
    return light + palettes.paint_flat(stops[:, 3], sparks)


def rooster(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """A rooster on a rail in front."""
    x, y, aspect = canvas_of(light)
    sky = air(light)
    return rooster_at(light, (x, y), aspect, colour, 0.5 * sky[:, 0] + 0.1, generator)


SIGHTS: Mapping[str, Foreground] = MappingProxyType(
    {
        "thunder": thunder, "rain": rain, "waves": waves, "fire": fire, "rooster": rooster,
        "birds": flyers.birds, "helicopter": flyers.helicopter, "bells": foregrounds.church,
        "voice": foregrounds.lighthouse,
    }
)  # fmt: skip
"""Label -> how its sight is laid over a picture."""

OWN_SCENE: Mapping[str, str] = MappingProxyType(
    {
        "thunder": "storm", "rain": "rain", "waves": "waves", "fire": "flames",
        "rooster": "rooster", "birds": "birds", "helicopter": "helicopter", "bells": "bells",
        "dog": "dog", "baby": "baby", "clock": "clock", "chainsaw": "chainsaw",
        "train": "steam train", "wind": "wind", "crowd": "crowd", "drums": "drums",
        "guitar": "guitar", "piano": "grand piano", "synthesiser": "synthesiser",
        "voice": "lighthouse",
    }
)  # fmt: skip
"""Label -> the scene that shows that sound alone."""


def lay_sight(label: str, light: Tensor, generator: torch.Generator) -> Tensor:
    """Lay the sight of a label of `OWN_SCENE` over pictures in linear light `(b, 3, h, w)`.

    What has no sight of its own stands in front: its scene fills the lower part. `light` may be
    written to.
    """
    colour = torch.rand(light.shape[0], generator=generator)
    if label in SIGHTS:
        return SIGHTS[label](light, colour, generator)
    scene = SCENES[OWN_SCENE[label]]
    values = {a.name: torch.rand(colour.shape, generator=generator) for a in scene.attributes}
    height, width = light.shape[-2:]
    own = to_light(scene.paint(values, generator, height, width))
    _, y = fields.canvas(height, width, light.device)
    ragged = fields.fbm(
        generator, light.shape[0], height, width, cells=2.5, octaves=4, stretch=1.6
    )
    return fields.over(light, own, fields.smoothstep(0.12, -0.12, y - 0.15 + 0.1 * ragged))
