"""What the listener learns from: licensed clips in a folder and sounds synthesised here.

Both are kept as power per mel band, so that mixing, rooms, filters and speed are cheap later.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from engine.audio.decode import SoundReader
from engine.errors import AudioFileError, TrainingError
from engine.messages import Float32
from engine.semantic.bank import Bank, Label, default_bank
from engine.semantic.log_mel import HOP_S, mel_power
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.sounds.catalogue import SOUNDS
from engine.training.listener.strangers import hum_or_hiss, stranger

CLIP_S = 5.0
CLIP_FRAMES = round(CLIP_S / HOP_S)
FOLDS = 4

LABEL_OF_CATEGORY = {
    "rain": "rain", "sea_waves": "waves", "fire_crackling": "fire", "dog_bark": "dog",
    "rooster": "rooster", "helicopter": "helicopter", "chainsaw": "chainsaw", "baby_cry": "baby",
    "clock_tick": "clock", "person_sneeze": "sneeze",
}  # fmt: skip
"""Label by the `category` of the clips' table (ESC-10's names)."""

LABEL_OF_SOUND = {name: name for name in SOUNDS} | {"pads": "synthesiser"}

UNPAINTED = (Label("sneeze", ("a person sneezing", "a sneeze", "a loud sneeze"), "a person"),)
"""Not in the shipped bank, for ember does not paint it; but the listener knows it."""

NOTHING = "nothing"
"""Hum, hiss and strangers: they belong to no label."""
_HUM_SHARE = 0.2

_TIMES = {"voice": 3, NOTHING: 5}
"""How many times `per_sound` clips are made of what is more varied than the others."""

_LOW_DB = -120.0


def taught_bank() -> Bank:
    """Every label that is taught, with its words."""
    return Bank((*default_bank().labels, *UNPAINTED))


@dataclass(frozen=True, slots=True)
class ClipTable:
    """All clips, one row each."""

    power_db: NDArray[np.float16]
    """`(n, CLIP_FRAMES, BANDS)`."""
    label: NDArray[np.int64]
    """Index in `taught_bank`; one past its end is `NOTHING`."""
    fold: NDArray[np.int64]
    """1..4: takes of one recording are in one fold; synthesised sounds by their number."""
    recorded: NDArray[np.bool_]
    """False: synthesised."""

    def chosen(self, rows: NDArray[np.bool_]) -> ClipTable:
        """Only some of the rows."""
        return ClipTable(
            self.power_db[rows], self.label[rows], self.fold[rows], self.recorded[rows]
        )


def clip_rows(data: Path) -> list[dict[str, str]]:
    """The table of the licensed clips: the one `*.csv` in `data` with the columns we need.

    Raises `TrainingError`.
    """
    for path in sorted(data.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if rows and {"file", "category", "fold", "licence", "author"} <= rows[0].keys():
            return [row for row in rows if row["category"] in LABEL_OF_CATEGORY]
    raise TrainingError(
        f"{data} has no table of clips: a CSV with file, category, fold, licence, author, title, "
        "source_url, licence_url"
    )


def prepare_clips(data: Path, cache: Path, *, seed: int, per_sound: int) -> ClipTable:
    """Listen to all clips and synthesise `per_sound` of every sound; kept in `cache`.

    Deterministic by `seed`. Raises `TrainingError` where a clip is missing.
    """
    if cache.exists():
        with np.load(cache, allow_pickle=False) as file:
            if int(file["seed"]) == seed and int(file["per_sound"]) == per_sound:
                return ClipTable(file["power_db"], file["label"], file["fold"], file["recorded"])
    index = {name: i for i, name in enumerate((*taught_bank().names, NOTHING))}
    powers, labels, folds, recorded = [], [], [], []
    made = (*_recorded(data), *_synthesised(seed, per_sound))
    total = len(clip_rows(data)) + sum(clip_counts(per_sound).values())
    for power_db, label, fold, real in tqdm(made, total=total, desc="clips", disable=None):
        powers.append(power_db)
        labels.append(index[label])
        folds.append(fold)
        recorded.append(real)
    table = ClipTable(np.stack(powers), np.array(labels), np.array(folds), np.array(recorded))
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        cache, power_db=table.power_db, label=table.label, fold=table.fold,
        recorded=table.recorded, seed=seed, per_sound=per_sound,
    )  # fmt: skip
    return table


_Clip = tuple[NDArray[np.float16], str, int, bool]


def _recorded(data: Path) -> Iterator[_Clip]:
    for row in clip_rows(data):
        try:
            with SoundReader(data / row["file"]) as reader:
                samples, rate = reader.read_all().mean(axis=1), reader.sample_rate
        except AudioFileError as error:
            raise TrainingError(str(error)) from error
        yield _as_clip(samples, rate), LABEL_OF_CATEGORY[row["category"]], int(row["fold"]), True


def clip_counts(per_sound: int) -> dict[str, int]:
    """How many clips of every sound are synthesised, and of nothing."""
    return {name: per_sound * _TIMES.get(name, 1) for name in (*SOUNDS, NOTHING)}


def _synthesised(seed: int, per_sound: int) -> Iterator[_Clip]:
    for place, (name, count) in enumerate(clip_counts(per_sound).items()):
        for number in range(count):
            rng = np.random.default_rng((seed, place, number))
            sound = SOUNDS[name] if name != NOTHING else _nothing
            label = LABEL_OF_SOUND[name] if name != NOTHING else NOTHING
            clip = _as_clip(sound(rng, CLIP_S), SAMPLE_RATE_HZ)
            yield clip, label, 1 + number % FOLDS, False


def _nothing(rng: np.random.Generator, duration_s: float) -> Float32:
    return (hum_or_hiss if rng.random() < _HUM_SHARE else stranger)(rng, duration_s)


def _as_clip(samples: Float32, rate: int) -> NDArray[np.float16]:
    power = mel_power(samples.astype(np.float32), rate)
    power = np.tile(power, (-(-CLIP_FRAMES // len(power)), 1))[:CLIP_FRAMES]
    level_db = 10.0 * np.log10(power + 1e-12)
    level_db -= level_db.max()
    return np.asarray(np.maximum(level_db, _LOW_DB), np.float16)
