"""Music with known beats for the beat table: loops of `--data`, and clips made by synthesis.

Nothing is stored: a clip is named by what it is made of, and rendered where it is needed.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.audio.decode import SoundReader
from engine.errors import EngineError
from engine.messages import Float32
from engine.synthesis.loop import LoopSpec, render_loop
from engine.synthesis.pattern import GROOVES

RATE_HZ = 44_100
SECONDS = 26.0
"""Shortest length of a clip."""
TUNING_SEEDS = range(1000, 1400)
"""Clips that the tracker may be tuned on."""
REPORT_SEEDS = range(5000, 5200)
"""Clips that figures are reported on, and nothing is ever tuned on."""
REPORT_SWITCH_SEEDS = range(7000, 7020)
"""First of the two clips of a tempo switch; tuning uses 3000 on."""
SWITCH_S = 20.0
FALSE_SOUNDS = ("silence", "rain", "sea_waves")


@dataclass(frozen=True, slots=True)
class Clip:
    """Sound and truth."""

    samples: Float32
    """`(n,)` mono at `RATE_HZ`."""
    beats_s: tuple[float, ...]
    downbeats_s: tuple[float, ...]
    """Empty where the bars are not known."""
    switch_s: float | None = None
    """When the tempo changes."""


@dataclass(frozen=True, slots=True)
class ClipName:
    """What a clip is made of; `render` makes it, in any process."""

    kind: str
    """`loop`, `generated`, `switch` or `false`."""
    what: str
    """File of a loop, seed, or the sound without beats."""
    data: Path

    def render(self) -> Clip:
        """Make the sound. Raise `EngineError` where a file cannot be read."""
        if self.kind == "loop":
            return _loop(self.data, self.what)
        if self.kind == "generated":
            return generated_clip(int(self.what), _interference(self.data, int(self.what)))
        if self.kind == "switch":
            return switch_clip(int(self.what))
        return _false_clip(self.data, self.what)


def clip_names(
    data: Path, *, seeds: range = REPORT_SEEDS, switches: range = REPORT_SWITCH_SEEDS
) -> list[ClipName]:
    """Return all clips of the table. Raise `EngineError` when `data` has no loops."""
    table = data / "loops" / "loops.csv"
    if not table.is_file():
        raise EngineError(f"{table} is missing: --data names the folder that holds loops/, esc10/")
    with table.open(encoding="utf-8", newline="") as file:
        loops = [row["file"] for row in csv.DictReader(file)]
    return [
        *(ClipName("loop", name, data) for name in loops),
        *(ClipName("generated", str(seed), data) for seed in seeds),
        *(ClipName("switch", str(seed), data) for seed in switches),
        *(ClipName("false", sound, data) for sound in FALSE_SOUNDS),
    ]


def generated_clip(seed: int, interference: Float32 | None = None) -> Clip:
    """Return a random piece: groove, tempo, swing, drift, form, instruments and noise."""
    rng = np.random.default_rng([seed, 4])
    spec = replace(random_spec(rng), interference=interference)
    samples, truth = render_loop(spec, seed=seed)
    return Clip(samples.mean(axis=1), truth.beats_s, truth.downbeats_s)


def random_spec(rng: np.random.Generator) -> LoopSpec:
    """Return what to play, of at least `SECONDS`."""
    groove = str(rng.choice(sorted(GROOVES)))
    low_bpm, high_bpm = GROOVES[groove].home_bpm
    bpm = float(np.exp(rng.uniform(np.log(low_bpm), np.log(high_bpm))))
    per_bar = GROOVES[groove].beats_per_bar
    bars = int(np.ceil(SECONDS * bpm / 60.0 / per_bar))
    swings = rng.random() < 0.35
    return LoopSpec(
        bpm=bpm,
        bars=bars,
        groove=groove,
        swing=float(rng.uniform(0.54, 0.67)) if swings else 0.5,
        swing_unit=float(rng.choice([0.25, 0.5])),
        drift=float(rng.uniform(0.005, 0.03)) if rng.random() < 0.4 else 0.0,
        fills=bool(rng.random() < 0.6),
        half_time_bars=_span(rng, bars) if per_bar == 4 and rng.random() < 0.2 else None,
        breakdown_bars=_span(rng, bars) if rng.random() < 0.3 else None,
        bass=bool(rng.random() < 0.8),
        pads=bool(rng.random() < 0.7),
        lead=bool(rng.random() < 0.4),
        humanise_ms=float(rng.uniform(0.0, 8.0)),
        kit_variation=float(rng.uniform(0.0, 1.5)),
        lead_in_s=float(rng.uniform(0.0, 1.0)),
        noise_db=float(rng.uniform(-26.0, -6.0)) if rng.random() < 0.35 else None,
        interference_db=float(rng.uniform(-18.0, -4.0)),
        gain_db=float(rng.uniform(-20.0, 0.0)),
    )


def switch_clip(seed: int) -> Clip:
    """Return 20 s of one piece and 20 s of another whose tempo differs by more than 8 %."""
    first, second = generated_clip(seed), generated_clip(seed + 10_000)
    other = seed + 20_000
    while _alike(first, second):
        second, other = generated_clip(other), other + 10_000
    cut, start_s = round(SWITCH_S * RATE_HZ), second.beats_s[0]
    start = round(start_s * RATE_HZ)
    samples = np.concatenate([first.samples[:cut], second.samples[start : start + cut]])
    early = [beat for beat in first.beats_s if beat < SWITCH_S]
    late = [SWITCH_S + beat - start_s for beat in second.beats_s]
    beats = tuple(early + [beat for beat in late if beat < 2.0 * SWITCH_S])
    return Clip(samples, beats, (), SWITCH_S)


def _alike(first: Clip, second: Clip) -> bool:
    ratio = float(np.median(np.diff(first.beats_s)) / np.median(np.diff(second.beats_s)))
    return any(abs(ratio / alike - 1.0) < 0.08 for alike in (0.5, 1.0, 2.0))


def _span(rng: np.random.Generator, bars: int) -> tuple[int, int]:
    first = int(rng.integers(bars // 3, max(bars - 3, bars // 3 + 1)))
    return first, first + int(rng.integers(2, 4))


def _loop(data: Path, file: str) -> Clip:
    with (data / "loops" / "loops.csv").open(encoding="utf-8", newline="") as table:
        row = next(row for row in csv.DictReader(table) if row["file"] == file)
    samples = read_mono(data / "loops" / file)
    beat_s = len(samples) / int(row["beats"]) / RATE_HZ
    repeats = int(np.ceil(SECONDS * RATE_HZ / len(samples)))
    count = repeats * int(row["beats"])
    return Clip(np.tile(samples, repeats), tuple(beat_s * k for k in range(count)), ())


def _interference(data: Path, seed: int) -> Float32 | None:
    """Return a sound event under a third of the clips."""
    rng = np.random.default_rng([seed, 5])
    files = sorted((data / "esc10").glob("*/*.ogg"))
    if not files or rng.random() >= 0.35:
        return None
    return read_mono(files[int(rng.integers(len(files)))])


def _false_clip(data: Path, sound: str) -> Clip:
    if sound == "silence":
        return Clip(np.zeros(round(60 * RATE_HZ), np.float32), (), ())
    files = sorted((data / "esc10" / sound).glob("*.ogg"))
    if not files:
        raise EngineError(f"{data / 'esc10' / sound} has no sounds: --data names the wrong folder")
    return Clip(np.concatenate([read_mono(file) for file in files]), (), ())


def read_mono(path: Path) -> Float32:
    """Read a sound at `RATE_HZ`, both channels averaged."""
    with SoundReader(path) as reader:
        if reader.sample_rate != RATE_HZ:
            raise EngineError(f"{path} has {reader.sample_rate} Hz instead of {RATE_HZ}")
        samples: Float32 = np.asarray(reader.read_all(), np.float32)
    return samples.mean(axis=1) if samples.ndim == 2 else samples
