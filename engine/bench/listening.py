"""How well and how soon the embedded listener hears what changes, and what it costs.

Tracks of 32 s change every 8 s: pads and drums, and sounds of nature. The sounds are synthesised
with seeds that training never uses; with a folder of licensed clips, recordings of fold 4 take the
place of the synthesised ones. The weights that ship have learned from them, so that figures with
recordings mean something only for weights trained with `--fold 4`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.audio.decode import SoundReader
from engine.bench.area import Result
from engine.messages import Float32, SemanticState
from engine.semantic.bank import Bank, default_bank
from engine.semantic.embedded import EmbeddedListener
from engine.semantic.stage import SemanticStage, SemanticStream
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.sounds.catalogue import SOUNDS

PART_S = 8.0
PARTS = 4
WITHIN_S = 2.0
TRACKS = 8
_SEED = 9_000_000
_HELD_OUT_FOLD = 4
_LABEL = {"pads": "synthesiser"}
_CATEGORY = {"rain": "rain", "sea_waves": "waves", "fire_crackling": "fire", "rooster": "rooster"}
_NATURE = ("thunder", "rain", "waves", "rooster", "fire")


@dataclass(frozen=True, slots=True)
class Track:
    """Sound `(n,)` at 44.1 kHz and the label of each of its parts, `PART_S` long."""

    samples: Float32
    labels: tuple[str, ...]


def measure(data: Path | None = None) -> list[Result]:
    """Return `hearing/listener`; `data` is a folder with `esc10/` or the folder of clips itself.

    `accuracy`: share of states later than 2 s after a change whose label held is right;
    `within_2_s`: share of changes after which it is held 2 s later; `switches_per_boundary`;
    `ms`: one step; and the same figures per kind of track.
    """
    recorded = _recorded(data) if data is not None else {}
    kinds = {
        "pads_drums": [_music(number) for number in range(TRACKS)],
        "nature": [_nature(number, recorded) for number in range(TRACKS)],
    }
    bank = default_bank()
    scores = {kind: [_score(track, bank) for track in tracks] for kind, tracks in kinds.items()}
    every = [score for each in scores.values() for score in each]
    return [
        {
            "name": "hearing/listener",
            **_figures(every),
            "ms": round(float(np.median([ms for score in every for ms in score.ms])), 2),
            **{kind: _figures(each) for kind, each in scores.items()},
            "on": "recordings of fold 4 and synthesis" if recorded else "synthesis",
        }
    ]


@dataclass(frozen=True, slots=True)
class _Score:
    right: list[bool]
    soon: list[bool]
    switches: int
    ms: list[float]


def _score(track: Track, bank: Bank) -> _Score:
    stage = SemanticStage(EmbeddedListener(), bank)
    stream = SemanticStream(stage, SAMPLE_RATE_HZ)
    states: list[SemanticState] = []
    ms = []
    step = round(stage.step_s * SAMPLE_RATE_HZ)
    for start in range(0, len(track.samples), step):
        started = time.perf_counter()
        states += stream.push(track.samples[start : start + step, None])
        ms.append(1000.0 * (time.perf_counter() - started))
    right, soon = [], []
    for part, wanted in enumerate(track.labels):
        for state in states:
            into_s = state.sample_index / SAMPLE_RATE_HZ - part * PART_S
            if WITHIN_S <= into_s <= PART_S:
                held = bank.names[state.label] if state.label >= 0 else ""
                right.append(held == wanted)
                if into_s < WITHIN_S + stage.step_s:
                    soon.append(held == wanted)
    first = next((s.switch_count for s in states if s.label >= 0), 0)
    return _Score(right, soon, states[-1].switch_count - first, ms)


def _figures(scores: Sequence[_Score]) -> Result:
    boundaries = len(scores) * (PARTS - 1)
    return {
        "accuracy": round(float(np.mean([r for score in scores for r in score.right])), 3),
        "within_2_s": round(float(np.mean([s for score in scores for s in score.soon])), 3),
        "switches_per_boundary": round(sum(s.switches for s in scores) / boundaries, 2),
    }


def _music(number: int) -> Track:
    rng = np.random.default_rng((_SEED, number))
    names = ("pads", "drums") * 2 if number % 2 else ("drums", "pads") * 2
    parts = [SOUNDS[name](rng, PART_S) for name in names]
    return _joined(parts, tuple(_LABEL.get(name, name) for name in names))


def _nature(number: int, recorded: dict[str, list[Float32]]) -> Track:
    rng = np.random.default_rng((_SEED, TRACKS + number))
    names = [name for name in _NATURE if name in recorded or name in SOUNDS]
    chosen = [names[index] for index in rng.permutation(len(names))[:PARTS]]
    parts = []
    for name in chosen:
        if name in recorded:
            clips = recorded[name]
            order = rng.permutation(len(clips))[:3]
            parts.append(_filled([clips[index] for index in order]))
        else:
            parts.append(SOUNDS[name](rng, PART_S))
    return _joined(parts, tuple(chosen))


def _joined(parts: Sequence[Float32], labels: tuple[str, ...]) -> Track:
    """Parts of one loudness (RMS -20 dBFS, peaks held below full scale), one after another."""
    level = [part * np.float32(0.1 / (np.sqrt(np.mean(part**2)) + 1e-9)) for part in parts]
    return Track(np.clip(np.concatenate(level), -1.0, 1.0).astype(np.float32), labels)


def _filled(clips: Sequence[Float32]) -> Float32:
    """Clips one after another, what is silent in them cut out, `PART_S` long."""
    heard = np.concatenate([_sounding(clip) for clip in clips])
    count = round(PART_S * SAMPLE_RATE_HZ)
    return np.tile(heard, -(-count // len(heard)))[:count]


def _sounding(clip: Float32) -> Float32:
    """The clip from its first to its last loud tenth of a second, at one loudness."""
    step = SAMPLE_RATE_HZ // 10
    rows = clip[: len(clip) // step * step].reshape(-1, step)
    power = np.mean(rows**2, axis=1)
    loud = np.flatnonzero(power > power.max() * 1e-4)
    kept = rows[loud[0] : loud[-1] + 1].reshape(-1)
    return np.asarray(kept * np.float32(0.1 / (np.sqrt(np.mean(kept**2)) + 1e-9)), np.float32)


def _recorded(data: Path) -> dict[str, list[Float32]]:
    """Clips of the held-out fold by label; empty where the folder has none."""
    folder = data / "esc10" if (data / "esc10").is_dir() else data
    found: dict[str, list[Float32]] = {}
    for category, label in _CATEGORY.items():
        for path in sorted((folder / category).glob(f"{_HELD_OUT_FOLD}-*")):
            with SoundReader(path) as reader:
                if reader.sample_rate == SAMPLE_RATE_HZ:
                    found.setdefault(label, []).append(reader.read_all().mean(axis=1))
    return found
