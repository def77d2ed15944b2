"""Lessons without a single recording: CLAP's vector of a caption to the prompt of the caption.

CLAP puts sounds and texts into one space, so what learned from texts can be driven by sounds. Two
things stand between (Liang et al. 2022, "Mind the gap"; Nukrai et al. 2022, "Text-only training
for image captioning using noise-injected CLIP"): sounds lie beside the texts by a constant, which
is taken off when it is used, and scatter more, so noise is added to what is learned from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.errors import TrainingError
from engine.messages import Float32
from engine.semantic.sound_vectors import ClapVectors, SoundVectors
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.sounds.catalogue import SOUNDS
from engine.training.mapper.course import Course, unreadable_lines
from engine.training.mapper.lessons import (
    clip_lessons,
    hear_clips,
    text_lessons,
)
from engine.training.sound_datasets.formats import read_pairs

NOISE = 0.07
"""Per element of a direction; of 512 elements it has a length of 1.6."""
FEWEST = 20
_CHECKED_SHARE = _HELD_OUT_SHARE = 0.1
_SOUND_S = 10.0


def caption_course(
    file: Path, encoder: SoundVectors, data: Path | None, format_name: str, cache: Path, seed: int
) -> Course:
    """A course of captions.

    The gap is measured with the clips in `data`, which are asked about too, or without them with
    the sounds that the program synthesises itself. Raises `TrainingError`.
    """
    if not isinstance(encoder, ClapVectors):
        raise TrainingError(
            f"{encoder.name} has no vectors of texts: --captions trains with --encoder clap"
        )
    captions = read_captions(file)
    vectors = encoder.texts(list(captions))
    order = np.random.default_rng(seed).permutation(len(captions))
    checked, held_out = (max(1, round(s * len(order))) for s in (_CHECKED_SHARE, _HELD_OUT_SHARE))
    parts = np.split(order, [checked, checked + held_out])
    lessons = [text_lessons(vectors[rows], rows.astype(np.int64)) for rows in parts]
    asked = {}
    missing: list[str] = []
    if data is None:
        heard_mean = _own_sounds(encoder, seed)
    else:
        found = read_pairs(data, format_name)
        heard = hear_clips(found.pairs, encoder, cache)
        captions = tuple(dict.fromkeys((*captions, *(pair.caption for pair in found.pairs))))
        of_clips = clip_lessons(found.pairs, heard, captions, patches=0, unit=True)
        asked["clips"] = text_lessons(of_clips.heard[of_clips.whole],
                                      of_clips.prompt[of_clips.whole])  # fmt: skip
        heard_mean = asked["clips"].heard.mean(axis=0)
        missing = [*found.report(), *unreadable_lines(heard)]
    gap = np.asarray(heard_mean - vectors.mean(axis=0), np.float32)
    asked["captions"] = text_lessons(_as_heard(lessons[1].heard, gap), lessons[1].prompt)
    facts = {"captions": len(vectors), "gap": round(float(np.linalg.norm(gap)), 4), "seed": seed,
             "gap_from": "clips" if data is not None else "synthesised sounds"}  # fmt: skip
    return Course(captions, lessons[2], lessons[0], asked, gap, facts, missing)


def read_captions(file: Path) -> tuple[str, ...]:
    """The distinct lines of a text file, in their order, blank ones left out.

    Raises `TrainingError`.
    """
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{file} cannot be read as text ({error}): one caption a line") from (
            error
        )
    captions = tuple(dict.fromkeys(" ".join(line.split()) for line in lines if line.strip()))
    if len(captions) < FEWEST:
        raise TrainingError(
            f"{file} has {len(captions)} different captions: at least {FEWEST} are needed, "
            "thousands are better"
        )
    return captions


def _own_sounds(encoder: SoundVectors, seed: int) -> Float32:
    """The mean direction of one of every sound that the program can synthesise."""
    rows = [
        encoder.encode(sound(np.random.default_rng((seed, place)), _SOUND_S), SAMPLE_RATE_HZ)
        for place, sound in enumerate(SOUNDS.values())
    ]
    return np.asarray(np.mean(rows, axis=0), np.float32)


def _as_heard(texts: Float32, gap: Float32) -> Float32:
    """Texts moved to where sounds lie, so that they are asked through the same bridge."""
    return texts + gap
