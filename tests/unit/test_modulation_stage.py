"""The modulation stage: features in, control state out."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from engine.commands import Freeze, NextPrompt, RestartPicture, SetParam, SetPrompt
from engine.errors import CommandError
from engine.messages import AudioFeatures, ControlState, Structure
from engine.modulation.stage import Modulation
from engine.params import PARAMS
from engine.presets import Preset, PromptScene, Route, load_preset

HOP = 512
RATE = 48000
HOP_S = HOP / RATE
SILENCE = AudioFeatures(
    sample_index=0, sample_rate=RATE, level_db=-120.0, peak=0.0, silent=True,
    band_level=np.zeros(6, np.float32), band_hit=np.zeros(6, np.float32),
    band_presence=np.zeros(6, np.float32), onset_strength=0.0, onset_count=0, centroid=0.4,
    flatness=0.1, tempo_bpm=0.0, tempo_confidence=0.0, beat_count=0, beat_phase=0.0,
)  # fmt: skip
HIT = replace(SILENCE, silent=False, band_hit=np.ones(6, np.float32), onset_count=1)
PLAIN = Preset(name="plain", prompts=(PromptScene(text="aurora"),))


def preset(*routes: Route, **params: float) -> Preset:
    values = {key.replace("__", "/"): value for key, value in params.items()}
    return Preset(name="test", prompts=PLAIN.prompts, params=values, routes=routes)


def run(stage: Modulation, seconds: float, features=SILENCE, *, dt_s=HOP_S) -> ControlState:
    state = None
    for step in range(1, max(round(seconds / dt_s), 1) + 1):
        heard = replace(features, sample_index=round(step * dt_s * RATE))
        state = stage.step(heard, dt_s, host_time_s=0.0)
    assert state is not None
    return state


def test_a_state_holds_every_parameter_within_its_range_and_may_cross_a_process():
    state = run(Modulation(load_preset("default"), start_s=3.0), 1.0, HIT)
    assert set(state.values) == set(PARAMS)
    assert all(PARAMS[k].low <= v <= PARAMS[k].high for k, v in state.values.items())
    assert state.time_s == pytest.approx(4.0, abs=HOP_S)
    assert pickle.loads(pickle.dumps(state)) == state


def test_without_routes_values_are_the_base_values_exactly():
    stage = Modulation(preset(motion__zoom=0.123))
    state = run(stage, 0.1, HIT)
    assert state.values == stage.base
    assert state.values["motion/zoom"] == 0.123


def test_a_hit_of_one_hop_shows_in_full_in_the_same_hop():
    stage = Modulation(preset(Route(source="low.hit", target="motion/zoom", amount=1.0)))
    run(stage, 0.2)
    rest = stage.modulated["motion/zoom"]
    assert run(stage, HOP_S, HIT).values["motion/zoom"] - rest > 0.99


def test_in_silence_routes_fall_to_rest_and_the_picture_idles_on():
    stage = Modulation(load_preset("default"))
    run(stage, 1.0, HIT)
    first = run(stage, 8.0)
    second = run(stage, 1.0)
    moving = {"motion/rotation"}  # the free slow wave
    for name in set(PARAMS) - moving:
        assert second.values[name] == pytest.approx(first.values[name], abs=2e-3), name
    assert second.travel.log_zoom > first.travel.log_zoom
    assert second.travel.noise_rad > first.travel.noise_rad


def test_travel_is_the_integral_of_the_rates_at_any_rate_of_steps():
    rates = {
        "motion__zoom": -0.1, "motion__rotation": 20.0, "motion__pan_x": 0.3,
        "motion__pan_y": -0.2, "diffusion__noise_walk": 1.5, "motion__warp": 0.4,
    }  # fmt: skip
    for rate_hz in (8, 60, 94):
        travel = run(Modulation(preset(**rates)), 10.0, dt_s=1.0 / rate_hz).travel
        assert travel.log_zoom == pytest.approx(-1.0)
        assert travel.rotation_deg == pytest.approx(200.0)
        assert travel.pan_x == pytest.approx(3.0)
        assert travel.pan_y == pytest.approx(-2.0)
        assert travel.noise_rad == pytest.approx(15.0)
        assert travel.warp_s == pytest.approx(4.0)


def test_a_reader_that_samples_rarely_misses_no_motion():
    stage = Modulation(preset(Route(source="low.hit", target="motion/zoom", amount=2.0)))
    before = run(stage, 0.5)
    ways = []
    for features in (SILENCE, HIT, SILENCE, SILENCE):
        after = run(stage, 0.1, features)
        ways.append(after.travel.log_zoom - before.travel.log_zoom)
        before = after
    idle = 0.1 * PARAMS["motion/zoom"].default
    assert ways[1] > 10 * idle
    assert sum(ways) == pytest.approx(before.travel.log_zoom - 0.5 * 0.04, abs=1e-3)


def test_base_values_glide_instead_of_zipping_and_land_exactly():
    stage = Modulation(PLAIN)
    run(stage, 0.1)
    assert stage.apply(SetParam("colour/exposure", 1.5))
    values = [run(stage, HOP_S).values["colour/exposure"] for _ in range(10)]
    assert 0.2 < values[0] < 1.4
    assert values == sorted(values)
    assert values[-1] == 1.5
    assert stage.base["colour/exposure"] == 1.5


def test_the_seed_jumps_because_seeds_between_seeds_mean_nothing():
    stage = Modulation(PLAIN)
    stage.apply(SetParam("diffusion/seed", 5000.4))
    assert run(stage, HOP_S).values["diffusion/seed"] == 5000.0


def test_values_out_of_range_are_clamped():
    stage = Modulation(PLAIN)
    stage.apply(SetParam("master/fade", 7.0))
    assert stage.base["master/fade"] == 1.0


@pytest.mark.parametrize(
    ("command", "match"),
    [
        (SetParam("motion/zoon", 1.0), "did you mean 'motion/zoom'"),
        (SetParam("motion/zoom", math.nan), "nan"),
        (SetPrompt("  "), "empty"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(command, match: str):
    with pytest.raises(CommandError, match=match):
        Modulation(PLAIN).apply(command)


def test_commands_of_other_stages_are_left_to_them():
    assert not Modulation(PLAIN).apply(Freeze(on=True))


def test_reactivity_zero_ignores_the_music():
    stage = Modulation(load_preset("default"))
    stage.apply(SetParam("audio/reactivity", 0.0))
    run(stage, 0.5)
    quiet = run(stage, 0.5).values
    loud = run(stage, HOP_S, HIT).values
    for name in set(PARAMS) - {"motion/rotation"}:
        assert loud[name] == quiet[name], name


def test_prompts_follow_commands_and_the_status_sees_them():
    stage = Modulation(load_preset("default"))
    stage.apply(SetPrompt(" fireworks ", 0.0))
    assert run(stage, HOP_S).prompts[0].text == "fireworks"
    stage.apply(NextPrompt())
    run(stage, 4.5)
    assert stage.prompt_index == 1
    assert stage.prompts[0].text == stage.prompt_texts[1] == "a sunset over the sea"


def test_restart_is_a_counter():
    stage = Modulation(PLAIN)
    stage.apply(RestartPicture())
    stage.apply(RestartPicture())
    assert run(stage, HOP_S).restart_count == 2


def test_another_preset_changes_the_look_but_not_what_belongs_to_the_performer():
    stage = Modulation(load_preset("default"))
    for name, value in (
        ("master/fade", 0.5),
        ("audio/gain", 6.0),
        ("audio/mood", 2.0),
        ("motion/pan_x", 0.5),
    ):
        stage.apply(SetParam(name, value))
    travel = run(stage, 1.0).travel
    stage.set_preset(load_preset("ink"))
    state = run(stage, 2.0)
    assert state.values["master/fade"] == 0.5
    assert state.values["audio/gain"] == 6.0
    assert state.values["audio/mood"] == 2.0
    assert state.values["motion/pan_x"] == 0.0
    assert state.values["colour/contrast"] == 1.14
    assert state.prompts[0].text.startswith("ink")
    assert state.travel.log_zoom >= travel.log_zoom
    assert stage.preset.name == "Ink"


@pytest.mark.parametrize(
    "name", ["default", "pulse", "drift", "storm", "garden", "ink", "listening"]
)
def test_every_factory_preset_answers_a_hit_within_one_hop(name: str):
    stage = Modulation(load_preset(name))
    steady = replace(SILENCE, silent=False)
    before = run(stage, 1.0, steady).values
    after = run(stage, 3 * HOP_S, HIT).values
    assert after["diffusion/strength"] > before["diffusion/strength"] + 0.1
    assert after["diffusion/noise_walk"] > before["diffusion/noise_walk"] + 1.0
    assert abs(after["colour/exposure"] - before["colour/exposure"]) > 0.15
    assert any(abs(after[axis] - before[axis]) > 0.2 for axis in ("motion/zoom", "motion/pan_x"))


def in_section(number: int) -> AudioFeatures:
    return replace(SILENCE, silent=False, structure=Structure(section=number))


def test_a_chorus_returns_to_its_picture_when_the_preset_follows_the_sections():
    scenes = tuple(PromptScene(text=text, hold_s=1.0, transition_s=0.5) for text in "abc")
    stage = Modulation(Preset(name="form", prompts=scenes, params={"prompt/follow_sections": 1.0}))
    shown = [run(stage, 3.0, in_section(number)).prompts for number in (0, 1, 0, 2, 1)]
    assert [prompts[0].text for prompts in shown] == ["a", "b", "a", "c", "b"]
    assert all(len(prompts) == 1 for prompts in shown)
    stage.apply(SetParam("prompt/follow_sections", 0.0))
    assert run(stage, 1.2, in_section(0)).prompts[0].text == "b"
    assert len(run(stage, 0.2, in_section(0)).prompts) == 2  # by the clock again


def test_an_export_that_starts_late_follows_what_it_hears():
    scenes = tuple(PromptScene(text=text, hold_s=1.0, transition_s=0.5) for text in "abc")
    by_clock = Modulation(Preset(name="clock", prompts=scenes))
    by_clock.begin_at(2.0)
    assert by_clock.prompt_index == 1
    preset = Preset(name="form", prompts=scenes, params={"prompt/follow_sections": 1.0})
    follows = Modulation(preset)
    follows.begin_at(2.0)
    assert follows.prompt_index == 0


def test_a_drop_jumps_and_falls_and_the_build_before_it_rises():
    stage = Modulation(
        preset(
            Route(
                source="drop.pulse",
                target="motion/zoom",
                amount=1.0,
                attack_ms=0.0,
                release_ms=0.0,
            ),
            Route(source="build", target="motion/warp", amount=0.8, attack_ms=0.0),
            Route(source="section.novelty", target="motion/rotation", amount=10.0, attack_ms=0.0),
        )
    )
    before = Structure(novelty=0.5, build=0.75, drop_count=2)
    built = run(stage, 0.2, replace(SILENCE, silent=False, structure=before))
    assert built.values["motion/warp"] == pytest.approx(0.6)
    assert built.values["motion/rotation"] == pytest.approx(5.0)
    quiet = run(Modulation(stage.preset), 0.2, replace(SILENCE, structure=before))
    assert quiet.values["motion/warp"] == quiet.values["motion/rotation"] == 0.0
    rest = built.values["motion/zoom"]
    fell = replace(SILENCE, silent=False, structure=replace(before, build=0.0, drop_count=3))
    assert run(stage, HOP_S, fell).values["motion/zoom"] - rest == pytest.approx(1.0)
    assert run(stage, 1.0, fell).values["motion/zoom"] - rest == pytest.approx(0.22, abs=0.05)
    assert run(stage, 4.0, fell).values["motion/zoom"] == pytest.approx(rest, abs=0.01)


def test_a_description_of_the_music_is_mixed_in_as_much_as_it_is_asked_for():
    stage = Modulation(preset(**{"prompt/describe": 0.6}))
    assert stage.describes
    stage.describe("a crimson flower")
    weights = {prompt.text: prompt.weight for prompt in run(stage, 8.0).prompts}
    assert weights["a crimson flower"] == pytest.approx(0.6, abs=0.01)
    assert sum(weights.values()) == pytest.approx(1.0)
    assert not Modulation(preset()).describes
