from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.conditioning.encoder_names import CLAP
from engine.conditioning.encodings import AdapterShelf
from engine.conditioning.projector.encoding import ProjectorEncoding, open_projector
from engine.conditioning.sound_embedding import SoundMoment
from engine.diffusion.models.ember.bundle import open_ember
from engine.errors import ModelLoadError
from engine.messages import Float32, Uint8
from engine.registry import ModelRequest
from engine.semantic.adapters import MOMENT_S, open_live_adapter
from engine.semantic.far_ears import FarEars, FarHeard, FarSeer, waiting
from tests import states
from tests.adapter_files import EMBER, VIEW_WIDTH, write_projector

RATE_HZ = 44_100


def hiss(seed: int) -> SoundMoment:
    rng = np.random.default_rng(seed)
    return SoundMoment((0.1 * rng.standard_normal(2 * RATE_HZ)).astype(np.float32), RATE_HZ)


def far_heard(ears: FarEars, encoder: str, seed: int) -> tuple[Float32, ...]:
    """Answer the newest wish, as the semantic thread does when the process has."""
    rng = np.random.default_rng(seed)
    views = tuple(rng.normal(size=VIEW_WIDTH).astype(np.float32) for _ in range(3))
    wish = ears.wished.get()
    assert wish is not None
    assert (wish.encoder, wish.kind) == (encoder, "views")
    ears.heard.put(FarHeard(wish, views))
    return views


def far_projector(path: Path, ears: FarEars) -> ProjectorEncoding:
    encoding = open_projector(path, EMBER)
    ear = ears.ear(CLAP, "views", VIEW_WIDTH)
    encoding.listen(FarSeer(ear, CLAP), MOMENT_S, ear.message)
    return encoding


def test_what_comes_from_afar_is_computed_once_an_answer_whatever_is_painted_between(
    tmp_path: Path,
) -> None:
    ears = FarEars()
    encoding = far_projector(write_projector(tmp_path / "p.safetensors", encoder=CLAP), ears)
    assert encoding.embed(hiss(0)) is None
    assert "not in the picture yet" in encoding.message
    far_heard(ears, CLAP, 1)
    first = encoding.embed(hiss(0))
    assert first is not None
    assert encoding.message == ""
    for seed in range(5):
        assert encoding.embed(hiss(seed)) is first
    assert encoding.computed == 1
    far_heard(ears, CLAP, 2)
    assert encoding.embed(hiss(0)) is not first
    assert encoding.computed == 2


def test_until_it_has_heard_the_picture_is_the_one_without_the_sound(tmp_path: Path) -> None:
    ears = FarEars()
    model = open_ember(ModelRequest("ember", 128, 128, "cpu", "float32", 1))
    path = write_projector(tmp_path / "p.safetensors", encoder=CLAP)
    model.use_adapters(
        AdapterShelf({"projector": path}, lambda name, file, target: far_projector(file, ears))
    )

    def painted(mix: float) -> Uint8:
        model.restart()
        state = states.control(prompts=(("a forest", 1.0),), sound__mix=mix)
        if model.sound_window_s(state.values):
            model.hear(((hiss(0), 1.0),))
        return model.generate(state, 0.0)

    without = painted(0.0)
    assert model.sound_message == ""  # nobody listens
    assert np.array_equal(painted(1.0), without)
    assert model.sound_message == waiting(CLAP)
    far_heard(ears, CLAP, 1)
    assert np.abs(painted(1.0).astype(int) - without).mean() > 1.0
    assert model.sound_message == ""
    wish = ears.wished.get()
    assert wish is not None
    ears.heard.put(FarHeard(wish, (), "gone"))
    assert np.array_equal(painted(1.0), without)
    assert (model.sound_message, model.sound_levels) == ("gone", None)
    painted(0.0)
    assert model.sound_message == ""
    model.close()


def test_a_projector_of_an_encoder_without_views_is_refused_as_it_is_offline(
    tmp_path: Path,
) -> None:
    path = write_projector(tmp_path / "p.safetensors", encoder="vggish")
    with pytest.raises(ModelLoadError, match="train one for ear or clap"):
        open_live_adapter(FarEars(), "projector", path, EMBER)


@pytest.mark.parametrize("name", ["projector", "mapper"])
def test_the_adapters_that_ship_hear_by_themselves_and_nothing_in_silence(name: str) -> None:
    path = AdapterShelf().file_of(name, "ember")
    assert path is not None
    encoding = open_live_adapter(FarEars(), name, path, EMBER)
    found = encoding.embed(hiss(0))
    assert found is not None
    assert found.tokens.shape == (8, 256)
    assert found.pooled is not None
    assert encoding.step_s == 0.5
    silence = SoundMoment(np.zeros(2 * RATE_HZ, np.float32), RATE_HZ)
    assert encoding.embed(silence) is None


def test_other_models_have_no_adapter_that_ships() -> None:
    assert AdapterShelf().file_of("projector", "sd-turbo") is None
    own = Path("mine.safetensors")
    assert AdapterShelf({"projector": own}).file_of("projector", "ember") == own
