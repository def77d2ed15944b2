"""Sections, recurrences and drops against songs whose form is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from engine.analysis.analyzer import Analyzer
from engine.bench.area import Result
from engine.messages import Float32, Structure
from engine.synthesis.form import FormSpec, drops_s, render_form
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.truth import Section

FORMS = (
    "ABAB", "AABA", "ABACAB", "ABAB", "ABCAB", "AB-AB-A", "ABABCB", "ABCABC", "A-BA-B", "AABBA",
    "ABAC-A", "ABACABA",
)  # fmt: skip
FIRST_SEED = 5000
"""Nothing was tuned on these songs."""
SONGS = 60
BOUNDARY_S = 3.0
RECALL_S = 6.0
SHORTEST_S = 8.0
"""A shorter section cannot be told within 6 s and held; it only counts as a boundary."""
UNNAMED = -2
"""The number of a section that was taken for another when it was first heard."""
DROP_EARLY_S, DROP_LATE_S = 0.5, 1.0


@dataclass(slots=True)
class Tally:
    """What was counted over the songs."""

    songs: int = 0
    minutes: float = 0.0
    boundaries: int = 0
    told: int = 0
    hits: int = 0
    returns: int = 0
    """Sections that were heard before."""
    claims: int = 0
    """Sections of which it was said that they were heard before."""
    recalled: int = 0
    """... rightly, as the right one, within 6 s, and held to the end."""
    fresh: int = 0
    """Sections never heard before."""
    fresh_right: int = 0
    delays_s: list[float] = field(default_factory=list)
    drops: int = 0
    drops_told: int = 0
    drops_found: int = 0


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was said of one song: a row per hop."""

    time_s: np.ndarray
    section: np.ndarray
    starts_s: tuple[float, ...]
    """Boundaries that were told, put where they fell."""
    drops_s: tuple[float, ...]


def bench_structure(songs: int = SONGS, *, shared: int = 0) -> Result:
    """Return `hearing/structure` over synthesised songs; `shared` as in `FormSpec`."""
    tally = Tally()
    for seed in range(FIRST_SEED, FIRST_SEED + songs):
        samples, truth = render_form(song(seed, shared), seed=seed)
        judge(hear(samples, SAMPLE_RATE_HZ), truth.sections, drops_s(truth), tally)
    name = "hearing/structure" if not shared else f"hearing/structure/{shared}-shared"
    return {"name": name, **figures(tally)}


def song(seed: int, shared: int = 0) -> FormSpec:
    """Form, tempo and lengths of one song of the benchmark."""
    rng = np.random.default_rng(seed)
    form = FORMS[seed % len(FORMS)]
    return FormSpec(
        form=form,
        bpm=float(rng.uniform(84.0, 150.0)),
        bars=int(rng.choice([8, 8, 8, 12])) if len(form) < 6 else 8,
        breakdown_bars=int(rng.choice([4, 8])),
        shared=shared,
    )


def hear(samples: Float32, sample_rate: int) -> Hearing:
    """Run the live analysis over `(n, channels)` samples."""
    analyzer = Analyzer(sample_rate)
    rows: list[tuple[int, Structure]] = []
    for first in range(0, len(samples), 4096):
        heard = analyzer.push(samples[first : first + 4096])
        rows += [(features.sample_index, features.structure) for features in heard]
    times_s = [index / sample_rate for index, _ in rows]
    starts_s: list[float] = []
    fell_s: list[float] = []
    for (before, now), time_s in zip(pairwise(row for _, row in rows), times_s[1:], strict=True):
        if now.section_count > max(before.section_count, 1):
            starts_s.append(time_s - now.section_delay_s)
        if now.drop_count > before.drop_count:
            fell_s.append(time_s)
    numbers = np.array([row.section for _, row in rows])
    return Hearing(np.array(times_s), numbers, tuple(starts_s), tuple(fell_s))


