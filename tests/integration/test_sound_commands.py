"""`sonolume image` and `sonolume audio2video`, and exports that are led by sound."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile

from app.cli import main
from engine.audio.decode import SoundReader
from engine.errors import PresetError
from engine.export import ExportSettings, render
from engine.export.heard_sound import HeardSound, SlicedSound
from engine.export.settings import SliceChoice
from engine.export.sound_look import read_prompt_file, slices_look, sound_params
from engine.export.sound_picture import loudest_s
from engine.synthesis.sounds.catalogue import SOUNDS
from tests.states import control

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

RATE_HZ = 44_100


def write(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def rain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = SOUNDS["rain"](np.random.default_rng(3), 3.0)
    return write(tmp_path_factory.mktemp("rain") / "rain.wav", made)


@pytest.fixture(scope="module")
def two_tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One and a quarter seconds: a low tone, then hiss."""
    rng = np.random.default_rng(1)
    t = np.arange(RATE_HZ * 5 // 8) / RATE_HZ
    hiss = 0.3 * rng.standard_normal(len(t) + 1)
    made = np.concatenate([0.4 * np.sin(2 * np.pi * 110 * t), hiss])
    return write(tmp_path_factory.mktemp("tones") / "tones.wav", made)


def image(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, object]]:
    code = main(["image", *map(str, words), "--size", "128x128", "--threads", "1", "--json"])
    out = capsys.readouterr().out.strip()
    return code, json.loads(out.splitlines()[-1]) if out else {}


def pixels(path: Path) -> np.ndarray:
    found = cv2.imread(str(path))
    assert found is not None, path
    return found.astype(int)


def movie(path: Path) -> np.ndarray:
    with av.open(str(path)) as file:
        return np.stack([f.to_ndarray(format="rgb24") for f in file.decode(video=0)]).astype(int)


def test_rain_is_heard_as_rain_and_painted(rain: Path, tmp_path: Path, capsys) -> None:
    code, report = image(capsys, rain, "-o", tmp_path / "a.png")
    assert code == 0
    assert report["heard"] == "rain"
    assert report["prompt"] == "rain drops on a window"
    assert pixels(tmp_path / "a.png").shape == (128, 128, 3)


@pytest.mark.parametrize("encoding", ["waveform", "fft", "mel", "mfcc"])
def test_raw_encodings_paint_and_are_the_same_twice(
    rain: Path, tmp_path: Path, capsys, encoding: str
) -> None:
    for name in ("a", "b"):
        code, report = image(capsys, rain, "-o", tmp_path / f"{name}.png", "--encoding", encoding)
        assert (code, report["encoding"], report["mix"]) == (0, encoding, 1.0)
    one, two = pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png")
    assert np.array_equal(one, two)
    assert one.std() > 10.0


