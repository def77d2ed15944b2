"""LoRAs in a show: words of the command line, presets, models that come and go."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.cli import _parser
from app.lora_argument import as_lora, chosen_loras
from engine.clock import ManualClock
from engine.diffusion.brush import Brush
from engine.diffusion.loop import DiffusionLoop
from engine.diffusion.models.null import NullModel
from engine.errors import ModelLoadError, PresetError, UsageError
from engine.export.fingerprint import fingerprint
from engine.export.settings import ExportSettings
from engine.mailbox import Latest
from engine.messages import ControlState, LoraChoice, Picture
from engine.params import defaults
from engine.presets import Lora, format_preset, parse_preset, read_preset, with_changes
from tests.states import control

GOOD, BAD = LoraChoice("/loras/good.safetensors", 0.5), LoraChoice("/loras/bad.safetensors")
LOOK = """
name = "Worn"
[[prompts]]
text = "aurora"
[[loras]]
path = "ink.safetensors"
weight = 0.8
"""


class Wearer(NullModel):
    """A model that takes every LoRA but the bad one."""

    def __init__(self, name: str) -> None:
        super().__init__(16, 16)
        self._name = name
        self.worn: tuple[LoraChoice, ...] = ()
        self.pictures: list[tuple[LoraChoice, ...]] = []

    @property
    def name(self) -> str:
        return self._name

    @property
    def advice(self) -> str:
        return "" if self.worn else f"{self._name} would like a LoRA"

    def put_on(self, loras: Sequence[LoraChoice]) -> None:
        if BAD in loras:
            raise ModelLoadError(f"bad.safetensors does not fit {self._name}")
        self.worn = tuple(loras)

    def generate(self, control: ControlState, dt_s: float):
        self.pictures.append(self.worn)
        return super().generate(control, dt_s)


class Show:
    """A loop whose thread is the test's own."""

    def __init__(self) -> None:
        pictures: Latest[Picture] = Latest()
        controls: Latest[ControlState] = Latest()
        self.loop = DiffusionLoop(controls, pictures, ManualClock())
        self.models: list[NullModel] = []

    def open(self, model: NullModel) -> None:
        self.models.append(model)
        self.loop.request_model(Brush(model.name, lambda: model))
        self.loop._switch_model()

    def wear(self, *loras: LoraChoice) -> None:
        self.loop.request_loras(loras)
        self.loop._switch_model()
        self.loop.step(control())


def test_loras_are_put_on_between_two_pictures_and_taken_off_again() -> None:
    show, model = Show(), Wearer("a")
    show.open(model)
    assert show.loop.advice == "a would like a LoRA"
    show.wear(GOOD)
    assert (show.loop.loras, show.loop.advice) == ((GOOD,), "")
    show.wear()
    assert model.pictures == [(GOOD,), ()]
    assert (show.loop.loras, show.loop.message) == ((), "")


def test_one_that_does_not_fit_is_one_line_and_the_show_keeps_what_it_wears() -> None:
    show, model = Show(), Wearer("a")
    show.open(model)
    show.wear(GOOD)
    show.wear(BAD)
    assert show.loop.message == "bad.safetensors does not fit a"
    assert show.loop.loras == (GOOD,)
    assert model.pictures[-1] == (GOOD,)
    show.wear(GOOD)
    assert show.loop.message == ""


def test_the_next_model_wears_what_is_asked_for_or_says_that_it_paints_without() -> None:
    show = Show()
    show.loop.request_loras((GOOD,))
    for model in (Wearer("a"), Wearer("b")):
        show.open(model)
        assert model.worn == show.loop.loras == (GOOD,)
    show.wear(BAD)
    show.open(Wearer("c"))
    assert show.loop.message == "bad.safetensors does not fit c; c paints without"
    assert (show.loop.loras, show.loop.model_name) == ((), "c")


def test_a_model_that_takes_none_says_so_only_when_one_is_asked_for() -> None:
    show = Show()
    show.open(NullModel(16, 16))
    assert show.loop.message == ""
    show.wear(GOOD)
    assert show.loop.message == "null takes no LoRAs: choose another model"
    with pytest.raises(ModelLoadError, match="takes no LoRAs"):
        show.loop.put_on((GOOD,))


