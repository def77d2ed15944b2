"""LoRAs through the real stages: ember live, and in an export that is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from engine import commands as cmd
from engine.diffusion.models.ember.bundle import ember_folder
from engine.errors import ModelLoadError
from engine.export import ExportSettings, render
from engine.messages import LoraChoice
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from tests.checkpoints import write_lora_peft, write_sd
from tests.integration.test_engine import play, until
from tests.scripted_source import ScriptedSource

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

RATE_HZ = 44_100


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> LoraChoice:
    path = tmp_path_factory.mktemp("lora") / "ink.safetensors"
    write_lora_peft(path, ember_folder(), text=False, size=0.3)
    return LoraChoice(str(path), 0.5)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> LoraChoice:
    """A LoRA of another family."""
    home = tmp_path_factory.mktemp("other")
    write_lora_peft(home / "sd.safetensors", write_sd(home / "sd"), text=False)
    return LoraChoice(str(home / "sd.safetensors"))


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture
def engine(source: ScriptedSource) -> Iterator[Engine]:
    config = EngineConfig(model="ember", width=128, height=128, fps=10.0)
    running = Engine(config, open_source=lambda choice: source)
    running.start()
    yield running
    running.close()


def look(folder: Path, name: str, path: str) -> str:
    """Write a preset with one LoRA; return its path."""
    file = folder / f"{name}.toml"
    file.write_text(f'name = "{name}"\n[[prompts]]\ntext = "aurora"\n[[loras]]\npath = "{path}"\n')
    return str(file)


def test_a_preset_dresses_the_running_model_and_a_bad_one_leaves_the_show_as_it_is(
    engine: Engine, source: ScriptedSource, lora: LoraChoice, other: LoraChoice, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    play(source, 0.5)
    until(engine, lambda s: s.pictures > 0)
    engine.post(cmd.LoadPreset(look(tmp_path, "good", lora.path)))
    status = until(engine, lambda s: bool(s.loras))
    assert [each.path for each in status.loras] == [lora.path]
    engine.post(cmd.LoadPreset(look(tmp_path, "gone", "nowhere.safetensors")))
    status = until(engine, lambda s: "loras.0.path" in s.message)
    assert status.preset.endswith("good.toml")
    engine.post(cmd.LoadPreset(look(tmp_path, "foreign", other.path)))
    status = until(engine, lambda s: "choose a LoRA made for ember" in s.model_problem)
    assert [each.path for each in status.loras] == [lora.path]
    painted = status.pictures
    play(source, 0.5)
    until(engine, lambda s: s.pictures > painted)
    engine.post(cmd.LoadPreset("default"))
    until(engine, lambda s: not s.loras and not s.model_problem)


def movie(path: Path) -> np.ndarray:
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def test_an_export_with_a_moving_lora_is_deterministic_and_goes_on_where_it_stopped(
    lora: LoraChoice, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    song = tmp_path / "song.wav"
    samples = 0.02 * rng.standard_normal((RATE_HZ, 2))
    samples[:: RATE_HZ // 4] = 0.9
    soundfile.write(song, samples, RATE_HZ)
    preset = tmp_path / "worn.toml"
    preset.write_text(
        'name = "worn"\n[[prompts]]\ntext = "aurora"\n[params]\n"lora/1" = 0.2\n'
        '[[routes]]\nsource = "lfo.fast"\ntarget = "lora/1"\namount = 1.5\n'
    )

    def settings(name: str, *loras: LoraChoice) -> ExportSettings:
        return ExportSettings(
            song, tmp_path / f"{name}.mp4", str(preset), width=128, height=128, fps=8.0,
            threads=1, dtype="float32", device_compute="cpu", loras=loras,
        )  # fmt: skip

    whole = render(settings("whole", lora))
    assert whole.finished
    stop = threading.Event()
    render(
        settings("parts", lora), stop=stop,
        progress=lambda p: stop.set() if p.frames_done == 5 else None,
    )  # fmt: skip
    rest = render(settings("parts", lora), resume=True)
    assert rest.resumed_frames == 5
    assert np.array_equal(movie(tmp_path / "whole.mp4"), movie(tmp_path / "parts.mp4"))
    render(settings("bare"))
    difference = movie(tmp_path / "whole.mp4").astype(int) - movie(tmp_path / "bare.mp4")
    assert np.abs(difference).mean() > 1.0


def test_an_export_with_a_lora_of_another_family_makes_no_file(
    other: LoraChoice, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "song.wav", np.zeros((RATE_HZ // 2, 2)), RATE_HZ)
    with pytest.raises(ModelLoadError, match="choose a LoRA made for ember"):
        render(
            ExportSettings(
                tmp_path / "song.wav", tmp_path / "a.mp4", width=128, height=128, fps=8.0,
                loras=(other,),
            )
        )  # fmt: skip
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["song.wav"]