def test_prompt_mix_and_bend_change_the_picture(tmp_path: Path, capsys) -> None:
    bells = write(tmp_path / "bells.wav", SOUNDS["bells"](np.random.default_rng(1), 3.0))
    made = {}
    for name, more in {
        "sound": (),
        "both": ("--prompt", "a red castle"),
        "words": ("--prompt", "a red castle", "--mix", "0"),
        "bent": ("--bend", "2"),
    }.items():
        image(capsys, bells, "-o", tmp_path / "p.png", "--encoding", "mel", *more)
        made[name] = pixels(tmp_path / "p.png")
    names = list(made)
    for k, one in enumerate(names):
        for two in names[k + 1 :]:
            assert np.abs(made[one] - made[two]).mean() > 0.5, (one, two)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("projector", "--scale", "raw"), "--scale raw changes nothing: it is for waveform, fft"),
        (("projector", "--bend", "1"), "--bend 1 changes nothing: it is for waveform, fft, mel, "
         "mfcc, mapper, and a projector whose rows are a prompt"),
        (("semantic", "--bend", "1"), "--bend 1 changes nothing"),
        (("semantic", "--scale", "raw"), "--scale raw changes nothing"),
        (("semantic", "--mix", "0.4"), "--mix 0.4 changes nothing: there is no --prompt"),
        (("mel", "--listener", "descriptors"), "--listener changes nothing"),
        (("mapper", "--bend", "1"), ""),
        (("mel", "--bend", "1", "--scale", "raw", "--mix", "0.4"), ""),
        (("semantic", "--mix", "0.4", "--prompt", "a red castle"), ""),
    ],
)  # fmt: skip
def test_an_option_that_nothing_reads_is_said_and_one_that_is_read_is_not(
    rain: Path, tmp_path: Path, capsys, words: tuple[str, ...], said: str
) -> None:
    encoding, *more = words
    made = []
    for name, asked in (("plain", more[2:] if "--prompt" in more else ()), ("asked", more)):
        path = tmp_path / f"{name}.png"
        code, report = image(capsys, rain, "-o", path, "--encoding", encoding, *asked)
        assert code == 0
        made.append(pixels(path))
    notice = str(report["notice"])
    assert (said in notice) if said else notice == ""
    assert np.array_equal(*made) == bool(said)
    assert (report["scale"] is None) == (encoding != "mel")


def test_a_video_says_once_what_nothing_reads(two_tones: Path, tmp_path: Path, capsys) -> None:
    asked = ("--encoding", "projector", "--bend", "1", "--scale", "raw", "--seconds", "0.5")
    words = ["--path", str(two_tones), "-o", str(tmp_path / "a.mp4"), "--size", "128x128",
             "--fps", "8", "--threads", "1", *asked]  # fmt: skip
    assert main(["audio2video", *words]) == 0
    error = capsys.readouterr().err
    assert error.count("changes nothing") == 2
    assert error.count("--bend 1 changes nothing") == error.count("--scale raw changes") == 1


def test_a_render_says_what_its_preset_wants_of_sound_and_nothing_reads(
    two_tones: Path, tmp_path: Path
) -> None:
    look = slices_look(((0.0, "a sunset over the sea"),), {"sound/mix": 1.0}, "fixed")
    said: dict[str, list[str]] = {}
    for name, params in (
        ("bent", {"sound/bend": 1.0}), ("normed", {"sound/norm": 90.0}), ("mute", {}),
    ):  # fmt: skip
        preset = look.model_copy(update={"params": look.params | params})
        settings = ExportSettings(
            two_tones, tmp_path / f"{name}.mp4", look=preset, width=128, height=128, fps=8.0,
            seconds=0.5, threads=1,
        )  # fmt: skip
        lines = said[name] = []
        render(settings, say=lines.append)
    assert [line.split(":")[0] for line in said["bent"]] == ["sound/bend 1 changes nothing"]
    assert (said["normed"], said["mute"]) == ([], [])


def test_an_init_image_shows_through(rain: Path, tmp_path: Path, capsys) -> None:
    start = tmp_path / "red.png"
    cv2.imwrite(str(start), np.full((128, 128, 3), (20, 20, 220), np.uint8))
    more = ("--encoding", "mel", "--init-image", start, "--strength", "0.2")
    image(capsys, rain, "-o", tmp_path / "a.png", *more)
    found = pixels(tmp_path / "a.png").mean(axis=(0, 1))
    assert found[2] > 120.0
    assert found[:2].max() < 100.0


def test_silence_is_painted_from_the_prompt_alone_and_says_so(tmp_path: Path, capsys) -> None:
    silent = write(tmp_path / "silent.wav", np.zeros(RATE_HZ))
    code = main(
        ["image", str(silent), "-o", str(tmp_path / "a.png"), "--encoding", "mel", "--prompt",
         "a red castle", "--size", "128x128"]
    )  # fmt: skip
    said = capsys.readouterr().err
    assert code == 0
    assert "silent at 0.0 s: the picture is painted from the prompt alone" in said


