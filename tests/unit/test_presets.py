"""Presets: read, written, refused with a useful line, and the six that ship."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import PresetError
from engine.params import SOURCES, defaults
from engine.presets import (
    THUMBNAIL_PX,
    Preset,
    PromptScene,
    Route,
    format_preset,
    load_preset,
    parse_preset,
    preset_names,
    preset_thumbnail,
    with_changes,
)

FACTORY = ("default", "drift", "garden", "ink", "listening", "pulse", "storm", "weather")
HITS = {name for name in SOURCES if name.endswith(".hit")} | {"onset.pulse", "onset.strength"}
GOOD = """
schema_version = 1
name = "Good"
[[prompts]]
text = "aurora"
[params]
"diffusion/strength" = 0.42
[[routes]]
source = "low.hit"
target = "motion/zoom"
amount = 0.6
"""


@pytest.fixture(autouse=True)
def no_user_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("engine.presets.user_preset_folder", lambda: tmp_path / "presets")


def test_the_example_of_the_design_is_read():
    preset = parse_preset(GOOD, "good.toml")
    assert preset.params == {"diffusion/strength": 0.42}
    assert preset.routes[0].attack_ms == 5.0
    assert preset.prompts[0].hold_s == 16.0


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        (
            '"diffusion/strength"',
            '"diffusion/strenght"',
            ["bad.toml, line ", "params", "'diffusion/strength'"],
        ),
        (
            '"low.hit"',
            '"low.hits"',
            ["bad.toml, line ", "routes.0.source", "did you mean 'low.hit'"],
        ),
        ('"motion/zoom"', '"motion/zoon"', ["routes.0.target", "did you mean 'motion/zoom'"]),
        ('"motion/zoom"', '"audio/gain"', ["may not be driven"]),
        ("amount = 0.6", "amount = 0.6\natack_ms = 9", ["atack_ms", "did you mean 'attack_ms'"]),
        ("0.42", "7.0", ["diffusion/strength", "7", "0.02..1"]),
        ('text = "aurora"', 'text = ""', ["prompts.0.text"]),
        ("schema_version = 1", "schema_version = 9", ["9", "newer"]),
        ('name = "Good"', "name = ", ["not valid TOML"]),
        ("0.42", "nan", ["params"]),
        (
            'text = "aurora"',
            'text = "aurora"\nhold_s = 9.0\nhold_beats = 8',
            ["line ", "prompts.0", "'hold_beats' or hold_s, not both"],
        ),
        ('text = "aurora"', 'text = "aurora"\nhold_beat = 8', ["did you mean 'hold_beats'"]),
        ('text = "aurora"', 'text = "aurora"\nhold_beats = 0', ["hold_beats", "greater than 0"]),
    ],
)
def test_a_broken_preset_is_refused_with_file_key_and_nearest_name(
    old: str, new: str, parts: list[str]
):
    with pytest.raises(PresetError) as caught:
        parse_preset(GOOD.replace(old, new), "bad.toml")
    message = str(caught.value)
    assert message.startswith("bad.toml")
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_an_unknown_preset_is_refused_with_the_nearest_name():
    with pytest.raises(PresetError, match="did you mean 'default'"):
        load_preset("defualt")


def test_a_path_that_climbs_out_of_the_folder_is_no_preset_name():
    with pytest.raises(PresetError):
        load_preset("../presets/default")


def test_a_binary_file_is_refused(tmp_path: Path):
    path = tmp_path / "noise.toml"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(PresetError, match="cannot be read as text"):
        load_preset(str(path))


def test_what_is_written_is_read_back_equal():
    preset = Preset(
        name='Quotes " and \\ and ümlauts',
        author="tab\there",
        description="two\nlines",
        prompts=(
            PromptScene(text="a", hold_s=0.1),
            PromptScene(text="b", transition_s=0.0),
            PromptScene(text="c", hold_beats=2.5, transition_beats=0.0),
            PromptScene(text="d", hold_s=3.0, transition_beats=1.5),
        ),
        params={"motion/zoom": -0.123456789, "audio/gain": 3.0},
        routes=(
            Route(source="lfo.fast", target="colour/hue", amount=-30.0, curve="smooth"),
            Route(source="silence", target="master/fade", amount=-1.0, release_ms=0.0),
        ),
    )
    assert parse_preset(format_preset(preset), "x.toml") == preset


@pytest.mark.parametrize("name", FACTORY)
def test_every_factory_preset_loads_and_survives_being_saved(name: str):
    preset = load_preset(name)
    assert preset.description
    assert len(preset.prompts) >= 4
    assert parse_preset(format_preset(preset), name) == preset


@pytest.mark.parametrize("name", FACTORY)
def test_every_factory_preset_answers_hits_in_form_motion_and_light(name: str):
    preset = load_preset(name)
    quick = {
        route.target
        for route in preset.routes
        if route.source in HITS and route.attack_ms <= 30.0 and route.amount != 0.0
    }
    assert "diffusion/strength" in quick
    assert "diffusion/noise_walk" in quick
    assert "colour/exposure" in quick
    assert any(target.startswith("motion/") for target in quick)


def test_the_default_comes_first_and_all_of_them_are_listed():
    names = preset_names()
    assert names[0] == "default"
    assert sorted(names) == sorted(FACTORY)


def test_factory_presets_differ_in_prompts_and_in_what_drives_them():
    presets = [load_preset(name) for name in FACTORY]
    assert len({preset.prompts[0].text for preset in presets}) == len(FACTORY)
    wiring = {frozenset((r.source, r.target) for r in preset.routes) for preset in presets}
    assert len(wiring) == len(FACTORY)


def test_a_preset_of_the_user_wins_over_the_factory(tmp_path: Path):
    folder = tmp_path / "presets"
    folder.mkdir()
    (folder / "default.toml").write_text(GOOD, "utf-8")
    assert load_preset("default").name == "Good"
    assert preset_names().count("default") == 1


def test_a_preset_as_played_keeps_what_the_hand_has_changed() -> None:
    preset = load_preset("default")
    values = defaults() | preset.params | {"motion/zoom": 0.5, "master/fade": 0.0}
    texts = ["a typed prompt", *[scene.text for scene in preset.prompts[1:]]]
    played = parse_preset(format_preset(with_changes(preset, values, texts)), "played.toml")
    assert played.params["motion/zoom"] == 0.5
    assert "master/fade" not in played.params
    assert played.prompts[0].text == "a typed prompt"
    assert played.prompts[0].hold_s == preset.prompts[0].hold_s
    assert played.routes == preset.routes


def test_every_factory_preset_has_a_small_picture(tmp_path: Path):
    for name in preset_names():
        data = preset_thumbnail(name)
        assert data is not None
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (*THUMBNAIL_PX[::-1], 3)
        assert picture.std() > 10
    folder = tmp_path / "presets"
    folder.mkdir()
    (folder / "default.toml").write_text(GOOD)
    assert preset_thumbnail("default") is None  # the factory's would show something else
