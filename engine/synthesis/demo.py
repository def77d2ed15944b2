"""Writes the demo track and its truth, the files that ship in `resources/demo`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32
from engine.synthesis.song import render_song

SEED = 1
_BLOCK = 1 << 16
_COMPRESSION = 0.5


def write_demo(folder: Path) -> tuple[Path, Path]:
    """Render the demo piece into `folder` as `demo.ogg` and `demo.json`; returns both paths.

    OSError or soundfile.LibsndfileError when the folder is not writable.
    """
    samples, truth = render_song(np.random.default_rng(SEED))
    sound_path, truth_path = folder / "demo.ogg", folder / "demo.json"
    write_ogg(sound_path, samples)
    truth.write(truth_path)
    return sound_path, truth_path


def write_ogg(path: Path, samples: Float32) -> None:
    """Write `(n, 2)` samples as Ogg Vorbis, about 130 kbit/s; decodes to the same length."""
    with soundfile.SoundFile(
        path,
        "w",
        samplerate=SAMPLE_RATE_HZ,
        channels=2,
        format="OGG",
        subtype="VORBIS",
        compression_level=_COMPRESSION,
    ) as file:
        # libsndfile's Vorbis encoder overflows its stack on very long single writes.
        for first in range(0, len(samples), _BLOCK):
            file.write(samples[first : first + _BLOCK])
