"""Clips of our own: every sound of the catalogue, as often as is asked for, written as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.sounds.catalogue import SOUNDS
from engine.training.listener.clips import CLIP_S, FOLDS, LABEL_OF_SOUND
from engine.training.sound_datasets.captions import caption_of_category
from engine.training.sound_datasets.pairs import SoundPair


def synthesised_pairs(folder: Path, per_sound: int, seed: int) -> tuple[SoundPair, ...]:
    """Pairs of `per_sound` clips of every sound; what lies in `folder` already is not made again.

    Deterministic by seed, sound and number; folds 1 to 4 in turn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pairs = []
    for place, name in enumerate(tqdm(SOUNDS, desc="synthesising", disable=None)):
        for number in range(per_sound):
            path = folder / f"{name}-{seed}-{number}.flac"
            if not path.exists():
                samples = SOUNDS[name](np.random.default_rng((seed, place, number)), CLIP_S)
                temporary = path.with_suffix(".part.flac")
                soundfile.write(temporary, samples, SAMPLE_RATE_HZ)
                temporary.replace(path)
            caption = caption_of_category(LABEL_OF_SOUND[name])
            pairs.append(SoundPair(path, caption, path.stem, str(1 + number % FOLDS)))
    return tuple(pairs)
