"""How alike two sets of pictures are, and how varied one is, in a feature space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.errors import ScoreError

Float64 = NDArray[np.float64]


def frechet_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Squared Frechet distance of two feature sets, each `(n, f)` with n >= 2, as Gaussians.

    d^2 = |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson and Landau, "The Frechet distance
    between multivariate normal distributions", 1982; for pictures Heusel et al. 2017). The trace
    of the root is that of (R C2 R)^(1/2) with R = C1^(1/2), which is symmetric. Small sets read
    too high, about as 1/n: compare only with a distance between sets of like size. Raises
    `ScoreError` where a set has fewer than two pictures.
    """
    mean1, cov1 = _moments(first)
    mean2, cov2 = _moments(second)
    root1 = _root(cov1)
    crossed = np.linalg.eigvalsh(root1 @ cov2 @ root1)
    overlap = np.sqrt(np.maximum(crossed, 0.0)).sum()
    offset = mean1 - mean2
    distance = float(offset @ offset + np.trace(cov1) + np.trace(cov2) - 2.0 * overlap)
    return max(0.0, distance)


def mean_pairwise_distance(features: NDArray[np.floating]) -> float:
    """Mean Euclidean distance between two different rows of `(n, f)`.

    Raises `ScoreError` where there are fewer than two.
    """
    n = len(features)
    if n < 2:
        raise ScoreError(f"{n} picture(s) have no distance: at least 2 are needed")
    rows = np.asarray(features, np.float64)
    distances = [np.linalg.norm(rows[i + 1 :] - rows[i], axis=1).sum() for i in range(n - 1)]
    return float(sum(distances)) / (n * (n - 1) / 2)


def _moments(features: NDArray[np.floating]) -> tuple[Float64, Float64]:
    """Mean `(f,)` and unbiased covariance `(f, f)`."""
    if len(features) < 2:
        raise ScoreError(f"{len(features)} picture(s) have no spread: at least 2 are needed")
    rows = np.asarray(features, np.float64)
    mean = rows.mean(axis=0)
    centred = rows - mean
    return mean, centred.T @ centred / (len(rows) - 1)


def _root(covariance: Float64) -> Float64:
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(covariance)
    scaled = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(scaled @ vectors.T)
