"""`sonolume analyze`: the live causal analysis over a file; its beats from the whole, if asked."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.analysis.grid_clock import GridClock
from engine.analysis.legend import legend_array
from engine.analysis.report import analyze
from engine.analysis.whole import BeatGrid
from engine.audio.decode import SoundReader
from engine.messages import Float32
from engine.runtime.foresight import grid_of
from engine.runtime.listening import audio_path
from engine.semantic.describer import describe, heard_throughout
from engine.sinks.movie_file import writing_failed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 4096


def run(options: argparse.Namespace) -> int:
    """Analyse and write the JSON file (and the features of every hop)."""
    path = audio_path(options.audio)
    grid = grid_of(path) if options.lookahead == "whole" else None
    beat = GridClock(grid).step if grid is not None else None
    with SoundReader(path) as reader:
        report, features = analyze(_blocks(reader), reader.sample_rate, beat)
        note = reader.note
    if grid is not None:
        report |= _beats(grid)
    if options.describe:
        sounds = not features["silent"].all()
        report["description"] = describe(heard_throughout(features, report)) if sounds else None
    _write(options.json, (json.dumps(report, indent=1) + "\n").encode())
    if options.features is not None:
        _write(options.features, _packed(features))
    if note:
        print(f"sonolume: {note}", file=sys.stderr)
    tempo = report["tempo_bpm"]
    named = f"{tempo:.1f} BPM" if tempo else "no tempo"
    print(f"{options.json}: {named}, {len(report['beats_s'])} beats, "
          f"{len(report['onsets_s'])} onsets, {report['key'] or 'no key'}")  # fmt: skip
    if options.describe:
        print(report["description"] or "silence: nothing to describe")
    return 0


def _beats(grid: BeatGrid) -> dict[str, list[float]]:
    """Every beat of the whole file, those before the first hop too."""
    first = (np.arange(grid.beats_s.shape[0]) - grid.downbeat) % grid.beats_per_bar == 0
    sure = grid.sure
    return {
        "beats_s": [round(float(at_s), 4) for at_s in grid.beats_s[sure]],
        "downbeats_s": [round(float(at_s), 4) for at_s in grid.beats_s[sure & first]],
    }


def _packed(features: Mapping[str, NDArray[Any]]) -> bytes:
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, legend=legend_array(features), **features)
    return packed.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write all or nothing: what was there stays when the disk is full. Raises `SinkError`."""
    try:
        if path.exists() and not path.is_file():  # a pipe or a terminal is no place for a part
            path.write_bytes(content)
            return
        part = path.with_name(f"{path.name}.part")
        try:
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise writing_failed(path, error) from error


def _blocks(reader: SoundReader) -> Iterator[Float32]:
    while True:
        block = reader.read(_BLOCK)
        if block.shape[0] == 0:
            return
        yield block
