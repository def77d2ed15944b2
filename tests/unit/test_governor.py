from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from engine.diffusion.governor import EVENNESS, FIGURES, HOME_S, LEASH
from engine.diffusion.homes import HOMES
from engine.messages import PromptWeight
from engine.params import defaults
from tests.anchors import Figures, PlannedGovernor

SEA = (PromptWeight("sea", 1.0),)
SUN = (PromptWeight("sun", 1.0),)
DT_S = 0.05


def figures(light: float = -0.4, detail: float = 0.01) -> Figures:
    return np.array([light, 0.1, -0.05, 0.3, 0.1, 0.08, math.log(detail)])


def live(
    governor: PlannedGovernor,
    seconds: float,
    seen: Figures,
    prompts: tuple[PromptWeight, ...] = SEA,
    **values: float,
) -> None:
    named = defaults() | {name.replace("__", "/"): value for name, value in values.items()}
    for _ in range(round(seconds / DT_S)):
        governor.look(seen, prompts, named, DT_S)


def test_a_scene_that_is_still_finding_its_look_is_free() -> None:
    governor = PlannedGovernor()
    live(governor, 0.5, figures())
    stray = figures(light=0.0)
    assert np.array_equal(governor.leashed(stray, SEA), stray)


def test_after_its_first_seconds_a_scene_is_on_a_leash() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S + 1.0, figures())
    assert np.array_equal(governor.leashed(figures(), SEA), figures())
    light = governor.leashed(figures(light=0.5), SEA)[0]
    assert light == pytest.approx(-0.4 + LEASH * 0.6)


def test_home_is_where_the_first_seconds_were_however_long_it_strays() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S, figures())
    live(governor, 120.0, figures(light=0.2))
    assert governor.leashed(figures(light=0.2), SEA)[0] == pytest.approx(-0.4 + LEASH * 0.6)


def test_another_scene_has_its_own_home_and_the_first_is_remembered() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S + 1.0, figures(light=-0.4))
    live(governor, HOME_S + 1.0, figures(light=0.4), SUN)
    assert governor.leashed(figures(light=0.4), SUN)[0] == pytest.approx(0.4)
    assert governor.leashed(figures(light=0.4), SEA)[0] == pytest.approx(-0.4 + LEASH * 0.6)


def test_a_mixture_is_held_between_the_homes_of_its_parts() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S + 1.0, figures(light=-0.4))
    live(governor, HOME_S + 1.0, figures(light=0.4), SUN)
    half = (PromptWeight("sea", 0.5), PromptWeight("sun", 0.5))
    assert governor.leashed(figures(light=0.0), half)[0] == pytest.approx(0.0)
    assert governor.leashed(figures(light=0.9), half)[0] == pytest.approx(LEASH)


def test_a_mixture_teaches_no_home() -> None:
    governor = PlannedGovernor()
    live(governor, 20.0, figures(), (PromptWeight("sea", 0.5), PromptWeight("sun", 0.5)))
    stray = figures(light=0.9)
    assert np.array_equal(governor.leashed(stray, SEA), stray)


def test_what_is_off_the_leash_is_corrected_more_and_more_and_let_go_again() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S, figures())
    assert governor.at_rest
    assert np.array_equal(governor.aim(figures()), figures())
    live(governor, 3.0, figures(light=0.0))
    assert not governor.at_rest
    early = governor.aim(figures())[0]
    live(governor, 3.0, figures(light=0.0))
    assert governor.aim(figures())[0] < early < -0.4
    live(governor, 300.0, figures())
    assert governor.at_rest


def test_a_correction_never_jumps() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S, figures())
    before = governor.aim(figures())
    for _ in range(200):
        live(governor, DT_S, figures(light=0.9))
        aim = governor.aim(figures())
        assert float(np.abs(aim - before).max()) < 0.02
        before = aim


