"""The engine's dull twin for the window: it shows what it is told and records what is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.commands import Command
from engine.mailbox import Latest
from engine.messages import (
    AudioFeatures,
    EngineStatus,
    Frame,
    Phase,
    PromptWeight,
    SourceStatus,
    freeze,
)  # fmt: skip
from engine.params import defaults

PROMPTS = ("northern lights over a frozen lake", "a tractor in a wheat field", "deep sea")


def features(sample_index: int = 48_000, **changes: object) -> AudioFeatures:
    """Return plausible features; `changes` replace single fields."""
    base = AudioFeatures(
        sample_index=sample_index, sample_rate=48_000, level_db=-14.0, peak=0.5, silent=False,
        band_level=freeze(np.array([0.5, 0.8, 0.6, 0.4, 0.3, 0.7], np.float32)),
        band_hit=freeze(np.zeros(6, np.float32)),
        band_presence=freeze(np.full(6, 0.5, np.float32)),
        onset_strength=0.8, onset_count=4, centroid=0.5, flatness=0.2,
        tempo_bpm=124.0, tempo_confidence=0.8, beat_count=7, beat_phase=0.25,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def frame(index: int, width: int = 64, height: int = 64) -> Frame:
    """Return a frame of one colour that tells its index."""
    pixels = np.full((height, width, 3), (index * 40) % 256, np.uint8)
    return Frame(index, freeze(pixels), index * 1600, index / 30, index)


@dataclass(frozen=True)
class AskedFor:
    fps: float = 30.0


class FakeEngine:
    """A `RunningEngine` without threads."""

    def __init__(self) -> None:
        self.frames: Latest[Frame] = Latest()
        self.commands: list[Command] = []
        self.closed = False
        self.config = AskedFor()
        self.now = EngineStatus(
            phase=Phase.RUNNING, model="ember", model_asked="ember", preset="default",
            source=SourceStatus("mic", "ALSA: pulse", True),
            features=features(), values=defaults(), modulated=defaults(),
            prompts=(PromptWeight(PROMPTS[0], 1.0),), prompt_texts=PROMPTS,
            ai_fps=24.0, output_fps=30.0, latency_ms=38.0,
        )  # fmt: skip

    def post(self, command: Command) -> None:
        self.commands.append(command)

    def status(self) -> EngineStatus:
        return self.now

    def show(self, **changes: object) -> None:
        """Change the status."""
        self.now = replace(self.now, **changes)  # type: ignore[arg-type]

    def close(self) -> None:
        self.closed = True
