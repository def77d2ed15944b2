"""Which parameters of sound each encoding reads: what is said of it, and what the picture does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.conditioning.adapter_file import AdapterCard
from engine.conditioning.encodings import AdapterShelf
from engine.conditioning.projector.network import projector
from engine.conditioning.projector.plan import plan_for
from engine.conditioning.projector.projector_file import save_projector
from engine.conditioning.sound_embedding import SoundMoment
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.ember.bundle import open_ember
from engine.registry import ModelRequest
from engine.semantic.adapters import open_adapter
from engine.sound_choices import SOUND_ENCODINGS, SOUND_READERS, unread_by
from tests import states
from tests.adapter_files import EMBER

RATE_HZ = 48_000
EAR_WIDTH = 384
OTHER = {
    "sound/scale": 1.0, "sound/bend": 2.0, "sound/norm": 10.0, "sound/temperature": 2.0,
    "sound/foreground": 0.0, "sound/background": 0.0, "sound/atmosphere": 0.0,
}  # fmt: skip
"""Far from each default."""


@pytest.fixture(scope="module")
def ember() -> FeedbackModel:
    return open_ember(ModelRequest("ember", 128, 128, "cpu", "float32", 1))


@pytest.fixture(scope="module")
def beats() -> SoundMoment:
    """Two seconds of noise with strokes, so that something strikes and something stays."""
    samples = (0.02 * np.random.default_rng(5).standard_normal(2 * RATE_HZ)).astype(np.float32)
    for start in range(0, len(samples), RATE_HZ // 8):
        samples[start : start + 2000] *= 25.0
    return SoundMoment(samples, RATE_HZ)


def painted(model: FeedbackModel, moment: SoundMoment, **values: float) -> np.ndarray:
    model.restart()
    asked = {"sound__mix": 1.0} | {key.replace("/", "__"): v for key, v in values.items()}
    state = states.control(prompts=(("a red rose in a vase", 1.0),), **asked)
    assert model.sound_window_s(state.values) > 0.0, model.sound_message
    model.hear(((moment, 1.0),))
    return model.generate(state, 0.0).astype(int)


def moved(model: FeedbackModel, moment: SoundMoment, encoding: str) -> set[str]:
    """Parameters that change the picture at all."""
    chosen = {"sound/encoding": float(SOUND_ENCODINGS.index(encoding))}
    before = painted(model, moment, **chosen)
    return {
        name for name, value in OTHER.items()
        if np.abs(painted(model, moment, **chosen | {name: value}) - before).mean() > 0.05
    }  # fmt: skip


def write_own(path: Path, **settings: object) -> Path:
    """A projector for ember without ears, of the shipped ear's width, with random weights."""
    torch.manual_seed(0)
    plan = plan_for(EAR_WIDTH, EMBER, **settings)
    card = AdapterCard("projector", "ear", EAR_WIDTH, EMBER, "ember", plan.settings())
    save_projector(path, card, projector(plan).state_dict())
    return path


@pytest.mark.parametrize("encoding", SOUND_ENCODINGS)
def test_what_is_said_to_be_read_is_what_changes_the_picture(
    ember: FeedbackModel, beats: SoundMoment, encoding: str
) -> None:
    ember.use_adapters(AdapterShelf({}, open_adapter))
    found = moved(ember, beats, encoding)
    assert found == set(OTHER) - set(ember.sound_unread)
    assert set(unread_by(encoding)) <= set(ember.sound_unread)


@pytest.mark.parametrize(
    ("settings", "unread"),
    [
        ({}, {"sound/scale"}),
        ({"decomposer": "rigid"}, {"sound/scale", "sound/temperature"}),
        ({"norm": 0.0}, {"sound/scale", "sound/norm"}),
    ],
)
def test_a_file_may_read_less_than_another_of_its_kind(
    ember: FeedbackModel, beats: SoundMoment, tmp_path: Path, settings: dict[str, object],
    unread: set[str],
) -> None:  # fmt: skip
    own = write_own(tmp_path / "own.safetensors", **settings)
    ember.use_adapters(AdapterShelf({"projector": own}, open_adapter))
    assert moved(ember, beats, "projector") == set(OTHER) - unread
    assert set(ember.sound_unread) == unread


def test_every_parameter_of_sound_has_readers_or_is_read_by_all() -> None:
    assert set(SOUND_READERS) == set(OTHER)
