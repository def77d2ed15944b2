"""What is really in a synthesised sound, in the words of `sonolume analyze`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

LANES = ("kick", "snare", "hat")
_SAME_ONSET_S = 0.015


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the form."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True, slots=True)
class Truth:
    """Exact times of everything that was placed; all lists ascend.

    `tempo_bpm` is the mean tempo, None without a beat; `key` is like "D minor", None without one.
    `onsets_s` holds every attack of every voice, attacks within 15 ms counted once. `lanes` has
    the keys kick, snare and hat.
    """

    duration_s: float
    tempo_bpm: float | None = None
    beats_s: tuple[float, ...] = ()
    downbeats_s: tuple[float, ...] = ()
    onsets_s: tuple[float, ...] = ()
    lanes: dict[str, tuple[float, ...]] = field(default_factory=dict)
    key: str | None = None
    sections: tuple[Section, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Plain JSON types, the keys of `sonolume analyze`."""
        return asdict(self)

    def write(self, path: Path) -> None:
        """Write as JSON, one key per line; OSError when the path is not writable."""
        rows = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in self.as_dict().items()]
        path.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def merge_onsets(times_s: Iterable[float]) -> tuple[float, ...]:
    """Ascending onset times in which attacks within 15 ms of the first of a group count once."""
    merged: list[float] = []
    for time_s in sorted(times_s):
        if not merged or time_s - merged[-1] > _SAME_ONSET_S:
            merged.append(time_s)
    return tuple(merged)
