"""From sound to the prompts of the picture, live and in an export."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine import commands as cmd
from engine.audio.decode import SoundReader
from engine.clock import MonotonicClock
from engine.errors import ModelLoadError
from engine.export import ExportSettings
from engine.export.hearing import Hearing
from engine.messages import ControlState
from engine.presets import load_preset
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from engine.semantic.bank import default_bank
from engine.semantic.descriptors import DESCRIPTORS
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.sounds.catalogue import SOUNDS
from tests.scripted_source import ScriptedSource

DRUMS = "a drum set in stage light"


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource(SAMPLE_RATE_HZ)


@pytest.fixture
def engine(source: ScriptedSource) -> Iterator[Engine]:
    config = EngineConfig(model="null", width=128, height=96, fps=30.0, preset="listening")
    running = Engine(config, open_source=lambda choice: source)
    running.start()
    yield running
    running.close()


def drums(seconds: float) -> np.ndarray:
    return SOUNDS["drums"](np.random.default_rng(77_000), seconds)


def test_what_is_played_live_becomes_a_prompt(engine: Engine, source: ScriptedSource) -> None:
    sound = drums(30.0)
    block = SAMPLE_RATE_HZ // 20
    clock, pause = MonotonicClock(), threading.Event()
    end_s = clock.now() + 60.0
    place = 0
    while clock.now() < end_s:
        source.feed(sound[place : place + block])
        place = (place + block) % (len(sound) - block)
        pause.wait(0.05)
        status = engine.status()
        if any(part.text == DRUMS and part.weight > 0.3 for part in status.prompts):
            break
    else:
        pytest.fail(f"never heard: {engine.status().semantic}")
    assert status.semantic is not None
    assert status.semantic.listener == "embedded"
    assert status.semantic.labels == default_bank().names
    assert status.semantic.prompt == DRUMS
    engine.post(cmd.SetParam("prompt/listen", 0.0))
    while clock.now() < end_s and any(p.text == DRUMS for p in engine.status().prompts):
        source.feed(sound[:block])
        pause.wait(0.05)
    assert all(part.text != DRUMS for part in engine.status().prompts)


def controls(path: Path, preset: str, listener: str = "embedded") -> list[ControlState]:
    settings = ExportSettings(path, path.with_suffix(".mp4"), preset=preset, listener=listener)
    with SoundReader(path) as reader:
        duration_s = reader.duration_s
        hearing = Hearing(settings, load_preset(preset), reader, lambda index, block: None)
        seen = []
        for k in range(int(25 * duration_s)):
            hearing.hear_until(k / 25)
            seen.append(hearing.control)
        hearing.close()
    return [control for control in seen if control is not None]


def test_an_export_hears_the_same_every_time(tmp_path: Path) -> None:
    path = tmp_path / "drums.wav"
    soundfile.write(path, drums(4.0), SAMPLE_RATE_HZ)
    first, again = controls(path, "listening"), controls(path, "listening")
    assert [c.prompts for c in first] == [c.prompts for c in again]
    assert {part.text for part in first[-1].prompts} >= {DRUMS}
    deaf = controls(path, "default")
    assert all(part.text != DRUMS for control in deaf for part in control.prompts)
    for control in first:
        assert sum(part.weight for part in control.prompts) == pytest.approx(1.0)


def test_an_export_listens_with_the_listener_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "drums.wav"
    soundfile.write(path, drums(4.0), SAMPLE_RATE_HZ)
    painted = {part.text for part in controls(path, "listening", "descriptors")[-1].prompts}
    assert DRUMS not in painted
    assert painted & {label.prompt for label in DESCRIPTORS.labels}
    with pytest.raises(ModelLoadError, match="no listener 'embeded'"):
        controls(path, "listening", "embeded")
