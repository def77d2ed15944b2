"""Every style changes every picture its own way, and captions say so truthfully."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.training.ember.aliases import STYLE_ALIASES
from engine.training.ember.captions import CAPTION_WORDS, caption
from engine.training.ember.scenes.catalogue import SCENES, paint
from engine.training.ember.styles.gallery import STYLE, STYLED, STYLES, style_of, styled
from engine.training.ember.styles.style import Style

every_style = pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))

COLOURS = re.compile(r"\b(red|crimson|orange|golden|pink|rose|violet|purple|teal|turquoise)\b")


def _pictures(height: int = 96, width: int = 96) -> Tensor:
    """A bright picture and a dark one."""
    generator = torch.Generator().manual_seed(4)
    both = [paint(SCENES[name], 1, generator, height, width)[0] for name in ("sunset", "galaxy")]
    return torch.cat(both)


def _treat(style: Style, pictures: Tensor, seed: int = 0) -> Tensor:
    return style.treat(pictures, torch.Generator().manual_seed(seed))


def _value(style: str) -> float:
    return (list(STYLES).index(style) + 0.5) / len(STYLES)


@every_style
@pytest.mark.parametrize("size", [(64, 64), (72, 128), (130, 70)])
def test_a_style_keeps_shape_and_range_at_any_size(style: Style, size: tuple[int, int]) -> None:
    pictures = _pictures(*size)
    before = pictures.clone()
    out = _treat(style, pictures)
    assert out.shape == pictures.shape
    assert out.dtype == torch.float32
    assert bool(torch.isfinite(out).all())
    assert 0.0 <= float(out.min()) <= float(out.max()) <= 1.0
    assert torch.equal(pictures, before)


@every_style
def test_a_style_is_deterministic(style: Style) -> None:
    pictures = _pictures()
    assert torch.equal(_treat(style, pictures, 3), _treat(style, pictures, 3))


def test_each_style_changes_the_picture_and_differs_from_every_other() -> None:
    pictures = _pictures()
    rendered = {"plain": pictures} | {name: _treat(s, pictures) for name, s in STYLES.items()}
    names = list(rendered)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            gap = (rendered[first] - rendered[second]).abs().mean((1, 2, 3))
            assert float(gap.min()) > 0.015, (first, second, gap)


@every_style
def test_a_style_shows_the_picture_and_not_only_itself(style: Style) -> None:
    bright, dark = _treat(style, _pictures())
    assert float((bright - dark).abs().mean()) > 0.05


@pytest.mark.parametrize("name", ["ink drawing", "noir", "pencil sketch"])
def test_drawings_and_old_film_have_next_to_no_colour(name: str) -> None:
    out = _treat(STYLES[name], _pictures())
    assert float((out.amax(1) - out.amin(1)).max()) < 0.12


def test_pixel_art_is_made_of_squares_of_sixteen_pixels() -> None:
    pictures = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(0))
    out = _treat(STYLES["pixel art"], pictures)
    blocks = out.unfold(2, 16, 16).unfold(3, 16, 16)
    assert torch.equal(blocks.amax((4, 5)), blocks.amin((4, 5)))


def test_there_are_at_least_nine_styles_with_three_phrases_each() -> None:
    assert len(STYLES) >= 9
    said = [phrase for style in STYLES.values() for phrase in style.phrases]
    assert len(set(said)) == len(said)
    assert all(len(style.phrases) >= 3 for style in STYLES.values())


def test_a_styled_scene_is_the_scene_rendered_in_the_style_of_its_attribute() -> None:
    scene = styled(SCENES["sunset"])
    assert scene.name == "sunset" + STYLED
    values = {a.name: torch.full((2,), 0.4) for a in scene.attributes}
    values[STYLE.name] = torch.tensor([_value("noir"), _value("pixel art")])
    out = scene.paint(values, torch.Generator().manual_seed(1), 96, 96)
    assert out.shape == (2, 3, 96, 96)
    assert float((out[0].amax(0) - out[0].amin(0)).max()) < 0.01
    assert float((out[1].amax(0) - out[1].amin(0)).max()) > 0.1


@every_style
def test_captions_of_a_styled_picture_always_name_its_style_and_no_other(style: Style) -> None:
    scene = styled(SCENES["lighthouse"])
    rng = np.random.default_rng(0)
    value = _value(style.name)
    assert style_of(value) is style
    for _ in range(60):
        values = {a.name: float(rng.random()) for a in scene.attributes} | {STYLE.name: value}
        text = caption(scene, values, rng)
        said = (*style.phrases, *STYLE_ALIASES[style.name])
        assert any(phrase.removesuffix(" of") in text for phrase in said), text
        assert set(re.findall(r"[a-z0-9'-]+", text)) <= CAPTION_WORDS, text
        assert not re.search(r"\bof (on|in|at|with)\b|photo of .*(paint|ink)|  ", text), text


@every_style
def test_colours_are_spoken_of_only_in_styles_that_keep_them(style: Style) -> None:
    scene = styled(SCENES["sunset"])
    rng = np.random.default_rng(0)
    values = {a.name: 0.05 for a in scene.attributes} | {STYLE.name: _value(style.name)}
    texts = [caption(scene, values | {"colour": c}, rng) for c in np.linspace(0, 0.99, 60)]
    coloured = sum(bool(COLOURS.search(text)) for text in texts)
    assert (coloured > 15) if style.keeps_colours else (coloured == 0)
