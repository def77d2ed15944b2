from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.argument_values import as_host_port, as_size
from app.cli import _parser, main
from app.live_command import choose_source
from app.settings import Settings, SourceSettings
from app.train_command import (
    BEAT_STAGE_NAMES,
    PROJECTOR_STAGE_NAMES,
    SIGHTS_STAGE_NAMES,
    STAGE_NAMES,
)
from app.train_options import TRAIN_OPTIONS, TRAINER_NAMES
from engine.commands import SourceChoice
from engine.errors import ModelLoadError, UsageError
from engine.registry import find_model
from tests.signals import sine


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for name in ("live", "render", "analyze", "score", "models", "presets", "devices",
                 "calibrate", "osc", "doctor", "train", "bench"):  # fmt: skip
        assert re.search(rf"\n    {name}\s", text)


def test_the_defaults_are_the_documented_ones() -> None:
    options = _parser().parse_args(["render", "demo", "-o", "x.mp4"])
    assert (options.size, options.fps, options.seed) == ((512, 512), 30.0, 0)
    live = _parser().parse_args(["live"])
    assert (live.osc_port, live.osc_host) == (None, "127.0.0.1")  # 9000, if it is free


@pytest.mark.parametrize("text", ["512", "axb", "1x2x3", ""])
def test_a_size_that_is_none_is_wrong_usage(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="640x360"):
        as_size(text)


@pytest.mark.parametrize("text", ["9001", ":9001", "host:", "host:0", "host:70000"])
def test_an_address_that_is_none_is_wrong_usage(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"127\.0\.0\.1:9001"):
        as_host_port(text)


def test_the_source_argument_wins_over_what_is_remembered() -> None:
    remembered = Settings(source=SourceSettings(kind="tone"))
    assert choose_source(None, remembered, "") == SourceChoice("tone")
    assert choose_source("demo", remembered, "") == SourceChoice("demo")
    assert choose_source("mic", remembered, "ALSA: pulse") == SourceChoice("mic", "ALSA: pulse")
    assert choose_source("file:a b.wav", remembered, "").path == Path("a b.wav")
    with pytest.raises(UsageError, match="mic, loopback, demo, tone"):
        choose_source("radio", remembered, "")


def test_help_and_wrong_usage_are_answered_before_numpy_is_there() -> None:
    code = "import app.cli, sys; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("module", ["app.cli", "app.main_window", "engine.runtime.engine"])
def test_importing_brings_no_torch_and_no_librosa(module: str) -> None:
    heavy = "{'torch', 'librosa', 'diffusers', 'transformers'}"
    code = f"import {module}, sys; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_training_gets_a_real_device_and_a_real_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from engine.training.ember import stages

    asked: dict[str, object] = {}
    monkeypatch.setitem(stages.STAGES, "flow", lambda out, **options: asked.update(options))
    assert main(["train", "ember", "--stage", "flow", "--data", str(tmp_path)]) == 0
    assert asked["device"] in ("cpu", "cuda", "mps")
    assert isinstance(asked["threads"], int)
    assert asked["threads"] >= 1


def test_an_unknown_training_stage_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "ember", "--stage", "nonsense"]) == 2
    assert "no stage 'nonsense'; there are start" in capsys.readouterr().err


def test_help_names_every_training_stage() -> None:
    from engine.training.ember.stages import STAGES

    assert tuple(STAGES) == STAGE_NAMES


def test_training_ends_with_a_line_of_json(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from engine.training.ember import stages

    monkeypatch.setitem(stages.STAGES, "flow", lambda data, **options: None)
    words = ["train", "ember", "--stage", "flow", "--data", str(tmp_path), "--json"]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["stage"], report["data"]) == ("flow", str(tmp_path))


def test_osc_prints_its_table_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["osc", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])) == {"in", "out"}


def test_analyze_describes_the_music_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song, report = tmp_path / "song.wav", tmp_path / "song.json"
    soundfile.write(song, sine(440.0, 3.0, 16_000), 16_000)
    assert main(["analyze", str(song), "--json", str(report)]) == 0
    assert "description" not in json.loads(report.read_text("utf-8"))
    assert main(["analyze", str(song), "--json", str(report), "--describe"]) == 0
    description = json.loads(report.read_text("utf-8"))["description"]
    assert "flower" in description
    assert capsys.readouterr().out.splitlines()[-1] == description


def test_analyze_has_no_description_of_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song, report = tmp_path / "still.wav", tmp_path / "still.json"
    soundfile.write(song, np.zeros(16_000), 16_000)
    assert main(["analyze", str(song), "--json", str(report), "--describe"]) == 0
    told = json.loads(report.read_text("utf-8"))
    assert told["description"] is None
    assert told["key"] is None
    assert capsys.readouterr().out.splitlines()[-1] == "silence: nothing to describe"


