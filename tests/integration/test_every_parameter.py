from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.commands import SetParam
from engine.compose.composer import Composer
from engine.conditioning.encodings import AdapterShelf
from engine.conditioning.sound_embedding import SoundMoment
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.ember.bundle import ember_folder, open_ember
from engine.diffusion.structure.shapes import DrawnShapes
from engine.messages import LORA_SLOTS, LoraChoice, Picture, SemanticState, Uint8
from engine.modulation.stage import Modulation
from engine.params import PARAMS
from engine.presets import Preset, PromptScene, Route
from engine.registry import Guides, ModelRequest
from engine.semantic.adapters import open_adapter
from engine.sound_choices import SOUND_ENCODINGS
from tests.checkpoints import write_controlnet, write_ip_adapter, write_lora_peft, write_sd

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

RATE_HZ = 48_000
FRAMES = 7
PRESET = Preset(
    name="all",
    prompts=(
        PromptScene(text="a sunset over the sea", hold_s=0.2, transition_s=0.2),
        PromptScene(text="a spiral galaxy", hold_s=0.2, transition_s=0.2),
    ),
    params={"motion/zoom": 0.3},
    routes=(
        Route(source="all.hit", target="colour/exposure", amount=0.8),
        Route(source="all.level", target="colour/contrast", amount=0.5),
        Route(source="beat.pulse", target="colour/saturation", amount=-0.6),
    ),
)


RAW_SOUND = ("sound/scale", "sound/bend")
NEED_GUIDES = ("structure/control", "prompt/image")


@pytest.fixture(scope="module")
def ember(tmp_path_factory: pytest.TempPathFactory) -> FeedbackModel:
    """Ember with as many LoRAs on as there are parameters for them."""
    model = open_ember(ModelRequest("ember", 128, 128, "cpu", "float32", 1))
    home = tmp_path_factory.mktemp("loras")
    for seed in range(LORA_SLOTS):
        write_lora_peft(
            home / f"{seed}.safetensors", ember_folder(), seed=seed, text=False, size=0.2
        )
    model.use_adapters(AdapterShelf({}, open_adapter))
    model.put_on([LoraChoice(str(path)) for path in sorted(home.iterdir())])
    return model


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> FeedbackModel:
    home = tmp_path_factory.mktemp("checkpoints")
    folder = write_sd(home / "sd", tiny_vae=False)  # the tiny one paints black
    picture = home / "red.png"
    cv2.imwrite(str(picture), np.full((32, 32, 3), (20, 30, 200), np.uint8))
    guides = Guides(
        str(write_controlnet(home / "control", folder)),
        ip_adapter=str(write_ip_adapter(home / "ip" / "adapter.safetensors", folder)),
        image_prompt=str(picture),
    )
    return open_checkpoint(ModelRequest(str(folder), 128, 128, "cpu", "float32", 1, guides=guides))


def last_frame(model: FeedbackModel, name: str, value: float) -> Uint8:
    """Run the real stages for a moment with one parameter changed, the rest as they are."""
    model.restart()
    rng = np.random.default_rng(5)
    samples = (0.02 * rng.standard_normal((RATE_HZ, 2))).astype(np.float32)
    for start in range(0, RATE_HZ, RATE_HZ // 8):
        samples[start : start + 2000] *= 25.0
    analyzer, modulation = Analyzer(RATE_HZ), Modulation(PRESET)
    analyzer.set_tempo(150.0)
    if name.startswith("sound/"):
        modulation.apply(SetParam("sound/mix", 1.0))
        if name in RAW_SOUND:
            modulation.apply(SetParam("sound/encoding", float(SOUND_ENCODINGS.index("mel"))))
    modulation.apply(SetParam(name, value))
    fire = SemanticState(0, "embedded", ("fire",), (1.0,), label=0, prompt="a wall of fire")
    modulation.listen(fire)
    modulation.describe("a crimson flower, whirling")
    shapes = DrawnShapes(128, 128)
    composer = Composer(128, 128, np.full((128, 128, 3), 90, np.uint8))
    step = RATE_HZ // FRAMES
    frame = np.zeros((128, 128, 3), np.uint8)
    for k in range(FRAMES):
        analyzer.follow(modulation.modulated)
        for features in analyzer.push(samples[k * step : (k + 1) * step]):
            dt_s = analyzer.hop_length / RATE_HZ
            control = modulation.step(features, dt_s, host_time_s=0.0)
        model.steer(shapes.picture_at(control.time_s) if name.startswith("structure/") else None)
        if model.sound_window_s(control.values):
            heard = samples[: (k + 1) * step].mean(axis=1)
            model.hear(((SoundMoment(heard, RATE_HZ), 1.0),))
        picture = Picture(k, model.generate(control, 1 / FRAMES), control, 10.0, 0.1)
        later = dataclasses.replace(control, time_s=control.time_s - 0.02)
        frame = composer.compose(picture, later, time_s=control.time_s, dt_s=1 / FRAMES)
    return frame


@pytest.mark.parametrize("name", list(PARAMS))
def test_every_parameter_changes_the_picture(
    ember: FeedbackModel, guided: FeedbackModel, name: str
) -> None:
    spec = PARAMS[name]
    model = guided if name in NEED_GUIDES else ember
    default = PRESET.params.get(name, spec.default)
    ends = [end for end in (spec.low, spec.high) if end != default]
    before = last_frame(model, name, default)
    changes = [np.abs(last_frame(model, name, end).astype(int) - before).mean() for end in ends]
    assert max(changes) > 0.2, f"{name} is a dead knob: {changes}"