@pytest.mark.parametrize(
    ("text", "path", "weight"),
    [
        ("/a/ink.safetensors", "/a/ink.safetensors", 1.0),
        ("/a/ink.safetensors:0.8", "/a/ink.safetensors", 0.8),
        ("/a/ink.safetensors:-1", "/a/ink.safetensors", -1.0),
        ("/a:b/ink.safetensors", "/a:b/ink.safetensors", 1.0),
        ("/a/16:9.safetensors:2", "/a/16:9.safetensors", 2.0),
    ],
)
def test_a_lora_is_a_path_and_maybe_a_weight(text: str, path: str, weight: float) -> None:
    assert as_lora(text) == LoraChoice(path, weight)


@pytest.mark.parametrize("text", ["", ":1", "a.safetensors:9", "a.safetensors:nan"])
def test_what_is_no_lora_is_wrong_usage(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"PATH:0\.8"):
        as_lora(text)


def test_live_and_render_look_at_the_files_before_anything_opens(tmp_path: Path) -> None:
    parser = _parser()
    for words in (["live"], ["render", "demo", "-o", "x.mp4"]):
        assert chosen_loras(parser.parse_args(words)) is None
        options = parser.parse_args([*words, "--lora", "a.safetensors", "--lora", "b:0.5"])
        with pytest.raises(ModelLoadError, match="there is no LoRA"):
            chosen_loras(options)
        many = [word for k in range(5) for word in ("--lora", f"{k}.safetensors")]
        with pytest.raises(UsageError, match=r"5 LoRAs are given; 4.*: leave 1 out"):
            chosen_loras(parser.parse_args([*words, *many]))


def test_a_preset_names_its_loras_from_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "worn.toml").write_text(LOOK)
    with pytest.raises(PresetError, match=r"worn\.toml: loras\.0\.path: there is no .*ink\.safet"):
        read_preset(tmp_path / "worn.toml")
    (tmp_path / "ink.safetensors").touch()
    preset = read_preset(tmp_path / "worn.toml")
    assert [lora.choice for lora in preset.loras] == [
        LoraChoice(str((tmp_path / "ink.safetensors").resolve()), 0.8)
    ]
    assert parse_preset(format_preset(preset), "again.toml") == preset


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("ink.safetensors", "ink.ckpt", "is a pickle, which can run code"),
        ("weight = 0.8", "weight = 9.0", "loras.0.weight"),
        ("weight", "wieght", "did you mean 'weight'"),
        ("path", "file", "loras.0.file"),
        ("[[loras]]", "[[loras]]\npath = 'a'\n" * 4 + "[[loras]]", "at most 4"),
        ("[[loras]]", "[[lora]]", "did you mean 'loras'"),
    ],
)
def test_a_wrong_lora_in_a_preset_is_named(old: str, new: str, part: str) -> None:
    with pytest.raises(PresetError) as caught:
        parse_preset(LOOK.replace(old, new), "bad.toml")
    assert str(caught.value).startswith("bad.toml")
    assert part in str(caught.value)


def test_a_preset_as_played_has_the_loras_that_are_worn() -> None:
    preset = parse_preset(LOOK, "worn.toml")
    assert with_changes(preset, defaults(), []).loras == preset.loras
    played = with_changes(preset, defaults() | {"lora/1": 0.5}, [], (GOOD,))
    assert played.loras == (Lora(path=GOOD.path, weight=GOOD.weight),)
    assert played.params == {"lora/1": 0.5}


def test_an_interrupted_render_goes_on_with_the_same_loras_only(tmp_path: Path) -> None:
    sound, file = tmp_path / "a.wav", tmp_path / "ink.safetensors"
    sound.write_bytes(b"sound")
    settings = ExportSettings(sound, tmp_path / "a.mp4")
    bare = parse_preset(LOOK, "worn.toml").model_copy(update={"loras": ()})
    marks = [fingerprint(settings, bare)["--lora"]]
    for content, weight in ((b"one", 1.0), (b"one", 0.5), (b"two", 0.5)):
        file.write_bytes(content)
        worn = bare.model_copy(update={"loras": (Lora(path=str(file), weight=weight),)})
        marks.append(fingerprint(settings, worn)["--lora"])
    assert marks[0] == ""
    assert len(set(marks)) == 4
