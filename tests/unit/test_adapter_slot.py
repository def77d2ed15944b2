"""An adapter is exchanged between two pictures of a running ember."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.conditioning.encodings import AdapterShelf
from engine.conditioning.projector.encoding import open_projector
from engine.conditioning.sound_embedding import SoundEncoding, SoundMoment, TargetSpec
from engine.diffusion.adapter_slot import AdapterSlot
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.ember.bundle import open_ember
from engine.messages import SoundStatus, Uint8
from engine.registry import ModelRequest
from engine.sound_choices import SOUND_ENCODINGS
from tests import states
from tests.adapter_files import OTHER, VIEW_WIDTH, write_projector

RATE_HZ = 48_000


def opener(name: str, path: Path, target: TargetSpec) -> SoundEncoding:
    assert name == "projector"
    return open_projector(path, target)


@pytest.fixture(scope="module")
def ember() -> FeedbackModel:
    return open_ember(ModelRequest("ember", 128, 128, "cpu", "float32", 1))


def painted(slot: AdapterSlot, model: FeedbackModel, encoding: str = "projector") -> Uint8:
    """Paint what one sound is, as the diffusion stage does between two boundaries."""
    rng = np.random.default_rng(1)
    views = tuple(rng.normal(size=VIEW_WIDTH).astype(np.float32) for _ in range(3))
    samples = (0.2 * rng.standard_normal(RATE_HZ)).astype(np.float32)
    slot.serve(model)
    model.restart()
    asked = {"sound__mix": 1.0, "sound__encoding": float(SOUND_ENCODINGS.index(encoding))}
    state = states.control(prompts=(("a forest", 1.0),), **asked)
    window_s = model.sound_window_s(state.values)
    if window_s:
        model.hear(((SoundMoment(samples, RATE_HZ, encoder="ear", views=views), 1.0),))
    picture = model.generate(state, 0.0)
    slot.look(model, window_s)
    return picture


def test_a_file_that_does_not_fit_is_one_line_and_the_one_before_paints_on(
    ember: FeedbackModel, tmp_path: Path
) -> None:
    first = write_projector(tmp_path / "first.safetensors")
    foreign = write_projector(tmp_path / "foreign.safetensors", target=OTHER)
    slot = AdapterSlot(AdapterShelf({"projector": first}, opener))
    slot.give_to(ember)
    before = painted(slot, ember)
    assert slot.status.adapter == str(first)
    assert sum(slot.status.levels) == pytest.approx(1.0, abs=0.01)
    slot.request("projector", foreign)
    assert np.array_equal(painted(slot, ember), before)
    assert "foreign.safetensors speaks to ember" in slot.status.message
    assert slot.status.adapter == slot.status.files["projector"] == str(first)
    assert slot.unheard == ""


def test_another_file_paints_another_picture_from_the_next_one_on_and_ends_the_complaint(
    ember: FeedbackModel, tmp_path: Path
) -> None:
    first, second = (write_projector(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2))
    slot = AdapterSlot(AdapterShelf({"projector": first}, opener))
    slot.give_to(ember)
    before = painted(slot, ember)
    slot.request("projector", tmp_path / "nowhere.safetensors")
    painted(slot, ember)
    assert "nowhere.safetensors" in slot.status.message
    slot.request("projector", second)
    after = painted(slot, ember)
    assert np.abs(after.astype(int) - before).mean() > 1.0
    assert slot.status.message == ""
    assert slot.status.adapter == str(second)


def test_without_a_path_the_shipped_one_comes_back_with_its_ears(
    ember: FeedbackModel, tmp_path: Path
) -> None:
    own = write_projector(tmp_path / "own.safetensors")
    slot = AdapterSlot(AdapterShelf({"projector": own}, opener))
    slot.give_to(ember)
    painted(slot, ember)
    assert slot.status.unread == ("sound/scale",)
    slot.request("projector", None)
    slot.serve(ember)
    assert slot.status.files == {}
    assert ember.sound_unread == ("sound/scale", "sound/bend")
    encoding, path = ember.sound_adapter or ("", Path())
    assert (encoding, path.name) == ("projector", "ember_projector.safetensors")


def test_a_file_for_an_encoding_that_is_not_listened_by_is_tried_at_once_and_used_later(
    ember: FeedbackModel, tmp_path: Path
) -> None:
    slot = AdapterSlot(AdapterShelf({}, opener))
    slot.give_to(ember)
    painted(slot, ember, "mel")
    assert (slot.status.adapter, slot.status.levels) == ("", ())
    own = write_projector(tmp_path / "own.safetensors")
    slot.request("projector", own)
    painted(slot, ember, "mel")
    assert slot.status.files == {"projector": str(own)}
    painted(slot, ember)
    assert slot.status.adapter == str(own)


def test_what_cannot_hear_keeps_the_file_for_the_next_model(tmp_path: Path) -> None:
    slot = AdapterSlot(AdapterShelf({}, opener))
    slot.give_to(None)
    slot.request("projector", tmp_path / "own.safetensors")
    slot.serve(None)
    assert slot.status == SoundStatus(files={"projector": str(tmp_path / "own.safetensors")})
