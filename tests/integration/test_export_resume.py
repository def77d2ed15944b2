from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from engine.diffusion.models.null import NullModel
from engine.errors import ResumeError, SinkError
from engine.export import ExportProgress, ExportReport, ExportSettings, render, resumable
from engine.export.segments import Segments
from engine.messages import ControlState, Float32, Uint8

RATE_HZ = 44_100
FPS = 12.0
SEGMENT_FRAMES = 48
TOTAL = 120  # two segments and a half


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of noise with a thump every half second, loud and then soft."""
    rng = np.random.default_rng(5)
    samples = 0.02 * rng.standard_normal((RATE_HZ * 10, 2))
    thump = np.sin(np.arange(4000) * 2 * np.pi * 70 / RATE_HZ) * np.exp(-np.arange(4000) / 900)
    for start in range(0, len(samples) - 4000, RATE_HZ // 2):
        samples[start : start + 4000] += 0.8 * thump[:, None] * (1.0 - 0.05 * start / RATE_HZ)
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, samples, RATE_HZ)
    return path


@pytest.fixture(scope="module")
def whole(song: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The video of a render that was never interrupted."""
    path = tmp_path_factory.mktemp("whole") / "whole.mp4"
    assert render(settings(song, path)).frames == TOTAL
    return path


def settings(song: Path, output: Path, **changes: object) -> ExportSettings:
    # Fewer pictures than frames: a picture is then carried over the interruption.
    named = {"model": "null", "width": 64, "height": 64, "fps": FPS, "ai_fps": 5.0} | changes
    return ExportSettings(song, output, **named)  # type: ignore[arg-type]


def interrupted(wanted: ExportSettings, at: int, *, resume: bool = False) -> ExportReport:
    stop = threading.Event()

    def interrupt(progress: ExportProgress) -> None:
        if progress.frames_done == at:
            stop.set()

    report = render(wanted, progress=interrupt, stop=stop, resume=resume)
    assert not report.finished
    assert report.frames == at
    return report


def pictures(path: Path) -> Uint8:
    with av.open(str(path)) as movie:
        return np.stack([frame.to_ndarray(format="yuv420p") for frame in movie.decode(video=0)])


def sound(path: Path) -> Float32:
    with av.open(str(path)) as movie:
        return np.concatenate([frame.to_ndarray() for frame in movie.decode(audio=0)], axis=1)


def durations_s(path: Path) -> list[float]:
    with av.open(str(path)) as movie:
        return [
            float(s.duration * s.time_base) for s in (*movie.streams.video, *movie.streams.audio)
        ]


def assert_same_video(path: Path, whole: Path) -> None:
    assert np.array_equal(pictures(path), pictures(whole))
    assert np.array_equal(sound(path), sound(whole))
    assert durations_s(path) == pytest.approx(durations_s(whole), abs=1e-6)
    with av.open(str(path)) as movie:
        stamps = [float(frame.time) for frame in movie.decode(video=0)]  # type: ignore[arg-type]
    assert stamps == pytest.approx([k / FPS for k in range(TOTAL)], abs=1e-3)


