"""What an engine is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine import commands as cmd
from engine.messages import LoraChoice
from engine.presets import DEFAULT_PRESET
from engine.registry import AUTO_RUNNER, DEFAULT_MODEL, DEFAULT_VAE, NO_GUIDES, Guides
from engine.semantic.listener_names import DEFAULT_LISTENER


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What an engine is started with; everything later comes as commands."""

    source: cmd.SourceChoice = field(default_factory=lambda: cmd.SourceChoice("mic"))
    preset: str = DEFAULT_PRESET
    model: str = DEFAULT_MODEL
    width: int = 512
    height: int = 512
    model_width: int = 0
    """0: the nearest size the model supports to the output size."""
    model_height: int = 0
    fps: float = 30.0
    device_compute: str = "auto"
    runner: str = AUTO_RUNNER
    """What executes frames and networks of the model; `auto` climbs while the show runs."""
    vae: str = DEFAULT_VAE
    """Which autoencoder of a checkpoint paints, see `ModelRequest`."""
    seed: int | None = None
    listener: str = DEFAULT_LISTENER
    """`embedded`, `clap`, `descriptors`, or a CLAP checkpoint's folder or hub id."""
    labels: Path | None = None
    """A bank of labels to listen for; None: the one that ships."""
    loras: tuple[LoraChoice, ...] | None = None
    """LoRAs for the whole show; None: those of each preset."""
    record: Path | None = None
    structure: cmd.StructureChoice = cmd.NO_STRUCTURE
    """Which picture, video or camera steers the shapes."""
    guides: Guides = NO_GUIDES
    """What leads checkpoints beside their prompt."""
    clock: cmd.ClockChoice = field(default_factory=cmd.ClockChoice)
    """Which beat the picture follows."""
    audible: bool = True
    """Whether files are heard through the speakers."""
    lookahead: Literal["causal", "whole"] = "causal"
    """Files: the beat as it is heard, or as the whole file has it."""
    offsets_ms: Mapping[str, float] = field(default_factory=dict)
    """Name of a device -> how much later it really hears than it says (`sonolume calibrate`)."""
    adapters: Mapping[str, Path] = field(default_factory=dict)
    """Files of the adapters between sound and prompt, by the name of their encoding."""
    still: Path | None = None
    """A picture to begin with (the last one of the previous run) instead of the shipped still."""