@pytest.mark.parametrize("encoding", ["semantic", "fft"])
def test_strange_files_are_painted(tmp_path: Path, capsys, encoding: str) -> None:
    rng = np.random.default_rng(2)
    short = write(tmp_path / "short.wav", 0.3 * rng.standard_normal(300))
    telephone = write(tmp_path / "phone.wav", 0.3 * rng.standard_normal(8_000), 8_000)
    broken = 0.3 * rng.standard_normal(RATE_HZ)
    broken[::7] = np.nan
    holes = write(tmp_path / "holes.wav", broken)
    for path in (short, telephone, holes):
        code, report = image(capsys, path, "-o", tmp_path / "a.png", "--encoding", encoding)
        assert code == 0, path
        assert np.isfinite(report["mix"])
    assert "not numbers" in report["notice"]


def test_the_loudest_window_of_a_long_file_is_found(tmp_path: Path) -> None:
    samples = np.zeros(600 * 8_000, np.float32)
    samples[412 * 8_000 : 414 * 8_000] = 0.5
    samples[100 * 8_000 : 102 * 8_000] = 0.3
    with SoundReader(write(tmp_path / "long.wav", samples, 8_000)) as reader:
        first, second = loudest_s(reader, 1.5, 2)[:2]
        assert 411.9 <= first <= 412.6
        assert 0.7 <= abs(second - first) <= 1.5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--encoding", "fft", "--checkpoint", "x.safetensors"), 2, "leave it out"),
        (("--checkpoint", "x.safetensors"), 2, "semantic has none"),
        (("--encoding", "mapper", "--checkpoint", "no.safetensors"), 1, "no.safetensors"),
        (("--strength", "0.4"), 2, "give one"),
        (("--mix", "3"), 2, "--mix 3 is outside 0 to 1"),
        (("--start", "99"), 1, "give an earlier --start"),
    ],
)
def test_what_cannot_be_is_one_line(
    rain: Path, tmp_path: Path, capsys, words: tuple[str, ...], code: int, said: str
) -> None:
    found = main(["image", str(rain), "-o", str(tmp_path / "a.png"), *words])
    error = capsys.readouterr().err.strip()
    assert (found, said in error, "\n" in error) == (code, True, False), error
    assert not (tmp_path / "a.png").exists()


def video(capsys: pytest.CaptureFixture[str], path: Path, output: Path, *words: object) -> dict:
    code = main(
        ["audio2video", "--path", str(path), "-o", str(output), "--size", "128x128",
         "--fps", "8", "--strength", "0.5", "--threads", "1", "--json", *map(str, words)]
    )  # fmt: skip
    assert code == 0
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_a_video_of_slices_keeps_the_fraction_of_a_second_and_the_sound(
    two_tones: Path, tmp_path: Path, capsys
) -> None:
    report = video(capsys, two_tones, tmp_path / "a.mp4")
    assert report["frames"] == 10  # 1.25 s at 8; floor(1.25) * 8 would be 8
    assert report["finished"]
    assert abs(report["audio_offset_ms"]) < 1.0
    frames = movie(tmp_path / "a.mp4")
    low, hiss = frames[3:5].mean(axis=0), frames[8:].mean(axis=0)
    assert np.abs(low - hiss).mean() > 2.0 * np.abs(frames[3] - frames[4]).mean()


