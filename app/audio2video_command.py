"""`sonolume audio2video`: a video whose pictures are painted from slices of the sound."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.render_command import render_settings
from engine.audio.decode import SoundReader
from engine.errors import LimitError, UsageError
from engine.export import ExportSettings
from engine.export.settings import SliceChoice
from engine.export.sound_look import (
    Mark,
    check_sound,
    read_prompt_file,
    slices_look,
    sound_given,
    sound_params,
    usual_mix,
)
from engine.export.sound_picture import QUIET_PROMPT
from engine.registry import DEFAULT_MODEL
from engine.runtime import limits
from engine.runtime.listening import audio_path

MOST_OVERLAP = 8.0


def run(options: argparse.Namespace) -> int:
    """Render through the same export as `sonolume render`."""
    options.progress_json = False
    return render_settings(_settings(options), options)


def _settings(options: argparse.Namespace) -> ExportSettings:
    audio = audio_path(options.path)
    _check(options)
    marks = _marks(options, audio)
    mix = options.mix
    if mix is None:
        mix = usual_mix(options.encoding, options.checkpoint, told=bool(marks))
    sound = sound_params(options.encoding, options.scale, mix, options.bend)
    adapters = {} if options.checkpoint is None else {options.encoding: options.checkpoint}
    return ExportSettings(
        audio=audio,
        output=options.output or Path(audio.name).with_suffix(".mp4"),
        preset="audio2video",
        look=slices_look(marks or ((0.0, QUIET_PROMPT),), sound, options.seed_policy),
        slices=SliceChoice(
            options.slices or options.fps, options.overlap, options.seed_policy == "per-slice"
        ),
        adapters=adapters,
        sound_given=sound_given(options.scale, options.bend),
        model=options.model or DEFAULT_MODEL,
        width=options.size[0],
        height=options.size[1],
        fps=options.fps,
        strength=options.strength,
        seed=options.seed,
        seconds=options.seconds,
        init_image=options.init_image,
        quality=options.quality,
        device_compute=options.device_compute,
        threads=options.threads,
        vae=options.vae,
    )


def _marks(options: argparse.Namespace, audio: Path) -> tuple[Mark, ...]:
    """Prompts over time; none where there are no words."""
    if options.prompt_file is not None:
        return read_prompt_file(options.prompt_file)
    if options.textprompt is None:
        return ()
    if options.textpromptend is None:
        return ((0.0, options.textprompt),)
    if options.seconds is not None:
        return ((0.0, options.textprompt), (options.seconds, options.textpromptend))
    with SoundReader(audio) as reader:
        return ((0.0, options.textprompt), (reader.duration_s, options.textpromptend))


def _check(options: argparse.Namespace) -> None:
    """Raise `UsageError` for what the words alone show to be wrong."""
    check_sound(options.encoding, options.checkpoint)
    limits.check_fps(options.fps)
    limits.check_param("sound/mix", options.mix)
    limits.check_param("sound/bend", options.bend)
    if options.prompt_file is not None and options.textprompt is not None:
        raise UsageError("--prompt-file and --textprompt say different things: give one of them")
    if options.textpromptend is not None and options.textprompt is None:
        raise UsageError("--textpromptend is where --textprompt leads: give that too")
    if not 0.0 <= options.overlap <= MOST_OVERLAP:
        raise LimitError(f"--overlap {options.overlap:g} is outside 0 to {MOST_OVERLAP:g} slices")
    if options.slices is not None and not 0.1 <= options.slices <= options.fps:
        raise LimitError(
            f"--slices {options.slices:g} is outside 0.1 to --fps {options.fps:g} per second"
        )
