"""What a mapper learns from: vectors of sounds or of texts, each with the prompt it should become.

Every window of a clip is a lesson, and the mean of them: live, an encoder hears one window, a
picture of a file is made from all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from engine.audio.decode import SoundReader
from engine.conditioning.mapper import picked
from engine.errors import AudioFileError, TrainingError
from engine.messages import Float32
from engine.semantic.sound_vectors import SoundVectors
from engine.training.sound_datasets.pairs import SoundPair


@dataclass(frozen=True, slots=True)
class Lessons:
    """Vectors and what they should become."""

    heard: Float32
    """`(n, width)`, or `(n, patches, width)` for a sequence."""
    prompt: NDArray[np.int64]
    """`(n,)`: which of the distinct captions."""
    whole: NDArray[np.bool_]
    """`(n,)`: the vector of a whole clip; False: of one window of it."""


@dataclass(frozen=True, slots=True)
class HeardClips:
    """The vectors of every clip, by its path; those that cannot be read are named."""

    rows: dict[Path, Float32]
    """`(windows, width)` each."""
    unreadable: tuple[str, ...]


def hear_clips(pairs: Sequence[SoundPair], encoder: SoundVectors, cache: Path) -> HeardClips:
    """Encode every clip once; kept in `cache`, for the same encoder and the same files."""
    paths = list(dict.fromkeys(pair.sound for pair in pairs))
    key = _key(paths, encoder)
    known = _read_cache(cache, key)
    if known is not None:
        return HeardClips(
            {path: known[str(i)] for i, path in enumerate(paths) if str(i) in known},
            tuple(str(line) for line in known["unreadable"]),
        )
    rows: dict[Path, Float32] = {}
    unreadable: list[str] = []
    for path in tqdm(paths, desc=f"{encoder.name} hears", disable=None):
        try:
            with SoundReader(path) as reader:
                samples, rate = reader.read_all().mean(axis=1), reader.sample_rate
        except AudioFileError as error:
            unreadable.append(str(error))
            continue
        rows[path] = encoder.sequence(np.asarray(samples, np.float32), rate)
    if not rows:
        raise TrainingError(f"none of {len(paths)} clips can be read; the first: {unreadable[0]}")
    cache.parent.mkdir(parents=True, exist_ok=True)
    numbered = {str(i): rows[path] for i, path in enumerate(paths) if path in rows}
    np.savez(cache, key=key, unreadable=np.array(unreadable, str), **numbered)  # type: ignore[arg-type]
    return HeardClips(rows, tuple(unreadable))


def clip_lessons(
    pairs: Sequence[SoundPair], heard: HeardClips, captions: Sequence[str], *, patches: int,
    unit: bool,
) -> Lessons:  # fmt: skip
    """Lessons of the pairs whose clips were heard. Raises `TrainingError` where none was."""
    index = {caption: i for i, caption in enumerate(captions)}
    vectors: list[Float32] = []
    prompts: list[int] = []
    wholes: list[bool] = []
    for pair in pairs:
        rows = heard.rows.get(pair.sound)
        if rows is None:
            continue
        for vector, whole in _of_clip(rows, patches, unit):
            vectors.append(vector)
            prompts.append(index[pair.caption])
            wholes.append(whole)
    if not vectors:
        raise TrainingError(f"none of the clips of {len(pairs)} pairs can be read")
    return Lessons(np.stack(vectors), np.array(prompts, np.int64), np.array(wholes))


def text_lessons(vectors: Float32, prompts: NDArray[np.int64]) -> Lessons:
    """Lessons of texts alone."""
    return Lessons(vectors, prompts, np.ones(len(prompts), np.bool_))


def _of_clip(rows: Float32, patches: int, unit: bool) -> Iterator[tuple[Float32, bool]]:
    if patches:
        yield picked(rows, patches), True
        return
    mean = rows.mean(axis=0)
    yield (mean / (np.linalg.norm(mean) + 1e-9) if unit else mean).astype(np.float32), True
    if len(rows) > 1:
        yield from ((row, False) for row in rows)


def _key(paths: Sequence[Path], encoder: SoundVectors) -> str:
    digest = hashlib.sha256(f"{encoder.name} {encoder.digest}".encode())
    for path in paths:
        facts = path.stat()
        digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}".encode())
    return digest.hexdigest()


def _read_cache(cache: Path, key: str) -> dict[str, NDArray[np.float32]] | None:
    if not cache.is_file():
        return None
    try:
        with np.load(cache, allow_pickle=False) as file:
            return dict(file) if str(file["key"]) == key else None
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise TrainingError(f"{cache} is damaged: delete it and train again") from error