def test_a_stranger_does_not_inherit_the_corrections_of_another_scene() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S, figures())
    live(governor, 10.0, figures(light=0.2))
    wrong = abs(governor.aim(figures())[0] - figures()[0])
    live(governor, 5.0, figures(light=0.2), SUN)
    assert abs(governor.aim(figures())[0] - figures()[0]) < 0.3 * wrong


def test_a_knob_that_changes_the_look_is_not_worked_against() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S, figures())
    live(governor, 30.0, figures(detail=0.03), diffusion__sharpen=0.5)
    assert governor.trim(0.03, 0.03, 0.03) == pytest.approx(0.0, abs=0.01)
    # Back at the old setting the old home is there again.
    live(governor, 20.0, figures(), diffusion__sharpen=0.0)
    assert governor.trim(0.01, 0.01, 0.01) == pytest.approx(0.0, abs=0.01)


def test_detail_that_is_missing_is_sharpened_to_what_the_scene_had() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S + 1.0, figures(detail=0.01))
    assert governor.trim(0.01, 0.008, 0.007) == pytest.approx(0.0, abs=1e-3)
    live(governor, 30.0, figures(detail=0.005))
    amount = governor.trim(0.005, 0.004, 0.0035)
    reached = 0.005 + 2.0 * amount * 0.004 + amount**2 * 0.0035
    assert reached == pytest.approx(0.005 * 2.0**EVENNESS)
    live(governor, 30.0, figures(detail=0.02))
    assert governor.trim(0.02, 0.016, 0.014) < 0.0


def test_a_flat_picture_is_not_sharpened() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S + 1.0, figures(detail=0.01))
    live(governor, 5.0, figures(detail=1e-12))
    assert governor.trim(0.0, 0.0, 0.0) == 0.0


def test_the_picture_rate_does_not_change_how_fast_it_corrects() -> None:
    corrections = []
    for dt_s in (0.01, 0.05, 0.2):
        governor = PlannedGovernor()
        live(governor, HOME_S, figures())
        for _ in range(round(4.0 / dt_s)):
            governor.look(figures(light=0.0), SEA, defaults(), dt_s)
        corrections.append(float(governor.aim(figures())[0] - figures()[0]))
    assert corrections[1] < -0.05
    assert corrections == pytest.approx([corrections[1]] * 3, rel=0.04)


def test_it_forgets_on_demand_and_never_keeps_more_homes_than_it_may() -> None:
    governor = PlannedGovernor()
    for k in range(HOMES + 20):
        live(governor, 0.1, figures(), (PromptWeight(f"scene {k}", 1.0),))
    rows = [row for *_, row in governor.governor.state()["homes"]["rows"]]
    assert sorted(rows) == list(range(HOMES))
    governor.forget()
    assert governor.governor.state()["homes"]["rows"] == []
    assert governor.at_rest


def test_a_home_that_was_given_up_leaves_nothing_to_the_next_in_its_row() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S + 1.0, figures(light=0.5))
    for k in range(HOMES):
        live(governor, 0.1, figures(), (PromptWeight(f"scene {k}", 1.0),))
    live(governor, HOME_S + 1.0, figures(), SUN)
    assert governor.leashed(figures(), SUN)[0] == pytest.approx(-0.4)


def test_figures_that_are_no_numbers_teach_nothing() -> None:
    governor = PlannedGovernor()
    live(governor, HOME_S + 1.0, figures())
    before = governor.governor.state()
    governor.governor.look(
        torch.full((FIGURES,), math.nan, dtype=torch.float64), torch.tensor(False), torch.ones(())
    )
    after = governor.governor.state()
    for name in ("figures", "smooth", "correction", "missing_detail"):
        assert np.array_equal(before[name], after[name])


def test_its_state_does_not_change_with_what_comes_later() -> None:
    governor = PlannedGovernor()
    live(governor, 5.0, figures())
    state = governor.governor.state()
    kept = state["figures"].copy()
    live(governor, 5.0, figures(light=0.9))
    assert np.array_equal(state["figures"], kept)
    assert state["correction"].shape == (FIGURES,)
