from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from engine.errors import AudioFileError, SinkError, SizeError
from engine.export import ExportProgress, ExportReport, ExportSettings, render

RATE_HZ = 44_100


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two and a half seconds of noise with a thump every half second."""
    rng = np.random.default_rng(3)
    samples = 0.02 * rng.standard_normal((RATE_HZ * 5 // 2, 2))
    thump = np.sin(np.arange(4000) * 2 * np.pi * 70 / RATE_HZ) * np.exp(-np.arange(4000) / 900)
    for start in range(0, len(samples) - 4000, RATE_HZ // 2):
        samples[start : start + 4000] += 0.8 * thump[:, None]
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, samples, RATE_HZ)
    return path


def export(song: Path, output: Path, **changes: object) -> ExportReport:
    settings = {"model": "null", "width": 96, "height": 64, "fps": 24.0} | changes
    return render(ExportSettings(song, output, **settings))  # type: ignore[arg-type]


def pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as movie:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in movie.decode(video=0)])


def test_the_video_is_as_long_as_the_sound_and_in_step_with_it(song: Path, tmp_path: Path) -> None:
    report = export(song, tmp_path / "a.mp4")
    assert report.finished
    assert report.frames == 60
    assert report.audio_offset_ms is not None
    assert abs(report.audio_offset_ms) < 1.0
    with av.open(str(tmp_path / "a.mp4")) as movie:
        video, sound = movie.streams.video[0], movie.streams.audio[0]
        assert (video.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        seconds = [float(stream.duration * stream.time_base) for stream in (video, sound)]
    assert seconds[0] == pytest.approx(2.5, abs=0.001)
    assert seconds[1] == pytest.approx(2.5, abs=1 / 24)


def test_two_renders_of_one_seed_are_identical_and_another_seed_is_not(
    song: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 7)):
        export(song, tmp_path / f"{name}.mp4", seed=seed, seconds=1.0)
    first, again, other = (pictures(tmp_path / f"{name}.mp4") for name in "abc")
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_frames_differ_and_none_is_black(song: Path, tmp_path: Path) -> None:
    export(song, tmp_path / "a.mp4", seconds=1.0)
    frames = pictures(tmp_path / "a.mp4").astype(int)
    assert frames.mean(axis=(1, 2, 3)).min() > 10.0
    assert np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3)).min() > 0.0


@pytest.mark.parametrize("size", [(90, 160), (160, 90), (66, 66)])
def test_any_even_size_can_be_made(song: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    export(song, tmp_path / "a.mp4", width=size[0], height=size[1], seconds=0.3)
    assert pictures(tmp_path / "a.mp4").shape[1:3] == (size[1], size[0])


def test_a_lower_picture_rate_still_moves_every_frame(song: Path, tmp_path: Path) -> None:
    export(song, tmp_path / "a.mp4", ai_fps=6.0, seconds=1.0)
    frames = pictures(tmp_path / "a.mp4").astype(int)
    moved = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3)) > 0.05
    assert moved.mean() > 0.9


def test_a_start_inside_the_track_takes_the_sound_from_there(song: Path, tmp_path: Path) -> None:
    report = export(song, tmp_path / "a.mp4", start_s=1.25, seconds=1.0)
    assert report.frames == 24
    assert report.audio_offset_ms is not None
    assert abs(report.audio_offset_ms) < 1.0


def test_an_interruption_keeps_what_was_made_playable(song: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def interrupt(progress: ExportProgress) -> None:
        if progress.frames_done == 20:
            stop.set()

    settings = ExportSettings(
        song, tmp_path / "a.mp4", model="null", width=64, height=64, fps=24.0
    )
    report = render(settings, progress=interrupt, stop=stop)
    assert not report.finished
    assert report.frames == 20
    assert not (tmp_path / "a.mp4").exists()
    assert len(pictures(report.path)) == 20


def test_progress_reaches_the_total(song: Path, tmp_path: Path) -> None:
    seen: list[ExportProgress] = []
    settings = ExportSettings(
        song, tmp_path / "a.mp4", model="null", width=64, height=64, fps=12.0
    )
    render(settings, progress=seen.append)
    assert [p.frames_done for p in seen] == list(range(1, 31))
    assert seen[-1].frames_total == 30
    assert seen[-1].eta_s == 0.0


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"width": 63}, SizeError, "even"),
        ({"width": 20_000}, SizeError, "20000x64"),
        ({"start_s": 9.0}, AudioFileError, "2.5 s long"),
        ({"output": Path("/no/such/folder/x.mp4")}, SinkError, "/no/such/folder"),
    ],
)
def test_bad_input_is_one_clear_line(
    song: Path, tmp_path: Path, changes: dict[str, object], error: type[Exception], words: str
) -> None:
    output = changes.pop("output", tmp_path / "a.mp4")
    with pytest.raises(error, match=words) as caught:
        export(song, output, **changes)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_the_command_renders_and_prints_json_last(song: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app", "render", str(song), "-o", str(tmp_path / "a.mp4"),
               "--model", "null", "--size", "64x64", "--fps", "12", "--seconds", "1",
               "--json"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout.strip().splitlines()[-1])
    assert report["frames"] == 12
    assert {"seconds", "x_realtime", "audio_offset_ms", "runner", "dtype"} <= set(report)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["render", "missing.wav", "-o", "x.mp4"], 1),
        (["render", "demo"], 2),
        (["render", "demo", "-o", "x.mp4", "--size", "big"], 2),
        (["render", "demo", "-o", "x.mp4", "--size", "63x64"], 2),
        (["render", "demo", "-o", "x.mp4", "--preset", "nope"], 2),
        (["bench", "nonsense"], 2),
    ],
)
def test_failures_are_one_line_on_stderr_with_the_right_code(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env=None,
    )  # fmt: skip
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    if "usage:" not in done.stderr:  # argparse says how to use it, too
        assert len(done.stderr.strip().splitlines()) == 1
        assert done.stderr.startswith("sonolume: ")
