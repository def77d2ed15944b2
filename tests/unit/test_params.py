"""The table of parameters and the table of sources are sound."""

from __future__ import annotations

import pytest

from engine.params import CURVES, PARAMS, SOURCES, ParamSpec, defaults

SPECS = list(PARAMS.values())
CONTRACT = {
    "diffusion/strength", "diffusion/guidance", "diffusion/seed", "diffusion/noise_walk",
    "diffusion/feedback", "motion/zoom", "motion/rotation", "motion/pan_x", "motion/pan_y",
    "prompt/mix", "colour/exposure", "colour/contrast", "colour/saturation", "audio/gain",
    "audio/reactivity", "master/fade",
}  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_parameter_says_what_it_does_and_starts_within_its_range(spec: ParamSpec):
    assert len(spec.help) > 10
    assert spec.help.endswith(".")
    assert spec.low < spec.high
    assert spec.low <= spec.default <= spec.high
    assert spec.name == f"{spec.group}/{spec.name.split('/')[1]}"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_routes_may_only_drive_a_parameter_within_its_own_range(spec: ParamSpec):
    assert spec.modulatable == (spec.modulate_high is not None)
    if spec.modulate_low is not None and spec.modulate_high is not None:
        assert spec.low <= spec.modulate_low < spec.modulate_high <= spec.high
        assert spec.modulate_low <= spec.default <= spec.modulate_high


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_values_out_of_range_are_clamped_to_the_nearest_end(spec: ParamSpec):
    assert spec.clamp(spec.low - 1.0) == spec.low
    assert spec.clamp(spec.high + 1.0) == spec.high
    assert spec.clamp(spec.default) == spec.default


def test_names_that_others_rely_on_exist():
    assert set(PARAMS) >= CONTRACT


def test_whole_numbers_stay_whole():
    assert PARAMS["diffusion/seed"].clamp(41.7) == 42.0


def test_defaults_are_a_fresh_dict_of_every_parameter():
    first = defaults()
    first["motion/zoom"] = 99.0
    assert defaults()["motion/zoom"] == PARAMS["motion/zoom"].default
    assert set(first) == set(PARAMS)


def test_every_source_and_curve_is_named_once_and_explained():
    assert all(spec.name == name and spec.help for name, spec in SOURCES.items())
    assert {"low.hit", "all.level", "air.presence", "onset.pulse", "lfo.slow"} <= set(SOURCES)
    assert len(set(CURVES)) == len(CURVES)