def judge(
    heard: Hearing, sections: Sequence[Section], fell_s: Sequence[float], tally: Tally
) -> None:
    """Add one song. Neighbours of one letter are one section: there is nothing between them."""
    parts = _joined(sections)
    tally.songs += 1
    tally.minutes += parts[-1].end_s / 60.0
    tally.boundaries += len(parts) - 1
    tally.told += len(heard.starts_s)
    tally.hits += _matched(
        [part.start_s for part in parts[1:]], heard.starts_s, -BOUNDARY_S, BOUNDARY_S
    )
    tally.drops += len(fell_s)
    tally.drops_told += len(heard.drops_s)
    tally.drops_found += _matched(fell_s, heard.drops_s, -DROP_EARLY_S, DROP_LATE_S)
    numbers: dict[str, int] = {}
    for index, part in enumerate(parts):
        if part.end_s - part.start_s >= SHORTEST_S:
            _judge_section(heard, part, index == 0, numbers, tally)


def _judge_section(
    heard: Hearing, part: Section, first: bool, numbers: dict[str, int], tally: Tally
) -> None:
    held = (heard.time_s >= part.start_s + RECALL_S) & (heard.time_s <= part.end_s)
    said = heard.section[held]
    known = numbers.get(part.label)
    number = int(said[0])
    steady = bool((said == number).all())
    earlier = heard.section[heard.time_s < part.start_s]
    claim = number in earlier
    if known is not None:
        # What was never left cannot be said to be back.
        right = steady and number == known and number != int(earlier[-1])
        tally.returns += 1
        tally.recalled += right
        if right:
            now = (heard.time_s >= part.start_s) & (heard.section == known)
            tally.delays_s.append(float(heard.time_s[now][0]) - part.start_s)
    elif not first:
        tally.fresh += 1
        tally.fresh_right += steady and not claim
    tally.claims += claim and not first
    own = UNNAMED if number in numbers.values() else number
    numbers.setdefault(part.label, own)


def figures(tally: Tally) -> Result:
    """Return the figures of a tally."""
    precision = tally.recalled / max(tally.claims, 1)
    recall = tally.recalled / max(tally.returns, 1)
    right = tally.recalled + tally.fresh_right
    delays_s = tally.delays_s or [float("nan")]
    return {
        "songs": tally.songs,
        "boundary_f": round(2.0 * tally.hits / max(tally.boundaries + tally.told, 1), 3),
        "boundary_precision": round(tally.hits / max(tally.told, 1), 3),
        "boundary_recall": round(tally.hits / max(tally.boundaries, 1), 3),
        "recall_f": round(2.0 * precision * recall / max(precision + recall, 1e-9), 3),
        "recall_precision": round(precision, 3),
        "recall_recall": round(recall, 3),
        "sections_right": round(right / max(tally.returns + tally.fresh, 1), 3),
        "recall_delay_s": round(float(np.median(delays_s)), 2),
        "recall_delay_p95_s": round(float(np.percentile(delays_s, 95.0)), 2),
        "drop_recall": round(tally.drops_found / max(tally.drops, 1), 3),
        "false_drops_per_min": round(
            (tally.drops_told - tally.drops_found) / max(tally.minutes, 1e-9), 4
        ),
        "drops": tally.drops,
    }


def _joined(sections: Sequence[Section]) -> list[Section]:
    parts: list[Section] = []
    for section in sections:
        if parts and parts[-1].label == section.label:
            parts[-1] = replace(parts[-1], end_s=section.end_s)
        else:
            parts.append(section)
    return parts


def _matched(true_s: Sequence[float], told_s: Sequence[float], low_s: float, high_s: float) -> int:
    """How many of the told times lie near a true one, each true one matched once."""
    free = list(true_s)
    for time_s in told_s:
        near = [true for true in free if low_s <= time_s - true <= high_s]
        if near:
            free.remove(min(near, key=lambda true: abs(true - time_s)))
    return len(true_s) - len(free)
