"""Which number format a CPU computes in when nobody says which."""

from __future__ import annotations

import pytest
import torch

from engine.diffusion import device


@pytest.mark.parametrize(
    ("amx", "products", "intel", "expected"),
    [
        (True, True, True, torch.bfloat16),
        (False, True, True, torch.float32),
        (False, True, False, torch.bfloat16),
        (False, False, False, torch.float32),
    ],
)
def test_bfloat16_is_chosen_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, amx: bool, products: bool, intel: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: products)
    monkeypatch.setattr(device, "_is_intel", lambda: intel)
    cpu = torch.device("cpu")
    assert device.choose_dtype("auto", cpu, half_on_cpu=True) == expected
    assert device.choose_dtype("auto", cpu, half_on_cpu=False) == torch.float32
    assert device.choose_dtype("bfloat16", cpu, half_on_cpu=True) == torch.bfloat16
