from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from engine.conditioning.projector.decomposer import (
    AdaptiveHierarchyWeights,
    RigidDecomposition,
    SoftDecomposition,
)
from engine.conditioning.projector.generator import ProjectionTransformer, SelfAttentionGenerator
from engine.conditioning.projector.network import Hearing, projector
from engine.conditioning.projector.plan import (
    DOMAINS,
    LEVEL_OF_TOKEN,
    ROUTINGS,
    plan_for,
    temperature,
)
from engine.conditioning.projector.routing import LevelToUNetRouter, with_norm
from engine.conditioning.projector.sonic import SonicAdapter
from engine.conditioning.sound_embedding import TargetSpec

EMBER = TargetSpec(8, 256, 256)
SD = TargetSpec(77, 768)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def networks() -> list[tuple[nn.Module, int]]:
    with torch.device("meta"):
        sonic = SonicAdapter()
        return [
            (SoftDecomposition(512), 1_232_843),
            (SoftDecomposition(512, rank=112, bottleneck=64), 292_187),
            (SoftDecomposition(512, rank=128, bottleneck=64), 312_715),
            (RigidDecomposition(512), 10_238_595),
            (AdaptiveHierarchyWeights(512), 3_111),
            (LevelToUNetRouter(), 12),
            (ProjectionTransformer(width=256, layers=4), 2_604_800),
            (ProjectionTransformer(width=320, layers=2), 2_249_280),
            (SelfAttentionGenerator(512, 16, 768), 16_510_464),
            (sonic, 6_130_050),
            (sonic.audio_emb_projection, 1_193_346),
            (sonic.cross_attention, 2_949_120),
            (sonic.between_attention, 1_396_992),
            (sonic.to_out_adapter, 590_592),
        ]


@pytest.mark.parametrize("place", range(14))
def test_every_network_has_the_published_number_of_parameters(place: int) -> None:
    network, wanted = networks()[place]
    assert count(network) == wanted


def test_the_default_decomposer_has_0_30_and_the_projector_2_2_million_parameters() -> None:
    with torch.device("meta"):
        network = projector(plan_for(512, SD))
    assert 292_187 < count(network.decomposer) < 312_715
    assert count(network.generator) == 2_249_280


@pytest.mark.parametrize(
    ("input_width", "target"), [(384, EMBER), (512, EMBER), (512, SD), (1024, TargetSpec(77, 40))]
)
@pytest.mark.parametrize("decomposer", ["soft", "rigid"])
@pytest.mark.parametrize("generator", ["transformer", "self-attention"])
def test_a_projector_speaks_to_any_model(
    input_width: int, target: TargetSpec, decomposer: str, generator: str
) -> None:
    plan = plan_for(input_width, target, decomposer=decomposer, generator=generator)
    with torch.device("meta"):
        found = projector(plan)(torch.zeros(2, 3, input_width), Hearing())
    assert found.tokens.shape == (2, target.tokens, target.width)
    if target.pooled_width:
        assert found.pooled.shape == (2, target.pooled_width)
    else:
        assert found.pooled is None


@pytest.mark.parametrize("input_width", [512, 1024])
def test_the_sonic_adapter_makes_77_rows_of_768_of_both_widths_of_clap(input_width: int) -> None:
    with torch.device("meta"):
        plan = plan_for(input_width, SD, decomposer="sonic")
        found = projector(plan)(torch.zeros(1, 3, input_width), Hearing())
    assert found.tokens.shape == (1, 77, 768)
    assert found.levels is None


def test_only_the_last_layer_of_the_published_sonic_adapter_counts() -> None:
    torch.manual_seed(0)
    theirs = SonicAdapter(3, 32, 24).eval()
    ours = SonicAdapter(3, 32, 24, chained=True).eval()
    vector = torch.randn(1, 32)
    for adapter in (theirs, ours):
        before = adapter(vector)
        with torch.no_grad():
            adapter.between_attention[0][2].weight.mul_(2.0)
        same = torch.equal(before, adapter(vector))
        assert same == (adapter is theirs)


def test_every_level_looks_at_its_own_view() -> None:
    torch.manual_seed(0)
    network = SoftDecomposition(16, 24, 8, 8).eval().requires_grad_(False)
    with torch.no_grad():  # without the look at each other
        network.cross.up.weight.zero_()
    views = torch.randn(1, 3, 16)
    before = network(views)
    for level in range(3):
        other = views.clone()
        other[:, level] += 1.0
        moved = (network(other) - before).abs().sum(dim=-1)[0] > 0
        assert moved.tolist() == [of == level for of in LEVEL_OF_TOKEN]


