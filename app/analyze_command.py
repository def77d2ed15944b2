"""`sonolume analyze`: the live causal analysis over a file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from engine.analysis.report import analyze
from engine.audio.decode import SoundReader
from engine.errors import SinkError
from engine.messages import Float32
from engine.runtime.listening import audio_path

_BLOCK = 4096


def run(options: argparse.Namespace) -> int:
    """Analyse and write the JSON file (and the features of every hop)."""
    with SoundReader(audio_path(options.audio)) as reader:
        report, features = analyze(_blocks(reader), reader.sample_rate)
    try:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        if options.features is not None:
            import numpy as np

            with options.features.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **features)
    except OSError as error:
        raise SinkError(f"{error.filename} cannot be written ({error.strerror})") from error
    tempo = report["tempo_bpm"]
    named = f"{tempo:.1f} BPM" if tempo else "no tempo"
    print(f"{options.json}: {named}, {len(report['beats_s'])} beats, "
          f"{len(report['onsets_s'])} onsets")  # fmt: skip
    return 0


def _blocks(reader: SoundReader) -> Iterator[Float32]:
    while True:
        block = reader.read(_BLOCK)
        if block.shape[0] == 0:
            return
        yield block
