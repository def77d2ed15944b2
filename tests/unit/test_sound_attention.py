from __future__ import annotations

import pytest
import torch

from engine.diffusion.models.ember.sound_attention import SoundEar, SoundRows
from engine.diffusion.models.ember.unet import FlowUNet, UNetConfig

CONFIG = UNetConfig(widths=(32, 64, 96), conditioning_width=32, text_width=32)


@pytest.fixture
def unet() -> FlowUNet:
    torch.manual_seed(0)
    unet = FlowUNet(CONFIG).eval().requires_grad_(False)
    for parameter in unet.parameters():
        parameter.copy_(0.05 * torch.randn(parameter.shape))
    return unet


def call(unet: FlowUNet, ear: SoundEar | None = None, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x, tokens, pooled = (
        torch.randn(size, generator=generator)
        for size in ((batch, 16, 8, 8), (batch, 8, 32), (batch, 32))
    )
    seen = pooled if ear is None else ear.leaning(pooled)
    with torch.no_grad():
        velocity: torch.Tensor = unet(x, torch.full((batch,), 0.7), tokens, seen)
    return velocity


def rows(amount: float | tuple[float, float], seed: int = 2) -> SoundRows:
    generator = torch.Generator().manual_seed(seed)
    return SoundRows(
        torch.randn((1, 8, 32), generator=generator),
        torch.randn((1, 32), generator=generator),
        torch.tensor(amount).expand(2) if isinstance(amount, float) else torch.tensor(amount),
    )


def opened(ear: SoundEar, gate: float = 0.5) -> SoundEar:
    with torch.no_grad():
        for name, parameter in ear.named_parameters():
            if name.endswith("gate"):
                parameter.fill_(gate)
    return ear


def test_gates_of_zero_change_nothing(unet: FlowUNet) -> None:
    plain = call(unet)
    ear = SoundEar(CONFIG)
    ear.attach(unet)
    ear.hear(rows(1.0))
    assert torch.equal(call(unet, ear), plain)


def test_an_amount_of_zero_changes_nothing(unet: FlowUNet) -> None:
    plain = call(unet)
    ear = opened(SoundEar(CONFIG))
    ear.attach(unet)
    ear.hear(rows(0.0))
    assert torch.equal(call(unet, ear), plain)


def test_sounds_change_the_velocity_each_in_its_way_and_more_with_the_amount(
    unet: FlowUNet,
) -> None:
    plain = call(unet)
    ear = opened(SoundEar(CONFIG))
    ear.attach(unet)
    changes = []
    for sound in (rows(0.5), rows(1.0), rows(1.0, seed=3)):
        ear.hear(sound)
        changes.append(call(unet, ear) - plain)
    half, whole, other = (float(change.norm()) for change in changes)
    assert 0.0 < half < whole
    assert other > 0.0
    assert float((changes[1] - changes[2]).norm()) > 0.1 * whole


def test_each_picture_of_a_batch_hears_its_own_amount(unet: FlowUNet) -> None:
    plain = call(unet)
    ear = opened(SoundEar(CONFIG))
    ear.attach(unet)
    ear.hear(rows((1.0, 0.0)))
    heard = call(unet, ear)
    assert torch.equal(heard[1], plain[1])
    assert not torch.allclose(heard[0], plain[0])


def test_what_is_detached_leaves_the_network_as_it_was(unet: FlowUNet) -> None:
    plain = call(unet)
    ear = opened(SoundEar(CONFIG))
    ear.attach(unet)
    ear.hear(rows(1.0))
    ear.detach()
    assert torch.equal(call(unet), plain)
    ear.hear(None)
    assert torch.equal(ear.leaning(torch.ones(1, 32)), torch.ones(1, 32))
