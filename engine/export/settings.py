"""What to render, how far it is, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.commands import NO_STRUCTURE, StructureChoice
from engine.errors import AudioFileError, GuidesError, MovieError, UsageError
from engine.messages import LoraChoice
from engine.presets import DEFAULT_PRESET, Preset
from engine.registry import (
    DEFAULT_MODEL,
    DEFAULT_RUNNER,
    DEFAULT_VAE,
    NO_GUIDES,
    Guides,
    check_guides,
    find_model,
)
from engine.runtime import limits
from engine.semantic.listener_names import DEFAULT_LISTENER
from engine.semantic.listeners import check_listener


@dataclass(frozen=True, slots=True)
class SliceChoice:
    """The sound cut into slices, each of which is encoded for its own pictures."""

    per_second: float
    overlap: float = 0.0
    """How much of both neighbours a slice hears besides, as a share of a slice."""
    new_seeds: bool = False
    """Every slice has a seed of its own."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What to render."""

    audio: Path
    output: Path
    preset: str = DEFAULT_PRESET
    look: Preset | None = None
    """A preset that is no file; `preset` is only its name then."""
    slices: SliceChoice | None = None
    """Which sound a picture answers: None, as live, what was heard just before it."""
    adapters: Mapping[str, Path] = field(default_factory=dict)
    """Files of the adapters between sound and prompt, by the name of their encoding."""
    sound_given: Mapping[str, str] = field(default_factory=dict)
    """Parameters of sound that a command was given, as the user wrote them: `unread_words`."""
    prompts: tuple[str, ...] = ()
    """When given, these replace the preset's prompts, spread evenly over the video."""
    model: str = DEFAULT_MODEL
    width: int = 512
    height: int = 512
    model_width: int = 0
    model_height: int = 0
    fps: float = 30.0
    ai_fps: float | None = None
    """Pictures per second; None: one for every frame."""
    strength: float | None = None
    seed: int = 0
    start_s: float = 0.0
    seconds: float | None = None
    lookahead: Literal["causal", "whole"] = "causal"
    """The beat as the live show hears it, or as the whole file has it."""
    init_image: Path | None = None
    structure: StructureChoice = NO_STRUCTURE
    """The picture or video that steers the shapes."""
    guides: Guides = NO_GUIDES
    """What leads checkpoints beside their prompt."""
    listener: str = DEFAULT_LISTENER
    """`embedded`, `clap`, `descriptors`, or a CLAP checkpoint's folder or hub id."""
    labels: Path | None = None
    """A bank of labels to listen for; None: the one that ships."""
    loras: tuple[LoraChoice, ...] | None = None
    """LoRAs to paint with; None: those of the preset."""
    quality: int = 18
    device_compute: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    runner: str = DEFAULT_RUNNER
    """What executes the networks, see `engine.diffusion.runners`."""
    vae: str = DEFAULT_VAE
    """Which autoencoder of a checkpoint paints, see `ModelRequest`."""


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """How far a render is."""

    frames_done: int
    frames_total: int
    fps: float
    eta_s: float


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was rendered."""

    path: Path
    frames: int
    seconds: float
    x_realtime: float
    audio_offset_ms: float | None
    """Sound against its source after encoding; None when it is silent or the video unfinished."""
    runner: str
    dtype: str
    threads: int
    finished: bool
    """False when it was interrupted; `path` then holds what was rendered so far."""
    note: str = ""
    """One line when the sound was damaged; the video is as long as what could be played."""
    resumed_frames: int = 0
    """Frames that an earlier, interrupted render had made already."""


def check_settings(settings: ExportSettings) -> None:
    """Raise an `EngineError` for settings that no render can obey, before anything is opened."""
    limits.check_size(settings.width, settings.height)
    limits.check_model_size(settings.model_width, settings.model_height)
    limits.check_fps(settings.fps)
    limits.check_ai_fps(settings.ai_fps)
    limits.check_seconds(settings.seconds)
    limits.check_start(settings.start_s)
    limits.check_param("diffusion/strength", settings.strength)
    limits.check_param("diffusion/seed", settings.seed)
    limits.check_threads(settings.threads)
    limits.check_prompts(settings.prompts)
    if _same_file(settings.output, settings.audio):
        raise MovieError(
            f"{settings.output} is the sound itself and would be lost: choose another output"
        )
    find_model(settings.model)
    check_listener(settings.listener)
    check_guides(settings.guides, settings.model)
    if settings.guides.controlnet and settings.structure.kind == "none":
        raise GuidesError(
            "--controlnet without --structure has nothing to follow: give --structure image:PATH "
            "or video:PATH, or leave --controlnet out"
        )
    if settings.structure.kind == "camera":
        raise UsageError("a camera steers live shows only: film it first and give video:PATH")


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # at least one of them does not exist
        return False


def frame_count(settings: ExportSettings, duration_s: float) -> int:
    """How many frames a video of so long a sound has. Raises `AudioFileError` without any."""
    if settings.start_s >= duration_s:
        raise AudioFileError(
            f"{settings.audio.name} is {duration_s:.1f} s long, so it cannot start at "
            f"{settings.start_s:.1f} s"
        )
    seconds = duration_s - settings.start_s
    if settings.seconds is not None:
        seconds = min(seconds, settings.seconds)
    return max(1, int(seconds * settings.fps + 1e-6))
