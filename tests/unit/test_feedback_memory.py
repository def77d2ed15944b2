from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from torch.autograd.profiler import profile, record_function

from engine.diffusion.models.ember.bundle import open_ember
from engine.messages import Travel
from engine.registry import ModelRequest
from tests.states import control

SIDE_PX = 256
PLANE_BYTES = 4 * SIDE_PX * SIDE_PX
BUNDLE = "of the bundle"


def of_the_bundle(call: Callable[..., object]) -> Callable[..., object]:
    def inner(*args: object) -> object:
        with record_function(BUNDLE):
            return call(*args)

    return inner


def allocations(work: Callable[[], object], at_least_bytes: int) -> list[str]:
    """Names of the operations of `work` that took memory, outside of the bundle."""
    with profile(profile_memory=True) as profiled:
        work()
    found = []
    for event in profiled.function_events or []:
        if event.self_cpu_memory_usage < at_least_bytes:
            continue
        while event.cpu_parent is not None and event.name != BUNDLE:
            event = event.cpu_parent
        if event.name != BUNDLE:
            found.append(event.name)
    return found


@pytest.mark.parametrize("bend_s", [0.0, 0.01])
def test_the_loop_makes_no_picture_sized_memory_of_its_own(
    bend_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_ember(ModelRequest("ember", SIDE_PX, SIDE_PX, "cpu", "float32", 1))
    for name in ("encode", "decode", "denoised", "encode_prompt"):
        monkeypatch.setattr(model.bundle, name, of_the_bundle(getattr(model.bundle, name)))
    for k in range(4):
        way = Travel(log_zoom=0.01 * k, rotation_deg=0.3 * k, warp_s=bend_s * k)
        state = control(0.05 * k, travel=way)
        found = allocations(partial(model.generate, state, 0.05), PLANE_BYTES // 4)
        assert found == (["aten::grid_sampler"] if k else [])
    model.close()
