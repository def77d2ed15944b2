"""Pictures of two things at once: a subject before another scene, one scene above another.

Prompts name two things and what lies between them, "a lighthouse under northern lights". The
subject is laid over a whole picture of the other scene (`foregrounds`, `flyers`), or two scenes
share the picture, so that "fire above water" and "water above fire" are different pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.training.ember import flyers, foregrounds
from engine.training.ember.foregrounds import Foreground
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.scenes.fields import canvas, fbm, over, smoothstep
from engine.training.ember.scenes.fire import FLAME_WORDS
from engine.training.ember.scenes.palettes import HUE_WORDS, finish, to_linear
from engine.training.ember.scenes.plants import TREE_WORDS
from engine.training.ember.scenes.scene import Attribute, Painter, Scene, Values

FIRST_COLOUR, SECOND_COLOUR = "first colour", "second colour"
"""Names of the attributes that give the colour of the first and of the second thing."""

_COLOURS = ("colour", "hue", "time")


@dataclass(frozen=True, slots=True)
class Composition(Scene):
    """A scene made of two things.

    `first` and `second` are their noun phrases; `relations` are sentences with the places
    "{first}" and "{second}". `phrases` spells out one of each for a plain title.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    relations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Subject:
    """What can stand in front: its names, how it is laid over a picture, its colour."""

    names: tuple[str, ...]
    lay: Foreground
    colour: Attribute | None = None


def _hue(*natural: str) -> Attribute:
    return Attribute(FIRST_COLOUR, HUE_WORDS, natural=natural)


_STANDING = {
    "lighthouse": _Subject(("a lighthouse", "a light house by the sea"), foregrounds.lighthouse),
    "castle": _Subject(("a castle", "a castle on a hill"), foregrounds.castle),
    "church": _Subject(("a church", "a village church"), foregrounds.church),
    "tree": _Subject(
        ("a tree", "a lonely tree"),
        foregrounds.tree,
        Attribute(FIRST_COLOUR, TREE_WORDS, natural=("pink", "green")),
    ),
    "city": _Subject(("a city", "a city skyline", "skyscrapers"), foregrounds.city),
    "forest": _Subject(("a forest", "pine woods", "a pine forest"), foregrounds.conifers),
    "sea": _Subject(("the sea", "the ocean", "water"), foregrounds.sea),
    "mountains": _Subject(("mountains", "a mountain range"), foregrounds.mountains),
    "desert": _Subject(("the desert", "sand dunes", "a desert"), foregrounds.desert),
    "ship": _Subject(("a sailing ship", "a ship", "a tall ship at sea"), foregrounds.ship),
    "campfire": _Subject(
        ("a campfire", "a bonfire"),
        foregrounds.campfire,
        Attribute(FIRST_COLOUR, FLAME_WORDS, natural=("orange",)),
    ),
}
_FLYING = {
    "whale": _Subject(("a whale", "a great whale"), flyers.whale, _hue("blue", "cyan")),
    "jellyfish": _Subject(
        ("jellyfish", "glowing jellyfish"), flyers.jellyfish, _hue("cyan", "blue")
    ),
    "balloons": _Subject(
        ("hot-air balloons", "balloons"), flyers.balloons, _hue("red", "orange", "golden")
    ),
    "birds": _Subject(("birds", "a flock of birds"), flyers.birds),
    "helicopter": _Subject(("a helicopter", "a chopper"), flyers.helicopter),
}
_SECONDS: dict[str, tuple[str, ...]] = {
    "aurora": ("northern lights", "the aurora", "polar lights"),
    "galaxy": ("a galaxy", "a spiral galaxy", "the milky way"),
    "nebula": ("a nebula", "a cosmic cloud", "glowing gas clouds"),
    "storm": ("lightning", "a thunderstorm", "a lightning storm"),
    "fireworks": ("fireworks", "exploding fireworks"),
    "ringed planet": ("a ringed planet", "saturn", "a giant planet"),
    "moon": ("the moon", "a full moon"),
    "sunset": ("a sunset", "an evening sky"),
    "cloud_sea": ("a sea of clouds", "clouds"),
    "skyline": ("a city", "skyscrapers"),
    "waves": ("ocean waves", "the ocean"),
    "mountains": ("snowy mountains", "mountains"),
    "flames": ("fire", "flames", "a wall of fire"),
    "forest": ("a forest", "a misty forest"),
    "dunes": ("the desert", "desert dunes"),
}

