"""The reader: what people type, read as the painters' own words would be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.conditioning.word_table import WordTable
from engine.diffusion.models.ember.text import TextConfig, TextEncoder
from engine.training.ember.captions import CAPTION_WORDS
from engine.training.ember.dataset import PictureFile
from engine.training.ember.everyday import EverydayWords
from engine.training.ember.reading import CaptionSource, ReadingPlan, ReadingTrainer, read_share
from engine.training.ember.scenes.catalogue import SCENES

_WIDTH = 24
_STRANGERS = ("parliament", "invoice", "grandmother")


def _table() -> WordTable:
    """Random vectors for the words of the captions, far ones for strangers, near ones for two."""
    rng = np.random.default_rng(0)
    known = sorted(CAPTION_WORDS)
    vectors = rng.standard_normal((len(known), _WIDTH))
    vectors[:, -3:] = 0  # directions that only the strangers use
    sea = vectors[known.index("sea")]
    strange = np.zeros((3, _WIDTH))
    strange[:, -3:] = np.eye(3)
    near = sea + 0.1 * rng.standard_normal(_WIDTH)
    rows = np.concatenate([vectors, strange, near[None]])
    rows = np.round(127 * rows / np.abs(rows).max(axis=1, keepdims=True)).astype(np.int8)
    pieces = [*known, *_STRANGERS, "briny"]
    return WordTable(pieces, rows, np.ones(len(pieces), np.float32), known, 0.45)


@pytest.fixture(scope="module")
def teacher() -> TextEncoder:
    torch.manual_seed(0)
    config = TextConfig(word_width=_WIDTH, width=32, layers=1, heads=2, slots=3)
    return TextEncoder(config, _table()).eval()


def _source() -> CaptionSource:
    rng = np.random.default_rng(1)
    pictures = np.zeros((12, 1, 1, 3), np.uint8)
    return CaptionSource(
        [
            PictureFile(
                name,
                "square",
                pictures,
                {a.name: rng.random(12).tolist() for a in scene.attributes},
            )
            for name, scene in list(SCENES.items())[:6]
        ]
    )


def _trainer(teacher: TextEncoder, seed: int = 0) -> ReadingTrainer:
    plan = ReadingPlan(1, batch=32, warm_up=5, learning_rate=3e-3, meaning_scenes=6)
    return ReadingTrainer(teacher, _source(), plan, device="cpu", seed=seed)


def test_company_is_far_from_every_word_that_names_something_and_relatives_are_near() -> None:
    words = EverydayWords(_table())
    assert set(words.company) == set(_STRANGERS)
    assert words.relatives["sea"] == ["briny"]


def test_company_comes_between_the_words_and_takes_none_away() -> None:
    words = EverydayWords(_table())
    rng = np.random.default_rng(0)
    said = [words.said("a tree over mountains", rng).split() for _ in range(40)]
    kept = [[word for word in one if word not in _STRANGERS] for one in said]
    assert all(one == ["a", "tree", "over", "mountains"] for one in kept)
    assert {len(one) > 4 for one in said} == {True, False}


def test_captions_come_freely_and_plainly_and_are_drawn_from_the_seed() -> None:
    free, plain = _source().batch(np.random.default_rng(0), 60)
    assert sum(a == b for a, b in zip(free, plain, strict=True)) < 40
    assert free == _source().batch(np.random.default_rng(0), 60)[0]


def test_the_reader_comes_nearer_to_its_teacher_and_the_teacher_stays(
    teacher: TextEncoder,
) -> None:
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    trainer = _trainer(teacher)
    figures = [trainer.step(0.1) for _ in range(60)]
    losses = [row["slots_loss"] + row["pooled_loss"] for row in figures]
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:8])
    for key, value in teacher.state_dict().items():
        torch.testing.assert_close(value, before[key])


def test_a_resumed_reader_reaches_the_same_weights(teacher: TextEncoder, tmp_path: Path) -> None:
    whole, half, again = (_trainer(teacher) for _ in range(3))
    for share in (0.1, 0.9):
        whole.step(share)
    half.step(0.1)
    half.save(tmp_path / "reading.safetensors")
    again.restore(tmp_path / "reading.safetensors")
    again.step(0.9)
    for key, value in again.averaged().state_dict().items():
        torch.testing.assert_close(value, whole.averaged().state_dict()[key])


def test_the_share_read_right_is_one_for_the_phrases_themselves(teacher: TextEncoder) -> None:
    places = {name: scene.phrases for name, scene in list(SCENES.items())[:6]}
    assert read_share(teacher, teacher, places, places) == 1.0
    names = list(places)
    turned = {name: places[names[k - 1]] for k, name in enumerate(names)}
    assert read_share(teacher, teacher, places, turned) == 0.0


def test_slots_do_not_depend_on_how_far_words_are_padded(teacher: TextEncoder) -> None:
    words, counts = (torch.from_numpy(x) for x in teacher.look_up(["a tree over the sea"]))
    for whole, short in zip(teacher(words, counts), teacher(words[:, :5], counts), strict=True):
        torch.testing.assert_close(whole, short)
