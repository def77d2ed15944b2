"""How well raw encodings tell sounds apart: as rows, and in what is painted from them alone.

Two takes of each of eight synthesised sounds. `cosine`: between different sounds, of all rows
together; `same`: between two takes of one; `found`: the share of takes whose nearest other take is
of the same sound; `neighbours`: between a row and the next; `length`: of a row, against text's;
`ms`: to encode, CPU; `pictures`, of mel: how far those of two sounds are apart, grey levels.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.bench.area import BenchRequest, Result
from engine.conditioning.bank_prompts import BANK_PROMPTS
from engine.conditioning.raw_encoding import RawEncoding
from engine.conditioning.sound_embedding import SoundEmbedding, SoundMoment
from engine.conditioning.text_statistics import TextStatistics, text_statistics
from engine.contact_sheet import Cell, contact_sheet, write_sheet
from engine.diffusion.feedback import FeedbackModel
from engine.messages import ControlState, Float32, PromptWeight, Travel, Uint8
from engine.params import defaults
from engine.registry import ModelRequest, find_model, load_factory
from engine.sound_choices import RAW_ENCODINGS, SOUND_ENCODINGS, SOUND_SCALES
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.sounds.catalogue import SOUNDS

NAMES = ("thunder", "waves", "bells", "helicopter", "birds", "drums", "piano", "voice")
CLIP_S = 2.0
PICTURE_PX = 192
SHOWN = "mel"
"""The encoding that is painted."""
_CELL_PX = 76
_COARSE = np.uint8(0b1111_1000)
"""Soft pictures are large as PNG: the sheet is for a README."""
_TINY = 1e-9


def bench(request: BenchRequest) -> list[Result]:
    """One result per encoding and scale; with `sheets`, `sound_encodings.png` there."""
    model = _model(request)
    text = statistics_of(model)
    takes = [[_take(name, take) for take in range(2)] for name in NAMES]
    results: list[Result] = []
    cells: list[Cell] = []
    for encoding in RAW_ENCODINGS:
        for scale in SOUND_SCALES:
            started_s = time.process_time()
            embedded = _embedded(RawEncoding(encoding, scale, text), takes)
            spent_s = time.process_time() - started_s
            result: Result = {
                "name": f"encodings/{encoding}/{scale}",
                **_figures(embedded, text),
                "ms": round(1000.0 * spent_s / (2 * len(NAMES)), 2),
            }
            results.append(result)
            if encoding == SHOWN:
                pictures = [_picture(model, pair[0], encoding, scale) for pair in takes]
                result["pictures"] = round(_picture_distance(pictures), 1)
                cells += [Cell(p, _name(n, scale)) for p, n in zip(pictures, NAMES, strict=True)]
    model.close()
    if request.sheets is not None:
        _write(request.sheets, cells)
    return results


def statistics_of(model: FeedbackModel) -> TextStatistics:
    """How a model's text encoder writes, on the bank."""
    import torch

    bank = []
    with torch.inference_mode():
        for prompt in BANK_PROMPTS:
            found = model.bundle.encode_prompt(prompt)
            pooled = None if found.pooled is None else found.pooled[0].float().cpu().numpy()
            bank.append(SoundEmbedding(found.tokens[0].float().cpu().numpy(), pooled))
    return text_statistics(bank)


def _model(request: BenchRequest) -> FeedbackModel:
    asked = ModelRequest(request.model, PICTURE_PX, PICTURE_PX, request.device_compute, threads=1)
    model: object = load_factory(find_model(request.model))(asked)
    assert isinstance(model, FeedbackModel), f"{request.model} has no prompt space"
    return model


def _take(name: str, take: int) -> SoundMoment:
    samples = SOUNDS[name](np.random.default_rng((77, take)), CLIP_S)
    return SoundMoment(samples, SAMPLE_RATE_HZ)


def _embedded(
    encoding: RawEncoding, takes: Sequence[Sequence[SoundMoment]]
) -> list[list[SoundEmbedding]]:
    made = [[encoding.embed(moment) for moment in pair] for pair in takes]
    return [[each for each in pair if each is not None] for pair in made]


def _figures(embedded: Sequence[Sequence[SoundEmbedding]], text: TextStatistics) -> Result:
    told = slice(int(text.kept.sum()), None)  # BOS is the same in all
    flat = np.stack([_unit(each.tokens[told].ravel()) for pair in embedded for each in pair])
    cosines = flat @ flat.T
    of = np.repeat(np.arange(len(embedded)), 2)
    same = (of[:, None] == of) & ~np.eye(len(of), dtype=bool)
    other = cosines[of[:, None] != of]
    nearest = np.argmax(np.where(np.eye(len(of), dtype=bool), -2.0, cosines), axis=1)
    rows = np.stack([each.tokens[told] for pair in embedded for each in pair])
    lengths = np.linalg.norm(rows, axis=2) / text.lengths[told]
    units = rows / (np.linalg.norm(rows, axis=2, keepdims=True) + _TINY)
    neighbours = (units[:, 1:] * units[:, :-1]).sum(axis=2)
    return {
        "cosine": f"{other.min():.2f} to {other.max():.2f}, mean {other.mean():.2f}",
        "same": round(float(cosines[same].mean()), 2),
        "found": round(float((of[nearest] == of).mean()), 2),
        "neighbours": round(float(neighbours.mean()), 2),
        "length": f"{lengths.min():.2f} to {lengths.max():.2f}",
    }


def _unit(vector: Float32) -> Float32:
    return np.asarray(vector / (np.linalg.norm(vector) + _TINY), np.float32)


def _picture(model: FeedbackModel, moment: SoundMoment, encoding: str, scale: str) -> Uint8:
    """What is painted from the sound alone, from nothing."""
    values = defaults() | {
        "sound/mix": 1.0,
        "sound/encoding": float(SOUND_ENCODINGS.index(encoding)),
        "sound/scale": float(SOUND_SCALES.index(scale)),
    }
    words = (PromptWeight("the sea", 1.0),)
    control = ControlState(0, 0.0, 0.0, values, Travel(), words, 0, 0, 0.0, silent=False)
    model.restart()
    model.sound_window_s(values)
    model.hear(((moment, 1.0),))
    return model.generate(control, 0.0)


def _picture_distance(pictures: Sequence[Uint8]) -> float:
    stack = np.stack(pictures).astype(np.float32)
    gaps = np.abs(stack[:, None] - stack[None]).mean(axis=(2, 3, 4))
    return float(gaps[np.triu_indices(len(stack), 1)].mean())


def _name(sound: str, scale: str) -> str:
    """The first column names the row too."""
    return f"{sound}: {scale}" if scale == SOUND_SCALES[0] else scale


def _write(folder: Path, cells: Sequence[Cell]) -> None:
    """Rows are sounds, columns are scales."""
    count = len(NAMES)
    turned = [cells[scale * count + k] for k in range(count) for scale in range(len(SOUND_SCALES))]
    sheet = contact_sheet(turned, columns=len(SOUND_SCALES), cell_px=_CELL_PX)
    write_sheet(folder / "sound_encodings.png", sheet & _COARSE)