_UNDER = (
    "{first} under {second}",
    "{first} below {second}",
    "{second} over {first}",
    "{second} above {first}",
    "{first} with {second} in the sky",
    "{first} beneath {second}",
)
_AMONG = (
    "{first} in {second}",
    "{first} before {second}",
    "{first} in front of {second}",
    "{second} behind {first}",
    "{first} with {second}",
)
_ABOVE = (
    "{first} over {second}",
    "{first} above {second}",
    "{second} under {first}",
    "{second} below {first}",
    "{first} flying over {second}",
)
_STACKED = (
    "{first} above {second}",
    "{first} over {second}",
    "{second} below {first}",
    "{second} under {first}",
    "{first} on top of {second}",
)
_INSIDE = (
    "{second} inside {first}",
    "{first} made of {second}",
    "{first} filled with {second}",
    "{second} in the shape of {first}",
)

_SKIES_OVER: dict[str, tuple[str, ...]] = {
    "lighthouse": ("aurora", "galaxy", "storm", "nebula"),
    "castle": ("aurora", "fireworks", "storm", "nebula"),
    "church": ("aurora", "nebula", "storm"),
    "tree": ("galaxy", "aurora", "ringed planet", "nebula"),
    "city": ("aurora", "galaxy", "storm", "ringed planet"),
    "forest": ("galaxy", "fireworks", "nebula", "storm"),
    "sea": ("galaxy", "nebula", "ringed planet", "storm"),
    "mountains": ("galaxy", "nebula", "ringed planet", "storm"),
    "desert": ("galaxy", "ringed planet", "storm", "aurora"),
    "ship": ("aurora", "galaxy", "storm", "fireworks"),
    "campfire": ("galaxy", "aurora", "nebula"),
}
_FLOWN_THROUGH: dict[str, tuple[str, ...]] = {
    "whale": ("galaxy", "nebula", "aurora"),
    "jellyfish": ("galaxy", "nebula", "forest"),
    "balloons": ("galaxy", "storm", "sunset"),
    "birds": ("storm", "galaxy", "sunset"),
    "helicopter": ("storm", "flames", "sunset"),
}
_FLOWN_OVER: dict[str, tuple[str, ...]] = {
    "whale": ("cloud_sea", "skyline", "mountains"),
    "jellyfish": ("skyline", "cloud_sea"),
    "balloons": ("cloud_sea", "waves", "dunes"),
    "birds": ("waves", "dunes", "cloud_sea"),
    "helicopter": ("cloud_sea", "waves", "mountains"),
}
_BOTH_WAYS = (
    ("flames", "waves"),
    ("galaxy", "waves"),
    ("skyline", "waves"),
    ("forest", "cloud_sea"),
    ("flames", "forest"),
    ("nebula", "flames"),
)
_WHALE_FILLINGS = ("galaxy", "flames", "forest", "nebula", "skyline")

_SKY_ONLY = ("galaxy", "nebula", "ringed planet")
"""Scenes without land or horizon: over a subject that stands they fill the upper part."""

_SKY_SHARE = 0.76


def to_light(pictures: Tensor) -> Tensor:
    """Undo `finish`'s gamma and shoulder: linear light `(b, 3, h, w)` of finished pictures.

    Lights beyond four times white come back as that.
    """
    knee = 0.45
    linear = to_linear(pictures)
    above = ((linear - knee) / (1.0 - knee)).clamp(0.0, 0.87)
    bent = knee + (1.0 - knee) * above / (1.0 - above)
    return torch.where(linear < knee, linear, bent)


def _colour_of(scene: Scene) -> Attribute | None:
    """The attribute that says most about a scene's colours, if it has one."""
    return next((a for a in scene.attributes if a.name in _COLOURS), None)


def _paint_whole(
    scene: Scene, colour: Tensor, generator: torch.Generator, height: int, width: int
) -> Tensor:
    """Paint a scene with its colour given `(b,)` and everything else drawn at random."""
    own = _colour_of(scene)
    values = {
        attribute.name: colour
        if attribute is own
        else torch.rand(colour.shape, generator=generator, device=generator.device)
        for attribute in scene.attributes
    }
    return scene.paint(values, generator, height, width)


