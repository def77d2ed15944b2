from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from engine.diffusion.bundle import PromptEmbedding
from engine.diffusion.fresh import paint_fresh, strengths
from engine.diffusion.noise_level import NoiseLevel


class _Recorder:
    """A bundle that sees a constant picture and writes down what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, float]] = []

    def hold(self, *prompts: PromptEmbedding) -> None:
        pass

    def noise_level(self, strength: float) -> NoiseLevel[float]:
        return NoiseLevel(1.0 - strength, strength, strength)

    def denoised(
        self,
        noisy: Tensor,
        level: NoiseLevel[Tensor],
        prompt: PromptEmbedding,
        guidance: Tensor | None,
    ) -> Tensor:
        assert guidance is None
        self.seen.append((noisy, float(level.time)))
        return torch.full_like(noisy, 3.0)


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 6])
def test_the_first_call_sees_pure_noise_and_the_others_ever_less(calls: int) -> None:
    found = strengths(calls)
    assert len(found) == calls
    assert found[0] == 1.0
    assert all(later < earlier for earlier, later in pairwise(found))
    assert found[-1] >= 0.5


def test_every_call_covers_the_picture_before_with_noise_of_its_own() -> None:
    bundle = _Recorder()
    noises = [torch.full((1, 2, 4, 4), float(k)) for k in range(3)]
    latent = paint_fresh(bundle, noises, PromptEmbedding(torch.zeros(1, 1, 1)), 1.0)  # type: ignore[arg-type]
    assert torch.equal(latent, torch.full((1, 2, 4, 4), 3.0))
    for (noisy, strength), noise, picture in zip(
        bundle.seen, noises, (0.0, 3.0, 3.0), strict=True
    ):
        assert torch.allclose(noisy, (1.0 - strength) * picture + strength * noise)
