"""Looks that are led by sound itself: parameters, prompts over time, one look for a video."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

from engine.errors import PresetError, UsageError
from engine.presets import Preset, PromptScene
from engine.runtime.limits import check_prompts
from engine.sound_choices import (
    ADAPTER_ENCODINGS,
    SOUND_ENCODINGS,
    SOUND_SCALES,
    readers_of,
)

SeedPolicy = Literal["fixed", "walk", "per-slice"]
SEED_POLICIES: tuple[SeedPolicy, ...] = ("fixed", "walk", "per-slice")
"""One noise for the whole video, one that wanders, or another for every slice."""

Mark = tuple[float, str]
"""From which second on a prompt is meant, and the prompt."""

_WALK_RAD_S = 1.0
_LEAST_HOLD_S = 0.001
_LONGEST_HOLD_S, _LONGEST_TRANSITION_S = 3600.0, 600.0
_LINE = re.compile(r"(\d+):(\d{1,2}(?:\.\d+)?):(.*)")
USUAL_SCALE = "manifold"
"""Of raw encodings: the one whose pictures are worth looking at, on ember too."""


def check_sound(encoding: str, checkpoint: Path | None) -> None:
    """Raise `UsageError` where an encoding and a checkpoint do not belong together."""
    if encoding not in ADAPTER_ENCODINGS and checkpoint is not None:
        raise UsageError(
            f"--checkpoint is for --encoding {' or '.join(ADAPTER_ENCODINGS)}"
            f", and {encoding} has none: leave it out"
        )


def unread_words(given: Mapping[str, str], unread: Collection[str]) -> str:
    """One line on what was given and nothing reads; empty where all of it is read.

    `given`: by the parameter that it sets, as the user wrote it.
    """
    return "; ".join(
        f"{words} changes nothing: it is for {readers_of(name)}"
        for name, words in given.items()
        if name in unread
    )


def usual_mix(encoding: str, checkpoint: Path | None, *, told: bool) -> float:
    """How much of the prompt is the sound unless said: all of it, or half beside words.

    A projector with ears, as the shipped one, takes nothing away from what is told, so it is
    heard in full. Raises `ModelLoadError` for a checkpoint that is none.
    """
    if not told:
        return 1.0
    if encoding == "projector":
        from engine.conditioning.projector.projector_file import has_ears

        return 1.0 if checkpoint is None or has_ears(checkpoint) else 0.5
    return 0.5


def sound_params(encoding: str, scale: str | None, mix: float, bend: float) -> dict[str, float]:
    """Return the live parameters of an encoding, by their names."""
    return {
        "sound/mix": mix,
        "sound/encoding": float(SOUND_ENCODINGS.index(encoding)),
        "sound/scale": float(SOUND_SCALES.index(scale or USUAL_SCALE)),
        "sound/bend": bend,
    }


def sound_given(scale: str | None, bend: float) -> dict[str, str]:
    """What a command was told of `--scale` and `--bend`, for `unread_words`."""
    given = {} if scale is None else {"sound/scale": f"--scale {scale}"}
    return given | ({"sound/bend": f"--bend {bend:g}"} if bend else {})


def slices_look(marks: Sequence[Mark], sound: dict[str, float], seeds: SeedPolicy) -> Preset:
    """A look in which nothing moves but what the sound and the words say.

    A picture is the one before it, painted over, as in Sound-Diffusion; from each mark to the next
    the prompts melt.
    """
    check_prompts([text for _, text in marks])
    params = {
        "motion/zoom": 0.0,
        "diffusion/noise_walk": _WALK_RAD_S if seeds == "walk" else 0.0,
        **sound,
    }
    return Preset(name="audio2video", prompts=_scenes(marks), params=params)


def read_prompt_file(path: Path) -> tuple[Mark, ...]:
    """Read lines `mm:ss:prompt`; empty ones and those that begin with # are passed over.

    Raises `PresetError` with the line's number.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise PresetError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PresetError(f"{path} is no UTF-8 text (byte {error.start})") from error
    marks: list[Mark] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        mark = _mark(line.strip(), f"{path.name}, line {number}")
        if marks and mark[0] <= marks[-1][0]:
            raise PresetError(
                f"{path.name}, line {number}: {line.strip()[:40]!r} is not later than the line "
                "before it; put them in order"
            )
        marks.append(mark)
    if not marks:
        raise PresetError(f"{path.name} has no line mm:ss:prompt")
    return tuple(marks)


def _mark(line: str, where: str) -> Mark:
    found = _LINE.fullmatch(line)
    if found is None or float(found[2]) >= 60.0 or not found[3].strip():
        raise PresetError(f"{where}: {line[:40]!r} is not mm:ss:prompt; write 01:30:a red forest")
    return 60.0 * int(found[1]) + float(found[2]), found[3].strip()


def _scenes(marks: Sequence[Mark]) -> tuple[PromptScene, ...]:
    """Scenes whose melting goes from mark to mark; the first and the last prompt stay."""
    scenes: list[PromptScene] = []
    for (begin_s, text), (end_s, _) in pairwise(marks):
        gap_s = end_s - begin_s
        transition_s = min(max(gap_s - _LEAST_HOLD_S, 0.0), _LONGEST_TRANSITION_S)
        hold_s = max(gap_s - transition_s, _LEAST_HOLD_S)
        if not scenes:
            hold_s += begin_s
        scenes.append(_scene(text, hold_s, transition_s))
    scenes.append(_scene(marks[-1][1], _LONGEST_HOLD_S, 0.0))
    return tuple(scenes)


def _scene(text: str, hold_s: float, transition_s: float) -> PromptScene:
    return PromptScene(text=text, hold_s=min(hold_s, _LONGEST_HOLD_S), transition_s=transition_s)
