"""Compositions show both things where their captions say they are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.training.ember.aliases import STYLE_ALIASES
from engine.training.ember.captions import CAPTION_WORDS, caption
from engine.training.ember.compositions import (
    _FLYING,
    _STANDING,
    COMPOSITIONS,
    SECOND_COLOUR,
    Composition,
    _Subject,
    to_light,
)
from engine.training.ember.dataset import open_pictures, paint_file
from engine.training.ember.latents import LatentFile, LatentSource
from engine.training.ember.repertoire import SHARES, kind_of, repertoire
from engine.training.ember.scenes.catalogue import SCENES, paint
from engine.training.ember.scenes.palettes import finish
from engine.training.ember.styles.gallery import STYLED, STYLES

every_composition = pytest.mark.parametrize("made", COMPOSITIONS.values(), ids=list(COMPOSITIONS))


def _paint(made: Composition, size: tuple[int, int] = (64, 64), seed: int = 0) -> torch.Tensor:
    return paint(made, 2, torch.Generator().manual_seed(seed), *size)[0]


@every_composition
def test_a_composition_is_finite_deterministic_and_varied(made: Composition) -> None:
    pictures = _paint(made, (64, 96))
    assert pictures.shape == (2, 3, 64, 96)
    assert bool(torch.isfinite(pictures).all())
    assert 0.0 <= float(pictures.min()) <= float(pictures.max()) <= 1.0
    assert torch.equal(pictures, _paint(made, (64, 96)))
    assert float((pictures[0] - pictures[1]).abs().mean()) > 0.01


SUBJECTS = {**_STANDING, **_FLYING}


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=list(SUBJECTS))
@pytest.mark.parametrize("size", [(96, 80), (72, 128)])
def test_a_subject_covers_a_part_of_the_picture_and_what_is_behind_shows(
    subject: _Subject, size: tuple[int, int]
) -> None:
    grounds, laid = [], []
    for name in ("sunset", "galaxy"):
        behind = to_light(paint(SCENES[name], 2, torch.Generator().manual_seed(5), *size)[0])
        colour, generator = torch.full((2,), 0.05), torch.Generator().manual_seed(6)
        grounds.append(behind)
        laid.append(subject.lay(behind.clone(), colour, generator))
        assert laid[-1].shape == behind.shape
        changed = ((laid[-1] - behind).abs().amax(1) > 0.02).float().mean((1, 2))
        assert bool((changed > 0.01).all()), changed
    top = size[0] // 4
    bare, seen = ((one - two)[:, :, :top].abs().mean() for one, two in (grounds, laid))
    assert float(seen) > 0.5 * float(bare)


def test_there_are_twenty_pairs_and_several_in_both_orders() -> None:
    assert len(COMPOSITIONS) >= 20
    swapped = [n for n in COMPOSITIONS if " above ".join(n.split(" above ")[::-1]) in COMPOSITIONS]
    assert len([n for n in swapped if " above " in n]) >= 6


def test_fire_above_water_is_not_water_above_fire() -> None:
    for name, warm_on_top in (("flames above waves", True), ("waves above flames", False)):
        made = COMPOSITIONS[name]
        values = {a.name: torch.full((3,), 0.05) for a in made.attributes}
        picture = made.paint(values, torch.Generator().manual_seed(1), 96, 96)
        redness = picture[:, 0] - picture[:, 2]
        top, bottom = redness[:, :40].mean((1, 2)), redness[:, 56:].mean((1, 2))
        assert bool(((top > bottom) == warm_on_top).all()), name


def test_captions_of_the_two_orders_never_say_the_same() -> None:
    rng = np.random.default_rng(0)

    def said(name: str) -> set[str]:
        made = COMPOSITIONS[name]
        values = {a.name: 0.05 for a in made.attributes}
        return {caption(made, values, rng) for _ in range(300)}

    assert not said("flames above waves") & said("waves above flames")


@every_composition
def test_captions_name_both_things_in_known_words(made: Composition) -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        values = {a.name: float(rng.random()) for a in made.attributes}
        text = caption(made, values, rng)
        bare = re.sub(r"\b(an?|the) ", "", text)
        for names in (made.first, made.second):
            nouns = [re.sub(r"\b(an?|the) ", "", name) for name in names]
            assert any(noun in bare for noun in nouns), text
        assert text == text.lower()
        assert not re.search(r"[{}]|  |\ba [aeio]", text), text
        assert set(re.findall(r"[a-z0-9'-]+", text)) <= CAPTION_WORDS, text


def test_an_unusual_colour_is_always_told_and_belongs_to_its_noun() -> None:
    made = COMPOSITIONS["tree under galaxy"]
    hue = next(a for a in made.attributes if a.name == SECOND_COLOUR)
    red = (0 + 0.5) / len(hue.words)
    rng = np.random.default_rng(0)
    for _ in range(80):
        values = {a.name: 0.05 for a in made.attributes} | {SECOND_COLOUR: red}
        text = caption(made, values, rng)
        assert re.search(r"(red|crimson|scarlet) (spiral galaxy|galaxy|milky way)", text), text


def test_finished_pictures_come_back_as_the_light_they_were_made_of() -> None:
    light = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 1.5
    picture = finish(light, vignette=0.0, shine=0.0, saturation=1.0)
    assert torch.allclose(to_light(picture), light, atol=0.02)


def test_the_repertoire_knows_every_kind_by_its_file_name(tmp_path: Path) -> None:
    every = repertoire()
    assert len(every) == 2 * len(SCENES) + len(COMPOSITIONS)
    names = ("sunset", "sunset" + STYLED, "whale in galaxy")
    assert [kind_of(name) for name in names] == list(SHARES)
    for name in names:
        paint_file(every[name], "square", 2, tmp_path, seed=0, device="cpu", scale=0.125)
    files = {file.scene: file for file in open_pictures(tmp_path)}
    assert set(files) == set(names)
    assert len(files["sunset" + STYLED].values["style"]) == 2


def test_batches_hold_the_kinds_in_their_shares_with_captions_of_their_own() -> None:
    files = []
    for name, count in (("sunset", 1), ("sunset" + STYLED, 5), ("whale in galaxy", 9)):
        scene = repertoire()[name]
        values = {a.name: [0.1] * 4 for a in scene.attributes}
        latents = np.full((3, 4, 16, 4, 4), list(SHARES).index(kind_of(name)), np.float16)
        files += [LatentFile(name, "square", latents, values, np.arange(4))] * count
    batch = LatentSource(files).batch(np.random.default_rng(0), 900, 0.0)
    drawn = batch.clean[:, 0, 0, 0].long()
    oil = (*STYLES["oil painting"].phrases, *STYLE_ALIASES["oil painting"])
    for index, share in enumerate(SHARES.values()):
        assert float((drawn == index).float().mean()) == pytest.approx(share, abs=0.05)
    for kind, prompt in zip(drawn.tolist(), batch.prompts, strict=True):
        named = any(phrase.removesuffix(" of") in prompt for phrase in oil)
        assert named == (kind == 1), prompt
        assert ("whale" in prompt) == (kind == 2)