def test_the_temperature_is_held_then_falls_by_a_cosine() -> None:
    found = [temperature(step, 2000) for step in (0, 100, 200, 1100, 2000)]
    assert found == pytest.approx([2.0, 2.0, 2.0, 1.25, 0.5])
    whole = [temperature(step, 2000) for step in range(0, 2001, 10)]
    assert all(later <= sooner for sooner, later in itertools.pairwise(whole))


def test_a_cold_assignment_is_surer_than_a_hot_one() -> None:
    torch.manual_seed(0)
    network = SoftDecomposition(16, 24, 8, 8).eval().requires_grad_(False)
    tokens = network(torch.randn(4, 3, 16)).detach()
    entropies = []
    for heat in (4.0, 2.0, 1.0, 0.5):
        rows = network.assignment(tokens, heat)
        torch.testing.assert_close(rows.sum(dim=-1), torch.ones(4, 10))
        entropies.append(float(-(rows * rows.log()).sum(dim=-1).mean()))
    assert entropies == sorted(entropies, reverse=True)
    assert entropies[0] > entropies[-1]


def test_routing_begins_as_its_table_and_rows_sum_to_one() -> None:
    torch.manual_seed(0)
    for name, table in ROUTINGS.items():
        router = LevelToUNetRouter(name)
        torch.testing.assert_close(router.table, torch.tensor(table))
        torch.testing.assert_close(router.stage_gates(), torch.full((3,), 0.5))
        shares = router.shares(torch.rand(2, 10, 3), torch.softmax(torch.randn(2, 3), -1))
        torch.testing.assert_close(shares.sum(dim=-1), torch.ones(2, 10))


@pytest.mark.parametrize("norm", [10.0, 60.0, 200.0])
def test_rows_are_as_long_as_they_shall_be(norm: float) -> None:
    torch.manual_seed(0)
    rows = with_norm(torch.randn(3, 77, 768) * torch.tensor([0.1, 1.0, 9.0])[:, None, None], norm)
    for sound in rows:
        assert float(sound.norm(dim=-1).mean()) == pytest.approx(norm, abs=1e-3)


def test_the_default_norm_of_a_projector_is_60() -> None:
    torch.manual_seed(0)
    network = projector(plan_for(512, SD)).eval().requires_grad_(False)
    found = network(torch.randn(1, 3, 512), Hearing())
    assert float(found.tokens.norm(dim=-1).mean()) == pytest.approx(60.0, abs=1e-3)


@pytest.mark.parametrize("generator", ["transformer", "self-attention"])
def test_a_closed_gate_takes_its_level_away(generator: str) -> None:
    """With all tokens in their own level, the view of a closed level changes nothing."""
    torch.manual_seed(0)
    network = projector(plan_for(16, EMBER, decomposer="rigid", generator=generator)).eval()
    with torch.no_grad():
        network.decomposer.cross.up.weight.zero_()
        for parameter in network.weights.parameters():
            parameter.zero_()
    views = torch.randn(1, 3, 16)
    other = views.clone()
    other[:, 0] += 1.0
    for gates, heard in (((1.0, 1.0, 1.0), True), ((0.0, 1.0, 1.0), False)):
        hearing = Hearing(gates=gates)
        pair = [network(sound, hearing) for sound in (views, other)]
        assert torch.equal(pair[0].tokens, pair[1].tokens) != heard
        assert torch.equal(pair[0].pooled, pair[1].pooled) != heard


def test_every_domain_sounds_different() -> None:
    torch.manual_seed(0)
    network = projector(plan_for(16, EMBER)).eval().requires_grad_(False)
    views = torch.randn(1, 3, 16)
    rows = [network(views, Hearing(gates=gates)).tokens for gates in DOMAINS.values()]
    for i, first in enumerate(rows):
        for second in rows[i + 1 :]:
            assert float((first - second).abs().max()) > 1e-3


def test_stages_hear_their_share_and_gates_close_them() -> None:
    torch.manual_seed(0)
    network = projector(plan_for(16, EMBER)).eval().requires_grad_(False)
    views = torch.randn(2, 3, 16)
    rows = network.stage_rows(views, Hearing())
    assert rows.shape == (2, 3, 8, 256)
    assert not torch.allclose(rows[:, 0], rows[:, 2])
    with torch.no_grad():
        network.router.gates[1] = -math.inf
    closed = network.stage_rows(views, Hearing())
    assert not closed[:, 1].any()
    assert torch.equal(closed[:, 0], rows[:, 0])


def test_nothing_that_a_plan_names_is_without_effect() -> None:
    with pytest.raises(ValueError, match="no decomposer"):
        projector(plan_for(16, EMBER, decomposer="softer"))
    with pytest.raises(ValueError, match="no generator"):
        projector(plan_for(16, EMBER, generator="none"))
