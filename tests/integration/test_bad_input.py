"""What users really do: every bad input is one clear line, the right exit code, nothing lost."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from app.cli import main
from engine import commands as cmd
from engine.clock import MonotonicClock
from engine.diffusion.models.null import NullModel
from engine.errors import ModelLoadError
from engine.messages import ControlState, EngineStatus, Phase, Uint8
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from tests.bad_files import BROKEN_PRESETS, SECONDS, write_presets, write_sounds
from tests.real_parts import PULSE_TOOLS, SINK, missing, sound_server

RENDER = ["--model", "null", "--size", "64x64", "--fps", "10", "--seconds", "0.3"]
LIVE = ["live", "--headless", "--json", "--model", "null", "--size", "64x64", "--mute"]
PROGRAM = [sys.executable, "-m", "app"]
WAIT_S = 60.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of sounds, videos and presets, most of them broken."""
    folder = tmp_path_factory.mktemp("files")
    write_sounds(folder)
    write_presets(folder)
    return folder


class Shell:
    """Runs commands in this process as a terminal would."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = ""

    def run(self, *words: object) -> tuple[int, str]:
        """Return exit code and stderr."""
        try:
            code: object = main([str(word) for word in words])
        except SystemExit as stop:
            code = stop.code
        written = self._capsys.readouterr()
        self.out = written.out
        assert isinstance(code, int)
        return code, written.err

    def refusal(self, *words: object, expected: int = 1) -> str:
        """Return the one line with which a command failed."""
        code, err = self.run(*words)
        assert code == expected, err
        lines = err.strip().splitlines()
        assert len(lines) == 1, err
        assert lines[0].startswith("sonolume: ")
        assert len(lines[0]) < 600
        return lines[0]

    def report(self) -> dict[str, object]:
        """Return the JSON object of the last command."""
        parsed: dict[str, object] = json.loads(self.out.strip().splitlines()[-1])
        return parsed


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def frames_in(path: Path) -> int:
    with av.open(str(path)) as movie:
        return sum(1 for _ in movie.decode(video=0))


def all_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# -- sound ----------------------------------------------------------------------------------------

NO_SOUND = [
    ("missing.wav", ["missing.wav", "check the path"]),
    ("folder", ["is a folder", "choose"]),
    ("empty.wav", ["0 bytes", "choose"]),
    ("header.wav", ["20 bytes", "choose"]),
    ("text.wav", ["1800 bytes", "choose"]),
    ("noise.mp3", ["20000 bytes", "choose"]),
    ("cut.mp4", ["bytes", "its end is missing"]),
    ("mute.mp4", ["has no sound track", "choose"]),
    ("slow.wav", ["100", "8000..192000", "convert"]),
    ("fast.wav", ["768000", "8000..192000", "convert"]),
]


@pytest.mark.parametrize(("name", "words"), NO_SOUND, ids=[name for name, _ in NO_SOUND])
def test_a_file_that_is_no_sound_is_refused_by_every_command(
    shell: Shell, files: Path, tmp_path: Path, name: str, words: list[str]
) -> None:
    output, report = tmp_path / "a.mp4", tmp_path / "a.json"
    output.write_bytes(b"precious")
    refusals = [
        shell.refusal("render", files / name, "-o", output, *RENDER),
        shell.refusal("analyze", files / name, "--json", report),
        shell.refusal(*LIVE, "--osc-port", "0", "--source", f"file:{files / name}"),
    ]
    for word in words:
        assert all(word in line for line in refusals), refusals
    assert output.read_bytes() == b"precious"
    assert all_in(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize(
    "name", ["mono_8k.wav", "eight_192k.wav", "silence.wav", "one_sample.wav", "loud.wav"]
)
def test_unusual_sound_is_taken_without_a_word(
    shell: Shell, files: Path, tmp_path: Path, name: str
) -> None:
    code, err = shell.run("render", files / name, "-o", tmp_path / "a.mp4", *RENDER, "--json")
    assert (code, err) == (0, "")
    assert shell.report()["frames"] == (1 if name == "one_sample.wav" else 3)
    code, err = shell.run("analyze", files / name, "--json", tmp_path / "a.json")
    assert (code, err) == (0, "")
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["duration_s"] > 0.0
    if name == "silence.wav":
        assert (found["tempo_bpm"], found["beats_s"], found["onsets_s"]) == (None, [], [])


@pytest.mark.parametrize("name", ["cut.wav", "cut.flac", "cut.mp3"])
def test_a_truncated_file_is_rendered_as_far_as_it_goes_and_says_so(
    shell: Shell, files: Path, tmp_path: Path, name: str
) -> None:
    output = tmp_path / "a.mp4"
    code, err = shell.run("render", files / name, "-o", output, *RENDER, "--seconds", "60")
    assert code == 0
    assert err.startswith(f"sonolume: {name} breaks off: 0.")
    assert "of 1.0 s can be played" in err
    assert 1 <= frames_in(output) < 8 * SECONDS
    code, err = shell.run("analyze", files / name, "--json", tmp_path / "a.json")
    assert code == 0
    assert "breaks off" in err


def test_a_start_behind_the_end_is_refused(shell: Shell, files: Path, tmp_path: Path) -> None:
    words = ("render", files / "good.wav", "-o", tmp_path / "a.mp4", *RENDER, "--start", "5")
    line = shell.refusal(*words)  # how long the sound is, the words alone do not show
    assert "1.0 s long" in line
    assert "5.0 s" in line
    assert all_in(tmp_path) == []


def test_a_start_behind_the_place_where_a_file_breaks_off_is_refused(
    shell: Shell, files: Path, tmp_path: Path
) -> None:
    words = ("render", files / "cut.flac", "-o", tmp_path / "a.mp4", *RENDER, "--start", "0.9")
    line = shell.refusal(*words)
    assert "breaks off" in line
    assert "0.9 s" in line
    assert all_in(tmp_path) == []


@pytest.mark.parametrize("name", ["nan.wav", "only_nan.wav"])
def test_samples_that_are_no_numbers_are_counted_and_harmless(
    shell: Shell, files: Path, tmp_path: Path, name: str
) -> None:
    code, err = shell.run("render", files / name, "-o", tmp_path / "a.mp4", *RENDER, "--json")
    assert code == 0
    assert "samples are not numbers and play as silence" in err
    assert shell.report()["frames"] == 3
    code, err = shell.run("analyze", files / name, "--json", tmp_path / "a.json")
    assert code == 0
    assert "samples are not numbers" in err
    assert "NaN" not in (tmp_path / "a.json").read_text()


# -- numbers --------------------------------------------------------------------------------------

BAD_NUMBERS = [
    ("--size", "63x64", ["63x64", "even", "64..4096", "64x64"]),
    ("--size", "0x0", ["0x0", "64..4096"]),
    ("--size", "20000x64", ["20000x64", "4096x64"]),
    ("--model-size", "100000x100000", ["100000x100000", "64..4096", "--model-size"]),
    ("--model-size", "1x1", ["1x1", "64..4096"]),
    ("--fps", "0", ["--fps 0 ", "1 to 240"]),
    ("--fps", "-5", ["--fps -5 ", "1 to 240"]),
    ("--fps", "nan", ["--fps nan ", "1 to 240"]),
    ("--fps", "inf", ["--fps inf ", "1 to 240"]),
    ("--fps", "100000", ["--fps 100000 ", "1 to 240"]),
    ("--seconds", "0", ["--seconds 0", "more than 0"]),
    ("--seconds", "-1", ["--seconds -1", "more than 0"]),
    ("--seconds", "nan", ["--seconds nan", "more than 0"]),
    ("--seconds", "inf", ["--seconds inf", "leave it out"]),
    ("--seed", "-1", ["seed -1", "0 to 999999"]),
    ("--seed", "99999999999999999999", ["seed", "0 to 999999"]),
]
BAD_RENDER_NUMBERS = [
    ("--ai-fps", "0", ["--ai-fps 0 ", "0.1 to 240"]),
    ("--ai-fps", "-1", ["--ai-fps -1 ", "0.1 to 240"]),
    ("--ai-fps", "nan", ["--ai-fps nan ", "0.1 to 240"]),
    ("--strength", "1.5", ["strength 1.5", "0.02 to 1"]),
    ("--strength", "-0.1", ["strength -0.1", "0.02 to 1"]),
    ("--strength", "nan", ["strength nan", "0.02 to 1"]),
    ("--start", "-1", ["--start -1", "0 s or later"]),
    ("--start", "nan", ["--start nan", "0 s or later"]),
    ("--quality", "-1", ["quality -1", "0 (best) to 51"]),
    ("--quality", "52", ["quality 52", "0 (best) to 51"]),
    ("--threads", "-1", ["--threads -1", "0 (all cores)"]),
    ("--prompt", "", ["prompt 1 of 1 is empty"]),
    ("--prompt", " \t", ["prompt 1 of 1 is empty"]),
    ("--prompt", "word " * 2000, ["10000 characters", "2000"]),
]


@pytest.mark.parametrize(("option", "value", "words"), BAD_NUMBERS + BAD_RENDER_NUMBERS)
def test_a_render_with_a_value_out_of_range_names_figure_and_range(
    shell: Shell, files: Path, tmp_path: Path, option: str, value: str, words: list[str]
) -> None:
    output = tmp_path / "a.mp4"
    output.write_bytes(b"precious")
    words_given = ("render", files / "good.wav", "-o", output, *RENDER, option, value)
    line = shell.refusal(*words_given, expected=2)
    for word in words:
        assert word in line
    assert output.read_bytes() == b"precious"
    assert all_in(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize(("option", "value", "words"), BAD_NUMBERS)
def test_a_show_with_a_value_out_of_range_does_not_begin(
    shell: Shell, option: str, value: str, words: list[str]
) -> None:
    words_given = (*LIVE, "--osc-port", "0", "--source", "tone", option, value)
    line = shell.refusal(*words_given, expected=2)
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    "words",
    [
        ["render"],
        ["render", "demo"],
        ["render", "demo", "-o", "a.mp4", "--size", "big"],
        ["render", "demo", "-o", "a.mp4", "--size", "-64x64"],
        ["render", "demo", "-o", "a.mp4", "--fps", "many"],
        ["render", "demo", "-o", "a.mp4", "--seed", "1.5"],
        ["render", "demo", "-o", "a.mp4", "--dtype", "float64"],
        ["live", "--osc-out", "nowhere"],
        ["models", "burn"],
        ["sing"],
        ["osc", "--nope"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(shell: Shell, words: list[str]) -> None:
    code, err = shell.run(*words)
    assert code == 2
    assert "error: " in err.splitlines()[-1]
    assert err.startswith(f"usage: sonolume {words[0] if words[0] != 'sing' else ''}")
    assert "Traceback" not in err


WRONG_IN_ITSELF = [
    ("live --source radio", "file:PATH"),
    ("live --preset deflaut", "did you mean 'default'"),
    ("live --model embr", "did you mean 'ember'"),
    ("live --listener nobody", "embedded"),
    ("live --fps 0", "1 to 240"),
    ("live --record a.avi", "try a.mp4"),
    ("live --osc-port 70000", "1..65535"),
    ("render demo -o a.avi", "try a.mp4"),
    ("render demo -o a.mp4 --preset deflaut", "did you mean 'default'"),
    ("render demo -o a.mp4 --model embr", "did you mean 'ember'"),
    ("render demo -o a.mp4 --listener nobody", "embedded"),
    ("render demo -o a.mp4 --size 63x64", "try 64x64"),
    ("listen demo --listener nobody", "embedded"),
    ("train ember", "--stage start|"),
    ("train ember --stage nonsense", "there are start"),
    ("train ember --stage flow --budget 0", "more than 0 minutes"),
    ("train ember --stage flow --threads -1", "0 (all cores)"),
    ("train beat --stage pulse --seed -1", "--seed -1"),
    ("train listener", "--data DIR"),
    ("train listener --data DIR --stage flow", "leave out --stage"),
    ("train listener --data DIR --fold 7", "no fold 7"),
    ("bench nonsense", "there are ember"),
    ("bench composer --morph", "belong to ember"),
    ("bench composer --runner onnx", "belongs to ember"),
    ("bench composer --data DIR", "belongs to hearing"),
    ("bench composer --seconds -1", "--seconds -1"),
    ("bench --size 63x64", "try 64x64"),
    ("bench ember --loop 1s", "--loop 1s"),
    ("bench ember --quality --pictures 1", "1 pictures per scene"),
]


@pytest.mark.parametrize(("words", "said"), WRONG_IN_ITSELF, ids=[w for w, _ in WRONG_IN_ITSELF])
def test_what_the_words_alone_show_to_be_wrong_is_one_line_and_exit_code_2(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    given = words.split()
    if given[0] == "live":
        given += [w for option in ("--headless", "--mute", "--seconds 1") for w in option.split()]
        given += [] if "--source" in given else ["--source", "tone"]
        given += [] if "--osc-port" in given else ["--osc-port", "0"]
    assert said in shell.refusal(*given, expected=2)
    assert all_in(tmp_path) == []


NOT_THERE = [
    ("live --source file:gone.wav", "gone.wav"),
    ("live --source tone --preset gone.toml", "gone.toml"),
    ("live --source tone --record gone/a.mp4", "does not exist"),
    ("live --source tone --labels gone.toml", "gone.toml"),
    ("render gone.wav -o a.mp4", "gone.wav"),
    ("render demo -o gone/a.mp4", "gone"),
    ("render demo -o a.mp4 --model .", "no model_index.json"),
    ("analyze gone.wav --json a.json", "gone.wav"),
    ("listen gone.wav", "gone.wav"),
    ("score gone.mp4", "gone.mp4"),
    ("train listener --data gone", "no table of clips"),
]


@pytest.mark.parametrize(("words", "said"), NOT_THERE, ids=[words for words, _ in NOT_THERE])
def test_what_is_not_there_is_one_line_and_exit_code_1(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    given = words.split()
    if given[0] == "live":
        given += ["--headless", "--mute", "--osc-port", "0", "--model", "null", "--seconds", "1"]
    assert said in shell.refusal(*given, expected=1)


# -- prompts, presets, models ---------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["🎉🔥 🧑‍🚀", "ein Bär\nunterm Sternenzelt", "word " * 399])
def test_odd_prompts_are_painted(shell: Shell, files: Path, tmp_path: Path, prompt: str) -> None:
    words = ("render", files / "good.wav", "-o", tmp_path / "a.mp4", *RENDER, "--prompt", prompt)
    assert shell.run(*words)[0] == 0


def test_words_that_ember_does_not_know_are_named_before_the_hour_is_spent(
    shell: Shell, files: Path, tmp_path: Path
) -> None:
    words = ("render", files / "good.wav", "-o", tmp_path / "a.mp4", *RENDER, "--model", "ember",
             "--size", "128x128", "--seconds", "0.2", "--prompt", "a zorblax sunset")  # fmt: skip
    code, err = shell.run(*words)
    assert code == 0
    assert "ember does not know zorblax:" in err
    assert "sunset" not in err


PRESET_WORDS = {
    "no_toml": ["not valid TOML"],
    "nothing": ["name", "is missing"],
    "key": ["nam:", "did you mean 'name'"],
    "param": ["'diffusion/strenght'", "did you mean 'diffusion/strength'"],
    "range": ["'diffusion/strength' is 7", "0.02..1"],
    "kind": ["params.diffusion/strength", "must be a number", "'much'"],
    "number": ["params.diffusion/strength", "finite"],
    "source": ["routes.0.source", "'low.hitt'", "did you mean 'low.hit'"],
    "newer": ["schema_version 9", "newer than 1", "update"],
    "list": ["prompts", "[[prompts]]"],
    "blank": ["prompts.0.text", "is empty"],
    "binary": ["not UTF-8"],
    "folder": ["Is a directory"],
    "absent": ["there is no preset file", "check the path"],
}


@pytest.mark.parametrize("name", [*BROKEN_PRESETS, "binary", "folder", "absent"])
def test_a_broken_preset_names_file_key_and_remedy(
    shell: Shell, files: Path, tmp_path: Path, name: str
) -> None:
    preset = files / f"{name}.toml"
    rendering = ("render", files / "good.wav", "-o", tmp_path / "a.mp4", *RENDER)
    for words in (rendering, (*LIVE, "--osc-port", "0", "--source", "tone")):
        line = shell.refusal(*words, "--preset", preset)
        assert preset.name in line
        for word in PRESET_WORDS[name]:
            assert word in line
    assert all_in(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "nearest"), [("deflaut", "'default'"), ("../default", "'default'"), ("x" * 5000, "")]
)
def test_an_unknown_preset_is_refused_with_the_nearest_name(
    shell: Shell, files: Path, tmp_path: Path, name: str, nearest: str
) -> None:
    words = ("render", files / "good.wav", "-o", tmp_path / "a.mp4", *RENDER, "--preset", name)
    line = shell.refusal(*words, expected=2)
    assert "no preset" in line
    assert nearest in line
    assert "there are default, drift" in line


def test_a_remembered_preset_or_file_that_is_gone_does_not_keep_the_show_from_beginning(
    shell: Shell, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from app.settings import SettingsStore, SourceSettings

    store = SettingsStore()
    store.settings.preset = "gone"
    store.settings.source = SourceSettings(kind="file", path=tmp_path / "gone.wav")
    store.save()
    code, _ = shell.run(*LIVE, "--osc-port", "0", "--seconds", "0.3")
    assert code == 0
    said = [record.getMessage() for record in caplog.records]
    assert any("gone.wav" in line and "instead" in line for line in said)
    assert any("no preset 'gone'" in line for line in said)


@pytest.mark.parametrize("name", ["embr", "/nope", "a/b/c", "../..x", "x" * 3000])
def test_an_unknown_model_is_refused_at_once_without_importing_torch(
    shell: Shell, files: Path, tmp_path: Path, name: str
) -> None:
    before = "torch" in sys.modules
    for words in (
        ("render", files / "good.wav", "-o", tmp_path / "a.mp4", *RENDER),
        (*LIVE, "--osc-port", "0", "--source", "tone"),
    ):
        line = shell.refusal(*words, "--model", name, expected=2)
        assert f"no model {name[:100]!r}"[:60] in line
        assert "models list" in line
        if name == "embr":
            assert "did you mean 'ember'" in line
    assert ("torch" in sys.modules) is before


def test_a_folder_or_a_file_that_is_no_checkpoint_is_refused(
    shell: Shell, files: Path, tmp_path: Path
) -> None:
    words = ("render", files / "good.wav", "-o", tmp_path / "a.mp4", *RENDER, "--model")
    assert "no model_index.json" in shell.refusal(*words, files)
    assert "is a file: give the folder" in shell.refusal(*words, files / "good.wav")


def test_a_hub_id_without_network_is_refused(shell: Shell, files: Path, tmp_path: Path) -> None:
    words = ("render", files / "good.wav", "-o", tmp_path / "a.mp4", *RENDER)
    line = shell.refusal(*words, "--model", "someone/some-model")
    assert (
        "someone/some-model is not on this machine: fetch it with `sonolume models fetch" in line
    )
    assert "network" in line
    assert all_in(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text.wav", ["is no picture", "PNG"]),
        ("empty.wav", ["is no picture", "PNG"]),
        ("folder", ["cannot be read", "PNG"]),
        ("missing.png", ["cannot be read", "PNG"]),
    ],
)
def test_an_init_image_that_is_no_picture_is_refused(
    shell: Shell, files: Path, tmp_path: Path, name: str, words: list[str]
) -> None:
    rendering = ("render", files / "good.wav", "-o", tmp_path / "a.mp4", *RENDER)
    line = shell.refusal(*rendering, "--init-image", files / name)
    for word in (name, *words):
        assert word in line
    assert all_in(tmp_path) == []


# -- outputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no/such/a.mp4", ["does not exist", "create it"]),
        ("a.avi", [".mp4", "try a.mp4"]),
        ("a", [".mp4", "try a.mp4"]),
        ("folder.mp4", ["folder"]),
        ("x" * 300 + ".mp4", ["too long", "shorter"]),
        ("a.txt/a.mp4", ["is not a folder"]),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    shell: Shell, files: Path, tmp_path: Path, name: str, words: list[str]
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "a.txt").write_text("mine")
    before = all_in(tmp_path)
    code = 2 if ".mp4" in words else 1  # what the name shows; the rest the disk says
    rendering = ("render", files / "good.wav", "-o", tmp_path / name, *RENDER)
    line = shell.refusal(*rendering, expected=code)
    for word in words:
        assert word in line
    assert all_in(tmp_path) == before


def test_a_render_never_overwrites_the_sound_it_is_made_of(shell: Shell, tmp_path: Path) -> None:
    track = tmp_path / "track.mp4"
    assert shell.run("render", "demo", "-o", track, *RENDER)[0] == 0
    before = track.read_bytes()
    same = tmp_path / "." / "track.mp4"
    line = shell.refusal("render", track, "-o", same, *RENDER, expected=2)
    assert "would be lost" in line
    assert track.read_bytes() == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(
    shell: Shell, files: Path, tmp_path: Path
) -> None:  # pragma: no cover - the tests mostly run as root
    tmp_path.chmod(0o500)
    line = shell.refusal("render", files / "good.wav", "-o", tmp_path / "a.mp4", *RENDER)
    assert "no permission" in line


def test_an_analysis_that_cannot_be_written_is_refused_and_keeps_what_was_there(
    shell: Shell, files: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text("precious")
    analyze = ("analyze", files / "good.wav", "--json")
    assert "does not exist" in shell.refusal(*analyze, tmp_path / "no" / "a.json")
    assert "folder" in shell.refusal(*analyze, tmp_path)
    line = shell.refusal(*analyze, tmp_path / "b.json", "--features", tmp_path / "no" / "a.npz")
    assert "a.npz" in line
    assert (tmp_path / "a.json").read_text() == "precious"


def test_a_model_that_fails_while_painting_is_one_line_and_spares_an_older_video(
    shell: Shell, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: NullModel, control: object, dt_s: float) -> None:
        raise ModelLoadError("the GPU has 0.1 GB left: choose a smaller size")

    monkeypatch.setattr(NullModel, "generate", fail)
    output = tmp_path / "a.mp4"
    output.write_bytes(b"precious")
    line = shell.refusal("render", files / "good.wav", "-o", output, *RENDER)
    assert "0.1 GB" in line
    assert output.read_bytes() == b"precious"
    assert all_in(tmp_path) == ["a.mp4"]


def test_a_model_that_fails_later_leaves_what_was_rendered_to_go_on_from(
    shell: Shell, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint, painted = NullModel.generate, itertools.count()

    def fail_late(self: NullModel, control: ControlState, dt_s: float) -> Uint8:
        if next(painted) == 10:
            raise ModelLoadError("the GPU has 0.1 GB left: close another program")
        return paint(self, control, dt_s)

    monkeypatch.setattr(NullModel, "generate", fail_late)
    words = ("render", "demo", "-o", tmp_path / "a.mp4", *RENDER, "--fps", "2", "--seconds", "6")
    assert shell.refusal(*words).endswith("close another program; then go on with --resume")
    code, err = shell.run(*words, "--resume", "--json")
    assert (code, err) == (0, "")
    assert shell.report()["resumed_frames"] == 8
    assert frames_in(tmp_path / "a.mp4") == 12


def test_a_defect_is_one_line_too_and_only_debug_shows_the_trace(
    shell: Shell, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: NullModel, control: object, dt_s: float) -> None:
        raise RuntimeError("a tensor\nof many lines")

    monkeypatch.setattr(NullModel, "generate", fail)
    words = ("render", files / "good.wav", "-o", tmp_path / "a.mp4", *RENDER)
    assert "RuntimeError: a tensor; please report" in shell.refusal(*words)
    with pytest.raises(RuntimeError, match="a tensor"):
        shell.run(*words, "--debug")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.mp4", ["does not exist"]),
        ("folder", ["is a folder"]),
        ("text.wav", ["cannot be read"]),
        ("mute.mp4", ["no sound", "--audio"]),
        ("good.wav", ["no pictures"]),
    ],
)
def test_a_video_that_cannot_be_scored_is_refused(
    shell: Shell, files: Path, name: str, words: list[str]
) -> None:
    line = shell.refusal("score", files / name)
    for word in (name, *words):
        assert word in line


def test_output_into_a_closed_pipe_or_a_full_disk_ends_quietly() -> None:
    piped = "exec 3>&1; { %s osc; echo $? >&3; } | head -n 1 >/dev/null"
    program = " ".join(PROGRAM)
    done = subprocess.run(
        ["sh", "-c", piped % program], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    if not Path("/dev/full").exists():
        return
    done = subprocess.run(
        ["sh", "-c", f"{program} osc > /dev/full"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("sonolume: the output cannot be written: ")
    assert len(done.stderr.splitlines()) == 1


# -- full disk ------------------------------------------------------------------------------------


class SmallDisk:
    """A file system of its own in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def resize(self, kilobytes: int) -> None:
        """Make it larger."""
        command = ["mount", "-o", f"remount,size={kilobytes}k", str(self.path)]
        subprocess.run(command, check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(path)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small disk: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_ends_a_render_with_one_line_and_it_can_go_on_later(
    shell: Shell, small_disk: SmallDisk
) -> None:
    output = small_disk.path / "a.mp4"
    output.write_bytes(b"precious")
    words = ("render", "demo", "-o", output, *RENDER, "--seconds", "24", "--fps", "2",
             "--size", "128x128", "--quality", "4")  # fmt: skip
    line = shell.refusal(*words)
    assert "the disk is full" in line
    assert "--resume" in line
    assert output.read_bytes() == b"precious"
    small_disk.resize(16_384)
    code, err = shell.run(*words, "--resume", "--json")
    assert code == 0, err
    report = shell.report()
    assert report["frames"] == frames_in(output) == 48
    assert report["resumed_frames"] in range(8, 48)
    assert all_in(small_disk.path) == ["a.mp4"]


def test_a_full_disk_spares_an_older_analysis(
    shell: Shell, files: Path, small_disk: SmallDisk
) -> None:
    report = small_disk.path / "a.json"
    report.write_text("precious")
    (small_disk.path / "ballast").write_bytes(bytes(594 * 1024))
    features = small_disk.path / "a.npz"
    line = shell.refusal("analyze", files / "good.wav", "--json", report, "--features", features)
    assert "the disk is full" in line
    assert all_in(small_disk.path) == ["a.json", "ballast"]


def test_a_full_disk_ends_a_recording_and_not_the_show(
    shell: Shell, small_disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    record = small_disk.path / "show.mp4"
    (small_disk.path / "ballast").write_bytes(bytes(500 * 1024))
    code, err = shell.run(
        *LIVE, "--osc-port", "0", "--source", "demo", "--size", "256x256", "--fps", "20",
        "--seconds", "4", "--record", record,
    )  # fmt: skip
    assert code == 1  # the film that was asked for is not whole
    said = [*err.splitlines(), *(record.getMessage() for record in caplog.records)]
    assert sum("the disk is full" in line for line in said) == 1
    assert len(said) == 1
    report = shell.report()
    assert "the disk is full" in str(report["message"])
    assert isinstance(report["frames"], int)
    assert report["frames"] > 5
    assert record.stat().st_size > 10_000


@pytest.mark.skipif(os.name != "posix", reason="needs ulimit")
def test_a_file_that_may_not_grow_ends_a_render_with_one_line(tmp_path: Path) -> None:
    words = ["render", "demo", "-o", str(tmp_path / "a.mp4"), *RENDER,
             "--seconds", "3", "--size", "128x128", "--quality", "0"]  # fmt: skip
    limited = f'ulimit -f 32; exec {" ".join(PROGRAM)} "$@"'
    done = subprocess.run(
        ["sh", "-c", limited, "sh", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "cannot write" in done.stderr
    assert not (tmp_path / "a.mp4").exists()


# -- the show goes on -----------------------------------------------------------------------------


def test_a_recording_that_cannot_be_made_is_refused_before_the_show(
    shell: Shell, tmp_path: Path
) -> None:
    words = (*LIVE, "--osc-port", "0", "--source", "tone", "--seconds", "0.3", "--record")
    assert "does not exist" in shell.refusal(*words, tmp_path / "no" / "a.mp4")
    assert "try a.mp4" in shell.refusal(*words, tmp_path / "a.avi", expected=2)
    assert all_in(tmp_path) == []


def test_an_osc_port_or_host_that_cannot_be_had_is_refused(shell: Shell) -> None:
    words = (*LIVE, "--source", "tone", "--seconds", "0.3")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        line = shell.refusal(*words, "--osc-port", port)
    assert f"OSC port {port} is in use" in line
    assert "--osc-port" in line
    assert "1..65535" in shell.refusal(*words, "--osc-port", "70000", expected=2)
    assert "127.0.0.1" in shell.refusal(*words, "--osc-port", "9555", "--osc-host", "no.invalid")
    line = shell.refusal(*words, "--osc-port", "0", "--osc-out", "no.invalid:9000")
    assert "no.invalid" in line


def test_a_usual_osc_port_that_is_taken_does_not_cost_the_show(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr("engine.control.osc.DEFAULT_PORT", taken.getsockname()[1])
        code, _ = shell.run(*LIVE, "--source", "tone", "--seconds", "0.5")
    assert code == 0
    assert "in use" in caplog.text
    assert "playing without OSC" in caplog.text
    caplog.clear()


def test_a_model_that_cannot_be_opened_is_told_and_fails_where_nobody_sees_the_window(
    shell: Shell, tmp_path: Path
) -> None:
    words = [*LIVE, "--osc-port", "0", "--source", "tone", "--seconds", "8"]
    words[words.index("null")] = str(tmp_path)
    code, err = shell.run(*words)
    assert code == 1
    assert "no model_index.json" in err


def test_an_unknown_source_is_refused_with_the_choices(shell: Shell) -> None:
    line = shell.refusal(*LIVE, "--osc-port", "0", "--source", "radio", expected=2)
    assert "mic, loopback, demo, tone or file:PATH" in line


def test_a_microphone_that_never_came_is_said_and_the_show_goes_on_until_its_end(
    shell: Shell,
) -> None:
    code, err = shell.run(
        *LIVE, "--osc-port", "0", "--source", "mic", "--device", "Nope 3000", "--seconds", "1"
    )
    assert code == 1
    report = shell.report()
    assert "there is no sound input" in str(report["message"])
    assert f"sonolume: {report['message']}" in err
    assert isinstance(report["frames"], int)
    assert report["frames"] > 5


@pytest.fixture
def show() -> Iterator[Engine]:
    """A running show that listens to a tone."""
    config = EngineConfig(
        cmd.SourceChoice("tone"), model="null", width=64, height=64, fps=60.0, audible=False
    )
    engine = Engine(config)
    engine.start()
    yield engine
    engine.close()


def until(engine: Engine, condition: Callable[[EngineStatus], bool]) -> EngineStatus:
    clock, pause = MonotonicClock(), threading.Event()
    end_s = clock.now() + WAIT_S
    while clock.now() < end_s:
        status = engine.status()
        if condition(status):
            return status
        pause.wait(0.01)
    pytest.fail(f"never happened; last status: {engine.status()}")


BAD_COMMANDS: list[tuple[Callable[[Path], cmd.Command], str]] = [
    (lambda files: cmd.LoadPreset(str(files / "range.toml")), "'diffusion/strength' is 7"),
    (lambda files: cmd.LoadPreset("nope"), "no preset 'nope'"),
    (lambda files: cmd.SelectModel("embr"), "did you mean 'ember'"),
    (lambda files: cmd.SelectModel(str(files)), "no model_index.json"),
    (lambda files: cmd.SelectSource(cmd.SourceChoice("file", path=files / "gone.wav")), "gone"),
    (lambda files: cmd.SelectSource(cmd.SourceChoice("file", path=files / "text.wav")), "text"),
    (lambda files: cmd.SelectSource(cmd.SourceChoice("file", path=files / "slow.wav")), "8000"),
    (lambda files: cmd.SelectSource(cmd.SourceChoice("file")), "no file was named"),
    (lambda files: cmd.SelectSource(cmd.SourceChoice("mic", "Nope 3000")), "no sound input"),
    (lambda files: cmd.StartRecording(files / "no" / "a.mp4"), "does not exist"),
    (lambda files: cmd.StartRecording(files / "a.avi"), "try a.mp4"),
    (lambda files: cmd.StartRecording(files / "folder.toml"), "must end in"),
    (lambda files: cmd.SetParam("diffusion/strenght", 0.4), "did you mean"),
    (lambda files: cmd.SetParam("diffusion/strength", float("nan")), "cannot be nan"),
    (lambda files: cmd.SetPrompt("  "), "the prompt is empty"),
]


@pytest.mark.parametrize(
    ("command", "words"), BAD_COMMANDS, ids=[words for _, words in BAD_COMMANDS]
)
def test_a_bad_command_is_a_message_and_frames_keep_flowing(
    show: Engine,
    files: Path,
    command: Callable[[Path], cmd.Command],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    show.post(command(files))
    status = until(show, lambda s: words in s.message)
    assert "\n" not in status.message
    later = until(show, lambda s: s.frames > status.frames + 5 and s.pictures > status.pictures)
    assert later.phase is Phase.RUNNING
    assert later.model == "null"
    assert later.preset == "default"


def test_a_video_folder_that_cannot_be_made_is_a_message(
    show: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").write_text("in the way")
    name = tmp_path / "file" / "Sonolume" / "a.mp4"
    monkeypatch.setattr("engine.runtime.recordings.recording_path", lambda: name)
    show.post(cmd.StartRecording())
    status = until(show, lambda s: "cannot record to" in s.message)
    until(show, lambda s: s.frames > status.frames + 5)


def test_a_damaged_file_plays_on_and_is_said(show: Engine, files: Path) -> None:
    show.post(cmd.SelectSource(cmd.SourceChoice("file", path=files / "cut.flac")))
    status = until(show, lambda s: "breaks off" in s.message)
    until(show, lambda s: s.frames > status.frames + 5)


@pytest.mark.real
@pytest.mark.skipif(bool(missing(PULSE_TOOLS)), reason="needs PulseAudio")
def test_a_microphone_that_vanishes_is_said_the_show_goes_on_and_it_is_heard_again(
    tmp_path: Path,
) -> None:
    words = ["--osc-port", "0", "--source", "mic", "--announce", "--seconds", "10"]
    with sound_server(tmp_path) as environment:
        running = subprocess.Popen(
            [*PROGRAM, *LIVE, *words], env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert running.stdout is not None
            assert running.stderr is not None
            assert "first_picture" in running.stdout.readline()
            pactl(environment, "unload-module", "module-null-sink")
            said = next(line for line in running.stderr if line.startswith("sonolume: "))
            assert "is gone" in said or "stopped sending sound" in said
            pactl(environment, "load-module", "module-null-sink", f"sink_name={SINK}")
            out, _ = running.communicate()
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGKILL)
                running.communicate()
    assert running.returncode == 0
    report = json.loads(out.strip().splitlines()[-1])
    assert report["message"] == ""
    assert report["frames"] > 50
    assert report["longest_gap_ms"] < 2000.0


def pactl(environment: dict[str, str], *words: str) -> None:
    subprocess.run(["pactl", *words], env=environment, check=True, capture_output=True)
