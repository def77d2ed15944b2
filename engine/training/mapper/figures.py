"""How near predicted prompts are to the right ones: MSE, cosine, combined, retrieval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.messages import Float32

POOLED_COSINE, POOLED_MSE = 0.7, 0.3
"""V2D's weights for mappers of one vector."""


def combined(mse: float, cosine: float) -> float:
    """V2D's loss of a pooled mapper: 0.7 (1 - cosine) + 0.3 MSE."""
    return POOLED_COSINE * (1.0 - cosine) + POOLED_MSE * mse


def sequence_combined(
    mses: Sequence[float], cosines: Sequence[float], alpha: float = 1.0, *, with_mse: bool = True
) -> float:
    """V2D's loss of its sequence model: the sum of the MSEs + alpha (1 - mean cosine).

    Experiment 1 has alpha 1; experiment 2 begins with 5 (AudioCaps) or 8 (ESC-50), and after 60
    epochs leaves the MSE out with alpha 1 (`with_mse=False`).
    """
    gap = 1.0 - sum(cosines) / len(cosines)
    return sum(mses) + alpha * gap if with_mse else gap


def mapper_figures(predicted: Float32, right: Float32, bank: Float32) -> dict[str, float]:
    """Figures of predictions `(n, flat)` against the right prompts.

    `bank` `(m, flat)` are the distinct prompts to choose from: `retrieval_at_1` is how often the
    nearest of them, by the cosine about their mean, is the right one. `centred_cosine` is about
    the same mean: prompts of one model resemble each other, so that the plain cosine flatters.
    """
    mse = float(np.mean((predicted - right) ** 2))
    cosine = float(np.mean(_cosines(predicted, right)))
    mean = bank.mean(axis=0)
    centred = float(np.mean(_cosines(predicted - mean, right - mean)))
    likeness = _unit(predicted - mean) @ _unit(bank - mean).T
    nearest = bank[likeness.argmax(axis=1)]
    hits = np.abs(nearest - right).max(axis=1) <= 1e-5 * max(1.0, float(np.abs(bank).max()))
    return {
        "mse": mse,
        "cosine": cosine,
        "combined": combined(mse, cosine),
        "centred_cosine": centred,
        "retrieval_at_1": float(hits.mean()),
    }


def distinct(rows: Float32) -> Float32:
    """The different ones of `(n, flat)`, in the order of their first appearance."""
    _, first = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(first)]


def _cosines(a: Float32, b: Float32) -> Float32:
    return np.asarray((_unit(a) * _unit(b)).sum(axis=1), np.float32)


def _unit(rows: Float32) -> Float32:
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-12), np.float32)
