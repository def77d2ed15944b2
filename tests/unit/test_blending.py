from __future__ import annotations

import numpy as np
import pytest

from engine.diffusion.blending import LERP, MOST_STRETCH, SLERP, factors, gram

TOKENS, WIDTH = 5, 16


def prompts(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0.0, 1.0 + k, (TOKENS, WIDTH)).astype(np.float32) for k in range(count)]


def blended(parts: list[np.ndarray], weights: list[float], blend: int) -> np.ndarray:
    found = factors(gram(parts), weights, blend)
    assert found.shape == (len(parts), TOKENS)
    return np.einsum("pn,pnd->nd", found, np.stack(parts))


def angles_rad(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return np.arccos(cosine.clip(-1.0, 1.0))


@pytest.mark.parametrize("blend", [LERP, SLERP])
@pytest.mark.parametrize("weights", [[1.0], [0.3, 0.7], [0.5, 0.2, 0.3], [0.1, 0.4, 0.2, 0.3]])
def test_a_blended_token_is_as_long_as_its_parts_are_on_average(
    blend: int, weights: list[float]
) -> None:
    parts = prompts(len(weights))
    lengths = np.linalg.norm(blended(parts, weights, blend), axis=1)
    wanted = sum(w * np.linalg.norm(p, axis=1) for w, p in zip(weights, parts, strict=True))
    np.testing.assert_allclose(lengths, wanted, rtol=1e-4)


def test_slerp_covers_equal_angles_for_equal_weights_and_lerp_does_not() -> None:
    first, second = prompts(2)
    whole = angles_rad(first, second)
    for share in (0.1, 0.25, 0.5, 0.9):
        along = angles_rad(first, blended([first, second], [1.0 - share, share], SLERP))
        np.testing.assert_allclose(along, share * whole, atol=1e-3)
    chord = angles_rad(first, blended([first, second], [0.75, 0.25], LERP))
    assert np.abs(chord - 0.25 * whole).max() > 0.02


@pytest.mark.parametrize("blend", [LERP, SLERP])
def test_the_ends_are_the_prompts_themselves(blend: int) -> None:
    parts = prompts(2)
    for k in range(2):
        weights = [1.0 - k, float(k)]
        np.testing.assert_allclose(blended(parts, weights, blend), parts[k], atol=1e-5)


@pytest.mark.parametrize("blend", [LERP, SLERP])
def test_a_third_prompt_comes_and_goes_without_a_jump(blend: int) -> None:
    parts = prompts(3)
    for place in range(3):
        pair = [part for k, part in enumerate(parts) if k != place]
        weights = [0.4, 0.6]
        weights.insert(place, 0.0)
        np.testing.assert_allclose(
            blended(parts, weights, blend), blended(pair, [0.4, 0.6], blend), atol=1e-5
        )


@pytest.mark.parametrize("blend", [LERP, SLERP])
def test_tokens_that_are_alike_stay_what_they_are(blend: int) -> None:
    same = prompts(1)[0]
    np.testing.assert_allclose(blended([same, same], [0.3, 0.7], blend), same, rtol=1e-4)


@pytest.mark.parametrize("blend", [LERP, SLERP])
def test_opposite_tokens_and_zeros_stay_finite(blend: int) -> None:
    part = prompts(1)[0]
    for other in (-part, np.zeros_like(part)):
        found = factors(gram([part, other]), [0.5, 0.5], blend)
        assert np.isfinite(found).all()
        assert np.abs(np.einsum("pn,pnd->nd", found, np.stack([part, other]))).max() < 10.0
    assert np.abs(factors(gram([part, -part]), [0.5, 0.5], LERP)).max() <= MOST_STRETCH