@pytest.mark.parametrize(
    "command",
    ["live", "render", "image", "audio2video", "analyze", "listen", "score", "osc",
     *(f"train {name}" for name in TRAINER_NAMES)],
)  # fmt: skip
def test_every_flag_says_what_it_means_and_what_it_is_left_alone(command: str) -> None:
    parser = _parser()
    for name in command.split():
        parser = _subparser(parser, name)
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
            continue
        assert action.help, f"{command} {action.dest}"
        if action.option_strings and not action.required:
            assert re.search(r"\((no )?default: ", action.help), f"{command} {action.dest}"


def _subparser(parser: argparse.ArgumentParser, command: str) -> argparse.ArgumentParser:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found: argparse.ArgumentParser = action.choices[command]
            return found
    raise AssertionError("there are no commands")


@pytest.mark.parametrize(("name", "hint"), [("nosuch", False), ("nul", False), ("embr", True)])
def test_only_a_near_name_is_suggested_and_never_the_test_picture(name: str, hint: bool) -> None:
    with pytest.raises(ModelLoadError) as caught:
        find_model(name)
    assert ("did you mean 'ember'?" in str(caught.value)) is hint
    assert "null" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["beat"], "beat is trained in stages: --stage pulse"),
        (["beat", "--stage", "nope"], "no stage 'nope'; there are pulse"),
        (["beat", "--stage", "pulse", "--budget", "-1"], "more than 0 minutes"),
        (["listener", "--data", "clips", "--budget", "0"], "more than 0 minutes"),
    ],
)
def test_training_that_cannot_begin_says_why_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments]) == 2
    assert words in capsys.readouterr().err


def _help(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*words, "--help"])
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_the_help_of_training_names_every_trainer_and_no_option_of_theirs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = _help(capsys, "train")
    assert all(re.search(rf"^    {name}\b", text, re.MULTILINE) for name in TRAINER_NAMES)
    assert set(re.findall(r"--[a-z-]+", text)) == {"--help", "--debug"}


@pytest.mark.parametrize("trainer", TRAINER_NAMES)
def test_each_trainer_helps_with_what_it_reads_alone_and_one_example_that_parses(
    capsys: pytest.CaptureFixture[str], trainer: str
) -> None:
    text = _help(capsys, "train", trainer)
    options, example = text.split("example:\n  sonolume ")
    shown = set(re.findall(r"^  (--[a-z-]+)", options, re.MULTILINE))
    read = {option.flag for option in TRAIN_OPTIONS if trainer in option.readers}
    assert shown == read - {"--out"} | {"--debug"}
    asked = _parser().parse_args(example.split())
    assert asked.what == trainer
    assert not hasattr(asked, "unread")


def test_stages_are_in_the_help_of_those_trainers_that_have_some(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for trainer, names in (
        ("ember", STAGE_NAMES), ("beat", BEAT_STAGE_NAMES), ("sights", SIGHTS_STAGE_NAMES),
        ("projector", PROJECTOR_STAGE_NAMES),
    ):  # fmt: skip
        assert f"one of {', '.join(names)}" in " ".join(_help(capsys, "train", trainer).split())
    assert "--stage" not in _help(capsys, "train", "mapper")


@pytest.mark.parametrize("trainer", TRAINER_NAMES)
def test_an_option_that_a_trainer_does_not_read_is_refused_and_its_readers_are_named(
    capsys: pytest.CaptureFixture[str], trainer: str
) -> None:
    for option in TRAIN_OPTIONS:
        if trainer in option.readers:
            continue
        for words in ((option.flag,), (option.flag, "3"), (f"{option.flag}=3",)):
            assert main(["train", trainer, *words]) == 2
            error = capsys.readouterr().err
            assert error.count("\n") == 1
            said = re.search(rf"leave out {option.flag} \(only (.*) reads? it\)", error)
            assert said, error
            assert tuple(re.split(", | and ", said[1])) == option.readers


def test_an_option_that_no_trainer_has_is_wrong_usage_of_that_trainer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", "beat", "--nonsense"])
    assert stop.value.code == 2
    assert "sonolume train beat: error: no such argument: --nonsense" in capsys.readouterr().err


def test_debug_is_heard_before_and_after_the_trainer() -> None:
    for words in (["--debug", "ember"], ["ember", "--debug"]):
        with pytest.raises(UsageError):
            main(["train", *words])
