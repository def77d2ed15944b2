from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.conditioning.word_table import WordTable
from engine.diffusion.models.ember.text import TextConfig, TextEncoder
from engine.training.ember.aliases import ALIASES
from engine.training.ember.captions import CAPTION_WORDS
from engine.training.ember.meaning import likeness, meaning_loss
from engine.training.ember.scenes.catalogue import SCENES


@pytest.fixture
def text() -> TextEncoder:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    words = sorted(CAPTION_WORDS)
    vectors = rng.integers(-127, 128, (len(words), 24)).astype(np.int8)
    table = WordTable(words, vectors, np.ones(len(words), np.float32), (), 0.5)
    return TextEncoder(TextConfig(word_width=24, width=32, layers=1, heads=2), table)


def loss_of(text: TextEncoder, seed: int) -> torch.Tensor:
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    return meaning_loss(text, rng, generator, scenes=16, word_noise=0.05, teacher=text)


def figure_of(text: TextEncoder, seed: int) -> float:
    with torch.no_grad():
        return float(loss_of(text, seed))


def test_every_scene_has_aliases_and_none_is_a_phrase_of_its_own() -> None:
    assert list(ALIASES) == list(SCENES)
    for name, aliases in ALIASES.items():
        assert len(set(aliases)) == len(aliases) >= 10
        assert not set(aliases) & set(SCENES[name].phrases)
        assert all(alias == alias.lower().strip() for alias in aliases)


def test_likeness_is_seen_from_the_middle_of_the_places() -> None:
    places = torch.tensor([[9.0, 1.0], [9.0, -1.0]])
    seen = likeness(torch.tensor([[9.0, 0.1]]), places)
    torch.testing.assert_close(seen, torch.tensor([[1.0, -1.0]]))


def test_training_on_meaning_brings_aliases_to_their_scenes(text: TextEncoder) -> None:
    optimiser = torch.optim.Adam(text.parameters(), 3e-3)
    before = sum(figure_of(text, 1000 + k) for k in range(8))
    for step in range(120):
        optimiser.zero_grad()
        torch.autograd.backward(loss_of(text, step))
        optimiser.step()
    after = sum(figure_of(text, 1000 + k) for k in range(8))
    assert after < 0.85 * before


def test_meaning_is_drawn_from_the_seed(text: TextEncoder) -> None:
    assert figure_of(text, 3) == figure_of(text, 3) != figure_of(text, 4)