@pytest.mark.parametrize("at", [1, 30, SEGMENT_FRAMES - 1, SEGMENT_FRAMES, 77, TOTAL - 1])
def test_an_interrupted_render_goes_on_and_nobody_can_tell(
    song: Path, whole: Path, tmp_path: Path, at: int
) -> None:
    wanted = settings(song, tmp_path / "a.mp4")
    part = interrupted(wanted, at)
    assert len(pictures(part.path)) == at
    assert np.array_equal(pictures(part.path)[: at // 48 * 48], pictures(whole)[: at // 48 * 48])
    report = render(wanted, resume=True)
    assert report.finished
    assert report.resumed_frames == at  # nothing was made twice
    assert report.frames == TOTAL
    assert abs(report.audio_offset_ms or 9.0) < 1.0 or report.audio_offset_ms == 0.0
    assert_same_video(wanted.output, whole)
    assert sorted(tmp_path.iterdir()) == [wanted.output]


def test_a_render_may_be_interrupted_again_and_again(
    song: Path, whole: Path, tmp_path: Path
) -> None:
    wanted = settings(song, tmp_path / "a.mp4")
    for at in (10, 11, 60, 100):
        part = interrupted(wanted, at, resume=True)
        assert len(pictures(part.path)) == at
    assert render(wanted, resume=True).finished
    assert_same_video(wanted.output, whole)


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is a word of POSIX")
def test_a_killed_render_goes_on_from_its_last_closed_segment(
    song: Path, whole: Path, tmp_path: Path
) -> None:
    wanted = settings(song, tmp_path / "a.mp4")
    script = (
        "import os, sys; from pathlib import Path\n"
        "from engine.export import ExportSettings, render\n"
        "def die(progress):\n"
        f"    if progress.frames_done == {2 * SEGMENT_FRAMES + 5}: os.kill(os.getpid(), 9)\n"
        "render(ExportSettings(Path(sys.argv[1]), Path(sys.argv[2]), model='null', width=64,\n"
        f"       height=64, fps={FPS}, ai_fps=5.0), progress=die)\n"
    )
    command = [sys.executable, "-c", script, str(song), str(wanted.output)]
    died = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert died.returncode == -signal.SIGKILL
    assert not wanted.output.exists()
    report = render(wanted, resume=True)
    # The second segment may have been on its way to the disk; the first was there for certain.
    assert report.resumed_frames in (SEGMENT_FRAMES, 2 * SEGMENT_FRAMES)
    assert_same_video(wanted.output, whole)
    assert sorted(tmp_path.iterdir()) == [wanted.output]


def test_with_too_many_pictures_in_memory_the_open_segment_is_made_anew(
    song: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.export.segments.MOST_OPEN_BYTES", 64 * 64)
    wanted = settings(song, tmp_path / "a.mp4")
    interrupted(wanted, 77)
    assert render(wanted, resume=True).resumed_frames == SEGMENT_FRAMES
    assert_same_video(wanted.output, whole)


def test_a_slow_render_is_saved_within_a_segment(
    song: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.export.session.SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(Segments, "close_segment", _no_room)
    wanted = settings(song, tmp_path / "a.mp4")
    with pytest.raises(SinkError, match=r"disk is full.*go on with --resume") as caught:
        render(wanted)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    report = render(wanted, resume=True)
    assert report.resumed_frames == SEGMENT_FRAMES - 1  # the last state before the disk was full
    assert_same_video(wanted.output, whole)


def _no_room(self: Segments, state: object) -> None:
    self.wait()
    raise SinkError("cannot write a.part: the disk is full; free some space")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 3}, "--seed was 0 and is now 3"),
        ({"width": 66}, "--size was 64x64 and is now 66x64"),
        ({"fps": 25.0}, "--fps was 12 and is now 25"),
        ({"prompts": ("rain",)}, "the preset was|--prompt was empty and is now rain"),
        ({"strength": 0.5}, "--strength was not given and is now 0.5"),
    ],
)
def test_other_settings_are_refused_in_one_line_and_lose_nothing(
    song: Path, whole: Path, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    wanted = settings(song, tmp_path / "a.mp4")
    interrupted(wanted, 50)
    with pytest.raises(ResumeError, match=words) as caught:
        render(settings(song, wanted.output, **changes), resume=True)
    assert "\n" not in str(caught.value)
    assert render(wanted, resume=True).resumed_frames == 50
    assert_same_video(wanted.output, whole)


def test_another_sound_is_refused(song: Path, tmp_path: Path) -> None:
    wanted = settings(song, tmp_path / "a.mp4")
    interrupted(wanted, 50)
    samples, rate = soundfile.read(song)
    soundfile.write(tmp_path / "song.wav", samples[:, ::-1] * 0.9, rate)
    with pytest.raises(ResumeError, match="the sound was"):
        render(settings(tmp_path / "song.wav", wanted.output), resume=True)


@pytest.mark.parametrize("damage", ["state", "segment"])
def test_a_damaged_work_folder_is_refused_in_one_line(
    song: Path, tmp_path: Path, damage: str
) -> None:
    wanted = settings(song, tmp_path / "a.mp4")
    interrupted(wanted, 50)
    file = tmp_path / "a.part" / ("state.npz" if damage == "state" else "segment-00000.mp4")
    file.write_bytes(file.read_bytes()[:100] if damage == "state" else b"")
    with pytest.raises(ResumeError, match="leave out --resume") as caught:
        render(wanted, resume=True)
    assert "\n" not in str(caught.value)


def test_without_resume_an_interrupted_render_is_set_aside_and_said_where(
    song: Path, whole: Path, tmp_path: Path
) -> None:
    wanted = settings(song, tmp_path / "a.mp4")
    interrupted(settings(song, wanted.output, seed=9), 100)
    so_far = pictures(tmp_path / "a.part" / "so-far.mp4")
    said: list[str] = []
    report = render(wanted, say=said.append)
    assert report.resumed_frames == 0
    assert_same_video(wanted.output, whole)
    aside = tmp_path / "a.part-1"
    assert sorted(tmp_path.iterdir()) == [wanted.output, aside]
    assert np.array_equal(pictures(aside / "so-far.mp4"), so_far)
    assert len(said) == 1
    assert aside.name in said[0]


def test_a_start_inside_the_track_has_the_scene_of_that_moment(song: Path, tmp_path: Path) -> None:
    preset = tmp_path / "two.toml"
    preset.write_text(
        'name = "two"\n'
        '[[prompts]]\ntext = "a"\nhold_s = 4.0\ntransition_s = 0.0\n'
        '[[prompts]]\ntext = "b"\nhold_s = 4.0\ntransition_s = 0.0\n'
    )
    seen: list[tuple[str, ...]] = []

    class Painter(NullModel):
        def generate(self, control: ControlState, dt_s: float) -> Uint8:
            seen.append(tuple(prompt.text for prompt in control.prompts))
            return super().generate(control, dt_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.diffusion.models.null.NullModel", Painter)
        wanted = settings(song, tmp_path / "a.mp4", preset=str(preset), start_s=5.0, seconds=1.0)
        render(wanted)
    assert set(seen) == {("b",)}


def test_a_render_that_cannot_begin_leaves_the_old_work_folder(song: Path, tmp_path: Path) -> None:
    wanted = settings(song, tmp_path / "a.mp4")
    interrupted(wanted, 50)
    with pytest.raises(Exception, match="no-such-model"):
        render(settings(song, wanted.output, model="no-such-model"))
    assert resumable(wanted.output)


def test_a_folder_of_the_user_is_never_touched(song: Path, tmp_path: Path) -> None:
    (tmp_path / "a.part").mkdir()
    (tmp_path / "a.part" / "diary.txt").write_text("dear diary")
    with pytest.raises(SinkError, match=r"diary\.txt"):
        render(settings(song, tmp_path / "a.mp4"))
    assert (tmp_path / "a.part" / "diary.txt").read_text() == "dear diary"


def test_interrupted_before_the_first_frame_nothing_is_left(song: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    report = render(settings(song, tmp_path / "a.mp4"), stop=stop)
    assert (report.finished, report.frames) == (False, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.mov", "a.mkv"])
def test_other_containers_go_on_too(song: Path, whole: Path, tmp_path: Path, name: str) -> None:
    wanted = settings(song, tmp_path / name)
    interrupted(wanted, 70)
    render(wanted, resume=True)
    assert np.array_equal(pictures(wanted.output), pictures(whole))
    assert sorted(tmp_path.iterdir()) == [wanted.output]


def test_a_start_inside_the_track_goes_on_too(song: Path, tmp_path: Path) -> None:
    changes: dict[str, object] = {"start_s": 3.3, "seconds": 5.0, "fps": 29.97}
    render(settings(song, tmp_path / "whole.mp4", **changes))
    wanted = settings(song, tmp_path / "a.mp4", **changes)
    interrupted(wanted, 130)
    report = render(wanted, resume=True)
    assert report.audio_offset_ms is not None
    assert abs(report.audio_offset_ms) < 1.0
    assert np.array_equal(pictures(wanted.output), pictures(tmp_path / "whole.mp4"))
    assert np.array_equal(sound(wanted.output), sound(tmp_path / "whole.mp4"))


def test_the_command_goes_on_and_says_when_there_is_nothing_to_go_on_from(
    song: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "app", "render", str(song), "-o", str(tmp_path / "a.mp4"),
               "--model", "null", "--size", "64x64", "--fps", "12", "--seconds", "1", "--resume",
               "--json"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "nothing to resume" in done.stderr
    report = json.loads(done.stdout.strip().splitlines()[-1])
    assert (report["frames"], report["resumed_frames"]) == (12, 0)


@pytest.mark.skipif(os.name != "posix", reason="a POSIX signal")
def test_the_command_keeps_its_exit_code_and_goes_on_after_sigterm(
    song: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "app", "render", str(song), "-o", str(tmp_path / "a.mp4"),
               "--model", "null", "--size", "256x256", "--fps", "30", "--seconds", "6",
               "--progress-json", "--resume", "--json"]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    for line in itertools.takewhile(lambda text: "frames_done" not in text, child.stderr):
        assert "Traceback" not in line
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 130
    part = tmp_path / "a.part" / "so-far.mp4"
    assert f"are in {part} and play; the same command with --resume goes on" in errors
    assert sorted(tmp_path.iterdir()) == [part.parent]  # one leftover and not two
    assert len(pictures(part)) >= 5
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout.strip().splitlines()[-1])
    assert report["finished"]
    assert report["resumed_frames"] >= 5
    assert "nothing to resume" not in done.stderr
    assert sorted(tmp_path.iterdir()) == [tmp_path / "a.mp4"]