def _value(values: Values, name: str) -> Tensor:
    """An attribute's values `(b,)`; zeros where the scene has no such attribute."""
    return values.get(name, torch.zeros_like(next(iter(values.values()))))


def _laid_over(subject: _Subject, scene: Scene, *, standing: bool) -> Painter:
    def paint(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
        behind = _value(values, SECOND_COLOUR)
        tall = round(height * _SKY_SHARE) if standing and scene.name in _SKY_ONLY else height
        picture = _paint_whole(scene, behind, generator, tall, width)
        picture = F.pad(picture, (0, 0, 0, height - tall), mode="reflect")
        own = _value(values, FIRST_COLOUR)
        light = subject.lay(to_light(picture), own, generator)
        return finish(light, shine=0.22, vignette=0.04, saturation=1.02)

    return paint


def _stacked(top: Scene, bottom: Scene) -> Painter:
    """One scene in the upper half, the other in the lower, a ragged soft border between."""

    def paint(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
        own = _value(values, FIRST_COLOUR)
        part = -(-5 * height // 9)
        upper = _paint_whole(top, own, generator, part, width)
        second = _value(values, SECOND_COLOUR)
        lower = _paint_whole(bottom, second, generator, part, width)
        batch = own.shape[0]
        below = upper[:, :, -1:].expand(-1, -1, height - part, -1)
        above = lower[:, :, :1].expand(-1, -1, height - part, -1)
        _, y = canvas(height, width, generator.device)
        ragged = fbm(generator, batch, height, width, cells=2.5, octaves=4, stretch=1.6)
        share = smoothstep(0.07, -0.07, y + 0.09 * ragged)
        return over(torch.cat((upper, below), 2), torch.cat((above, lower), 2), share)

    return paint


def _inside_whale(filling: Scene, ground: Scene) -> Painter:
    def paint(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
        colour = _value(values, SECOND_COLOUR)
        inner = _paint_whole(filling, colour, generator, height, width)
        plain = torch.rand(colour.shape, generator=generator, device=generator.device)
        outer = _paint_whole(ground, plain, generator, height, width)
        light = flyers.whale_window(0.4 * to_light(outer), 1.5 * to_light(inner), generator)
        return finish(light, shine=0.22, vignette=0.1)

    return paint


def _composition(
    name: str,
    paint: Painter,
    nouns: tuple[tuple[str, ...], tuple[str, ...]],
    relations: tuple[str, ...],
    colours: tuple[Attribute | None, Attribute | None],
) -> Composition:
    """Put a composition together; `colours` belong to the first and the second thing."""
    attributes = tuple(
        Attribute(role, colour.words, colour.natural)
        for role, colour in zip((FIRST_COLOUR, SECOND_COLOUR), colours, strict=True)
        if colour is not None
    )
    first, second = nouns
    title = relations[0].format(first=first[0], second=second[0])
    return Composition(name, (title,), attributes, paint, first, second, relations)


def _all_compositions() -> Iterator[Composition]:
    for table, subjects, word, relations in (
        (_SKIES_OVER, _STANDING, "under", _UNDER),
        (_FLOWN_THROUGH, _FLYING, "in", _AMONG),
        (_FLOWN_OVER, _FLYING, "over", _ABOVE),
    ):
        for front, grounds in table.items():
            subject = subjects[front]
            for back in grounds:
                scene = SCENES[back]
                yield _composition(
                    f"{front} {word} {back}",
                    _laid_over(subject, scene, standing=subjects is _STANDING),
                    (subject.names, _SECONDS[back]),
                    relations,
                    (subject.colour, _colour_of(scene)),
                )
    for pair in _BOTH_WAYS:
        for top, bottom in (pair, pair[::-1]):
            yield _composition(
                f"{top} above {bottom}",
                _stacked(SCENES[top], SCENES[bottom]),
                (_SECONDS[top], _SECONDS[bottom]),
                _STACKED,
                (_colour_of(SCENES[top]), _colour_of(SCENES[bottom])),
            )
    for filling in _WHALE_FILLINGS:
        yield _composition(
            f"whale of {filling}",
            _inside_whale(SCENES[filling], SCENES["cloud_sea"]),
            (_FLYING["whale"].names[:1], _SECONDS[filling]),
            _INSIDE,
            (None, _colour_of(SCENES[filling])),
        )


COMPOSITIONS: dict[str, Composition] = {made.name: made for made in _all_compositions()}
"""Composition by name, in a fixed order."""