def test_the_same_command_paints_the_same_video_and_every_option_another(
    two_tones: Path, tmp_path: Path, capsys
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("# the show\n00:00:a red castle\n\n00:01:a blue sea\n")
    made = {}
    for name, more in {
        "once": (),
        "again": (),
        "seeds": ("--seed-policy", "per-slice"),
        "walk": ("--seed-policy", "walk"),
        "overlap": ("--overlap", "2"),
        "slices": ("--slices", "3"),
        "raw": ("--scale", "raw"),
        "text": ("--textprompt", "a red castle"),
        "text end": ("--textprompt", "a red castle", "--textpromptend", "a blue sea"),
        "file": ("--prompt-file", prompts),
    }.items():
        video(capsys, two_tones, tmp_path / "a.mp4", "--seconds", "0.75", *more)
        made[name] = movie(tmp_path / "a.mp4")
    assert np.array_equal(made.pop("again"), made["once"])
    names = list(made)
    for k, one in enumerate(names):
        for two in names[k + 1 :]:
            assert np.abs(made[one] - made[two]).mean() > 0.05, (one, two)


def test_an_export_is_led_by_the_sound_that_was_heard(two_tones: Path, tmp_path: Path) -> None:
    made = {}
    for name, mix in (("none", 0.0), ("all", 1.0), ("again", 1.0)):
        look = slices_look(
            ((0.0, "a sunset over the sea"),), sound_params("mel", "manifold", mix, 0.0), "fixed"
        )
        settings = ExportSettings(
            two_tones, tmp_path / f"{name}.mp4", look=look, width=128, height=128, fps=8.0,
            threads=1,
        )  # fmt: skip
        render(settings)
        made[name] = movie(settings.output)
    assert np.array_equal(made["all"], made["again"])
    assert np.abs(made["all"] - made["none"]).mean() > 5.0


def test_heard_sound_is_the_window_before_the_pictures_own_sample() -> None:
    heard = HeardSound(48_000)
    for start in range(0, 96_000, 2_000):
        block = np.arange(start, start + 2_000, dtype=np.float32)
        heard.add(np.stack([block, block], axis=1))
    state = control(1.5)  # sample 72 000
    ((moment, _),) = heard.sound_at(state, 0.25, 0.0)
    np.testing.assert_array_equal(moment.samples, np.arange(60_000, 72_000))


def test_slices_are_read_in_order_out_of_order_and_beyond_the_end(tmp_path: Path) -> None:
    samples = (np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    path = write(tmp_path / "ramp.wav", samples)
    now = [0.0]
    sliced = SlicedSound(path, SliceChoice(10.0), 0.0, lambda: now[0])
    for index in (0, 1, 2, 9, 4, 5):
        now[0] = index / 10.0
        ((moment, share),) = sliced.sound_at(control(), 1.0, 0.0)
        inner = moment.samples[moment.margin : -moment.margin]
        assert share == 1.0
        np.testing.assert_array_equal(inner, samples[index * 4_410 : (index + 1) * 4_410])
        before = samples[max(0, index * 4_410 - moment.margin) : index * 4_410]
        np.testing.assert_array_equal(
            moment.samples[moment.margin - len(before) : moment.margin], before
        )
    now[0] = 0.45
    (one, two) = sliced.sound_at(control(), 1.0, 0.0)
    assert one[0] is moment or two[0] is moment  # known already
    sliced.close()


def test_prompt_files_say_which_line_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("00:00:one\n02:03.5:two: with a colon\n")
    assert read_prompt_file(path) == ((0.0, "one"), (123.5, "two: with a colon"))
    for text, said in (
        ("00:00:one\n00:61:two", "line 2"),
        ("00:05:one\n00:05:two", "not later"),
        ("hello", "mm:ss:prompt"),
        ("# nothing\n", "no line"),
    ):
        path.write_text(text)
        with pytest.raises(PresetError, match=said):
            read_prompt_file(path)


def test_prompts_over_time_arrive_at_their_marks() -> None:
    look = slices_look(((1.0, "a"), (3.0, "b"), (900.0, "c")), {}, "fixed")
    one, two, three = look.prompts
    assert one.hold_s + one.transition_s == pytest.approx(3.0, abs=0.01)
    assert one.hold_s == pytest.approx(1.0, abs=0.01)
    assert two.hold_s + two.transition_s == pytest.approx(897.0, abs=0.01)
    assert three.text == "c"
