from __future__ import annotations

import torch

from engine.conditioning.int8_rows import packed, unpacked


def test_matrices_come_back_within_half_a_step_of_their_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(64, 96, generator=generator) * torch.logspace(-3, 2, 64)[:, None]
    back = unpacked(packed({"w": matrix}))["w"]
    step = matrix.abs().amax(dim=1, keepdim=True) / 127.0
    assert bool(((back - matrix).abs() <= 0.56 * step).all())
    assert packed({"w": matrix})["w"].dtype is torch.int8


def test_a_row_of_zeros_stays_one_and_small_tensors_are_not_packed() -> None:
    matrix = torch.zeros(64, 96)
    assert torch.equal(unpacked(packed({"w": matrix}))["w"], matrix)
    vector = torch.arange(5.0)
    assert list(packed({"b": vector})) == ["b"]
    assert torch.equal(unpacked(packed({"b": vector}))["b"].float(), vector)


def test_matrices_that_int8_would_lose_can_be_left_out() -> None:
    matrix = torch.cat([torch.full((64, 1), 1000.0), torch.rand(64, 95)], dim=1)
    assert packed({"w": matrix}, ["w"])["w"].dtype is torch.float16


def test_what_was_never_packed_comes_back_as_it_is() -> None:
    tensor = torch.randn(3, 4)
    assert unpacked({"w": tensor})["w"] is tensor
