"""`sonolume listen`: what a sound file is about, over time."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from engine.analysis.analyzer import Analyzer
from engine.audio.decode import SoundReader
from engine.messages import AudioFeatures, Float32
from engine.runtime.listening import audio_path
from engine.semantic.bank import open_bank
from engine.semantic.listeners import open_listener
from engine.semantic.report import FileHeard, listen

_BLOCK = 4096
_NAMED = 3
"""Likeliest labels per line of the table."""


def run(options: argparse.Namespace) -> int:
    """Listen and print a table, or JSON."""
    bank = open_bank(options.labels)
    with SoundReader(audio_path(options.audio)) as reader:
        listener = open_listener(options.listener, options.device_compute, patient=True)
        rate = reader.sample_rate
        heard = listen(_blocks(reader), rate, listener, bank, _Newest(rate).after)
        notes = (reader.note, heard.message)
    for note in filter(None, notes):
        print(f"sonolume: {note}", file=sys.stderr)
    if options.json:
        print(json.dumps(_plain(heard)))
    else:
        print("\n".join(_table(heard)))
    return 0


class _Newest:
    """The newest features after each block."""

    def __init__(self, sample_rate: int) -> None:
        self._analyzer = Analyzer(sample_rate)
        self._features: AudioFeatures | None = None

    def after(self, block: Float32) -> AudioFeatures | None:
        for features in self._analyzer.push(block):
            self._features = features
        return self._features


def _plain(heard: FileHeard) -> dict[str, object]:
    return {
        "labels": list(heard.labels),
        "times_s": list(heard.times_s),
        "probabilities": [[round(p, 4) for p in s.probabilities] for s in heard.states],
        "listener": heard.listener,
        "held": [heard.labels[s.label] if s.label >= 0 else None for s in heard.states],
    }


def _table(heard: FileHeard) -> list[str]:
    """One line per stretch in which one label is held, with the likeliest labels in it."""
    if not heard.states:
        return ["too short to be listened to: half a second is needed"]
    lines = [f"{'from':>8} {'to':>8}  {'heard':14} likeliest on average"]
    for start_s, end_s, label in heard.spans():
        inside = [
            state.probabilities
            for time_s, state in zip(heard.times_s, heard.states, strict=True)
            if start_s < time_s <= end_s
        ]
        mean = [sum(column) / len(inside) for column in zip(*inside, strict=True)]
        order = sorted(range(len(mean)), key=lambda index: -mean[index])[:_NAMED]
        likely = ", ".join(f"{heard.labels[i]} {100 * mean[i]:.0f} %" for i in order if mean[i])
        name = heard.labels[label] if label >= 0 else "-"
        lines.append(f"{start_s:7.1f}s {end_s:7.1f}s  {name:14} {likely}")
    return lines


def _blocks(reader: SoundReader) -> Iterator[Float32]:
    while (block := reader.read(_BLOCK)).shape[0]:
        yield block
