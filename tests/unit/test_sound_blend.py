"""Sound in the prompt of a running model: ember, and the layouts whose keys are cached."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.clock import ManualClock
from engine.conditioning.bank_prompts import BANK_PROMPTS
from engine.conditioning.encodings import AdapterShelf
from engine.conditioning.sound_embedding import SoundEmbedding, SoundMoment
from engine.conditioning.sound_mix import mixed
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.loop import DiffusionLoop
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.ember.bundle import open_ember
from engine.diffusion.sound_blend import _mix
from engine.diffusion.sound_led import SoundLed
from engine.mailbox import Latest
from engine.messages import ControlState, Uint8
from engine.registry import ModelRequest
from engine.ring import SampleRing
from engine.runtime.sound_tap import SoundTap
from engine.semantic.adapters import open_adapter
from engine.sound_choices import SOUND_ENCODINGS, SOUND_SCALES
from tests import states
from tests.checkpoints import write_sd, write_sdxl

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

RATE_HZ = 48_000


MEL = float(SOUND_ENCODINGS.index("mel"))


def control(*args: float, **values: object) -> ControlState:
    """A state whose sound is a raw encoding where nothing else is asked for."""
    return states.control(*args, **({"sound__encoding": MEL} | values))


def tone(hz: float, seconds: float = 2.0) -> SoundMoment:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    rich = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 8))
    return SoundMoment((0.2 * rich).astype(np.float32), RATE_HZ)


def hiss() -> SoundMoment:
    rng = np.random.default_rng(0)
    return SoundMoment((0.2 * rng.standard_normal(2 * RATE_HZ)).astype(np.float32), RATE_HZ)


@pytest.fixture(scope="module")
def ember() -> FeedbackModel:
    return open_ember(ModelRequest("ember", 128, 128, "cpu", "float32", 1))


def painted(model: FeedbackModel, moment: SoundMoment | None, **values: float) -> Uint8:
    model.restart()
    state = control(prompts=(("a red rose in a vase", 1.0),), **values)
    if model.sound_window_s(state.values):
        model.hear(((moment, 1.0),) if moment is not None else ())
    return model.generate(state, 0.0)


def test_without_mix_the_prompt_goes_on_as_it_came(ember: FeedbackModel) -> None:
    assert isinstance(ember, SoundLed)
    state = control(sound__mix=0.0)
    assert ember.sound_window_s(state.values) == 0.0
    ember.hear(((hiss(), 1.0),))
    prompt = ember._prompts.step(state)
    assert ember._sound.step(prompt, state.values) is prompt


@pytest.mark.parametrize("scale", range(len(SOUND_SCALES)))
@pytest.mark.parametrize("encoding", range(4))
def test_sound_is_in_embers_picture_and_two_sounds_are_two_pictures(
    ember: FeedbackModel, encoding: int, scale: int
) -> None:
    asked = {"sound__encoding": float(encoding), "sound__scale": float(scale)}
    words = painted(ember, None)
    one, two = (painted(ember, m, sound__mix=1.0, **asked) for m in (tone(220.0), hiss()))
    again = painted(ember, tone(220.0), sound__mix=1.0, **asked)
    assert np.abs(one.astype(int) - words).mean() > 5.0
    assert np.array_equal(one, again)
    if SOUND_SCALES[scale] == "manifold":
        assert np.abs(one.astype(int) - two).mean() > 5.0


def test_silence_leaves_the_prompt_alone(ember: FeedbackModel) -> None:
    words = painted(ember, None)
    silent = SoundMoment(np.zeros(RATE_HZ, np.float32), RATE_HZ)
    assert np.array_equal(painted(ember, silent, sound__mix=1.0), words)
    assert np.array_equal(painted(ember, None, sound__mix=1.0), words)


def test_half_a_slice_of_silence_takes_half_of_the_mix(ember: FeedbackModel) -> None:
    state = control(sound__mix=0.8)
    ember.sound_window_s(state.values)
    silent = SoundMoment(np.zeros(RATE_HZ, np.float32), RATE_HZ)
    with torch.inference_mode():
        prompt = ember._prompts.step(state)
        ember.hear(((tone(220.0), 0.5), (silent, 0.5)))
        found = ember._sound.step(prompt, state.values).tokens.clone()
        ember.hear(((tone(220.0), 1.0),))
        wanted = ember._sound.step(prompt, state.values | {"sound/mix": 0.4}).tokens
    torch.testing.assert_close(found, wanted)


def test_the_mix_on_the_device_is_the_one_of_the_host() -> None:
    rng = np.random.default_rng(1)
    one, two = (SoundEmbedding(rng.standard_normal((8, 32)).astype(np.float32)) for _ in range(2))
    for mix in (0.2, 0.5, 1.0):
        found = _mix(None, torch.from_numpy(one.tokens)[None], two.tokens[None], mix)
        wanted = mixed([one, two], [1.0 - mix, mix]).tokens
        np.testing.assert_allclose(found[0].numpy(), wanted, atol=1e-5)


def test_an_adapter_that_is_not_there_is_one_line_and_the_words_are_painted(
    ember: FeedbackModel,
) -> None:
    words = painted(ember, None)
    missing = float(SOUND_ENCODINGS.index("mapper"))
    ember.use_adapters(AdapterShelf({"mapper": Path("nowhere.safetensors")}, open_adapter))
    found = painted(ember, hiss(), sound__mix=1.0, sound__encoding=missing)
    assert "nowhere.safetensors" in ember.sound_message
    assert np.array_equal(found, words)
    painted(ember, hiss(), sound__mix=0.0)
    assert ember.sound_message == ""


def test_live_the_bank_is_gathered_beside_the_pictures() -> None:
    """No picture waits for all of the bank, and after some of them the sound is there."""
    model = open_ember(ModelRequest("ember", 128, 128, "cpu", "float32", 1, live=True))
    state = control(sound__mix=1.0)
    encoded = []
    for _ in range(200):
        window_s = model.sound_window_s(state.values)
        if window_s:
            break
        model.generate(state, 0.0)
        encoded.append(sum(model._prompts.ready(text) for text in BANK_PROMPTS))
    assert window_s == pytest.approx(59_136 / 44_100)
    assert np.diff([0, *encoded]).max() < len(BANK_PROMPTS) / 2
    model.hear(((hiss(), 1.0),))
    model.generate(state, 0.0)
    assert model.sound_message == ""


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_cached_keys_follow_the_sound_and_keep_nothing_of_it(tmp_path: Path, family: str) -> None:
    folder = {"sd": write_sd, "sdxl": write_sdxl}[family](tmp_path / family)
    request = ModelRequest(str(folder), 64, 64, "cpu", "float32", 1)
    cached, plain = open_checkpoint(request), open_checkpoint(request)
    plain.bundle._keys.withdraw()
    plain.bundle._keys = None
    pairs, kept = [], []
    for k in range(30):
        state = control(sound__mix=0.7, sound__scale=2.0)
        for model in (cached, plain):
            assert model.sound_window_s(state.values) > 0.0
            model.hear(((tone(200.0 + 30 * k), 1.0),))
        with torch.inference_mode():
            answers = []
            for model in (cached, plain):
                prompt = model._sound.step(model._prompts.step(state), state.values)
                model.bundle.hold(prompt)
                noise = torch.randn(
                    model.bundle.latent_shape(64, 64), generator=torch.Generator().manual_seed(0)
                )
                level = model.bundle.noise_level(0.5)
                level = type(level)(*(torch.tensor(x) for x in dataclasses.astuple(level)))
                answers.append(model.bundle.denoised(noise, level, prompt, None))
        pairs.append(answers)
        kept.append(cached.bundle._keys.bytes)
    for one, two in pairs:
        torch.testing.assert_close(one, two, atol=1e-4, rtol=0.0)
    assert (pairs[0][0] - pairs[-1][0]).abs().max() > 1e-4
    assert len(set(kept)) == 1


def test_changed_text_weights_measure_the_bank_anew(ember: FeedbackModel) -> None:
    painted(ember, hiss(), sound__mix=1.0)
    before = ember._sound._text
    ember._prompts.forget()
    ember._sound.forget()
    painted(ember, hiss(), sound__mix=1.0)
    assert ember._sound._text is not before


def test_the_loop_asks_for_sound_only_where_it_is_wanted(ember: FeedbackModel) -> None:
    asked: list[float] = []

    def sound_at(state, window_s, step_s):
        asked.append(window_s)
        return ((hiss(), 1.0),)

    loop = DiffusionLoop(Latest(), Latest(), ManualClock(), sound_at=sound_at)
    loop.open_now(lambda: ember)
    words = loop.step(control(0.1)).pixels
    assert asked == []
    loop._model.restart()
    assert not np.array_equal(loop.step(control(0.2, sound__mix=1.0)).pixels, words)
    assert asked == [pytest.approx(59_136 / 44_100)]


class RingSource:
    sample_rate = RATE_HZ

    def __init__(self, samples: np.ndarray, capacity: int) -> None:
        self.ring = SampleRing(capacity)
        self.ring.push(np.repeat(samples[:, None], 2, axis=1).astype(np.float32))


def test_the_tap_reads_the_window_that_ends_at_the_pictures_own_sample() -> None:
    source = RingSource(np.arange(40_000), 100_000)
    tap = SoundTap()
    state = dataclasses.replace(control(), sample_index=20_000)
    assert tap.sound_at(state, 0.1, 0.0) == ()
    tap.note(source, 25_000, 35_000)  # a source that was heard late: its ring is 10 000 ahead
    ((moment, share),) = tap.sound_at(state, 0.1, 0.0)
    assert share == 1.0
    np.testing.assert_array_equal(moment.samples, np.arange(25_200, 30_000))
    assert tap.sound_at(dataclasses.replace(state, silent=True), 0.1, 0.0) == ()
    assert tap.sound_at(dataclasses.replace(state, sample_index=90_000), 0.1, 0.0) == ()


def test_with_a_step_the_window_stands_still_until_the_next() -> None:
    source = RingSource(np.arange(60_000), 100_000)
    tap = SoundTap()
    tap.note(source, 60_000, 60_000)
    heard = [
        tap.sound_at(dataclasses.replace(control(), sample_index=index), 0.1, 0.5)[0][0]
        for index in (24_000, 30_000, 47_999, 48_000)
    ]
    assert heard[0] is heard[1] is heard[2]
    assert heard[0].samples[-1] == 23_999
    assert heard[3].samples[-1] == 47_999


def test_the_tap_lets_a_picture_pass_whose_sound_is_overwritten() -> None:
    source = RingSource(np.arange(40_000), 10_000)
    tap = SoundTap()
    tap.note(source, 40_000, 40_000)
    late = dataclasses.replace(control(), sample_index=20_000)
    assert tap.sound_at(late, 0.1, 0.0) == ()
