"""Recorder: files that players accept, on one clock, whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import SinkError
from engine.mailbox import Fifo
from engine.messages import Frame, freeze
from engine.sinks.audio_chunk import AudioChunk
from engine.sinks.audio_offset import measure_audio_offset_ms
from engine.sinks.audio_timeline import AudioTimeline, match_channels
from engine.sinks.memory import MemorySink
from engine.sinks.recorder import Recorder
from engine.sinks.thread import SinkRunner

SR = 48_000
FPS = 30
W, H = 96, 64


def picture(value: int, width: int = W, height: int = H) -> np.ndarray:
    return freeze(np.full((height, width, 3), value % 256, np.uint8))


def frame(index: int, sample_index: int | None = None, value: int | None = None) -> Frame:
    at = round(index * SR / FPS) if sample_index is None else sample_index
    return Frame(index, picture(7 * index if value is None else value), at, 0.0, index)


def clicks(seconds: float, sample_rate: int = SR, seed: int = 3) -> np.ndarray:
    """Noise bursts at aperiodic times over quiet noise: one sharp correlation peak."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0.0, 0.002, round(seconds * sample_rate))
    for at in rng.uniform(0.05, seconds - 0.1, 6):
        start = round(at * sample_rate)
        sound[start : start + 200] += rng.normal(0.0, 0.3, 200)
    return np.clip(np.stack([sound, sound], 1), -1, 1).astype(np.float32)


def record(recorder: Recorder, frames: int, sound: np.ndarray | None, origin: int = 0) -> None:
    recorder.open()
    hop = recorder.sample_rate // 100
    heard = 0
    for index in range(frames):
        at = round(index * recorder.sample_rate / float(recorder.rate))
        while sound is not None and heard < min(at + 3 * hop, sound.shape[0]):
            recorder.write_audio(origin + heard, sound[heard : heard + hop])
            heard += hop
        recorder.write(Frame(index, picture(7 * index), origin + at, 0.0, index))


def write_noise(recorder: Recorder, frames: int) -> None:
    rng = np.random.default_rng(0)
    for index in range(frames):
        noise = freeze(rng.integers(0, 255, (H, W, 3), np.uint8))
        recorder.write(Frame(index, noise, index * SR // FPS, 0.0, index))


def probe(path: Path) -> dict[str, dict[str, str]]:
    """The streams as FFmpeg's own demuxer counts them."""
    facts: dict[str, dict[str, str]] = {}
    with av.open(str(path)) as movie:
        for stream in movie.streams:
            count = sum(1 for packet in movie.demux(stream) if packet.dts is not None)
            movie.seek(0)
            facts[stream.type] = {
                "codec": stream.codec_context.name,
                "packets": str(count),
                "seconds": str(float((stream.duration or 0) * stream.time_base)),
            }
    return facts


def decoded_means(path: Path) -> list[float]:
    """Mean of each picture, like a player up to a torn last packet."""
    means: list[float] = []
    with av.open(str(path)) as movie, contextlib.suppress(av.error.InvalidDataError):
        for shown in movie.decode(video=0):
            means.append(float(shown.to_ndarray(format="rgb24").mean()))
    return means


def decoded_times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as movie:
        return [f.pts * f.time_base for f in movie.decode(video=0)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_movie_has_every_frame_once_and_its_sound_exactly_on_time(tmp_path, suffix):
    path = tmp_path / f"show{suffix}"
    sound = clicks(3.0)
    recorder = Recorder(path, W, H, FPS, SR)
    record(recorder, 90, sound, origin=123_456)
    recorder.close()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert decoded_times(path) == pytest.approx([i / FPS for i in range(90)], abs=1e-3)
    offset_ms = measure_audio_offset_ms(path, sound, SR)
    assert offset_ms is not None
    assert abs(offset_ms) < 1.0
    assert recorder.frames == 90
    assert recorder.seconds == pytest.approx(3.0)


@pytest.mark.parametrize("fps", [24, 30, 60, 29.97])
def test_sound_and_picture_end_within_one_frame(tmp_path, fps):
    path = tmp_path / "show.mp4"
    recorder = Recorder(path, W, H, fps, 44_100)
    record(recorder, 75, clicks(9.0, 44_100))
    recorder.close()
    facts = probe(path)
    assert facts["video"]["codec"] == "h264"
    assert facts["audio"]["codec"] == "aac"
    assert facts["video"]["packets"] == "75"
    video_s, audio_s = (float(facts[kind]["seconds"]) for kind in ("video", "audio"))
    assert video_s == pytest.approx(75 / fps, abs=0.002)
    assert abs(video_s - audio_s) <= 1.0 / fps


def test_a_recording_is_playable_after_the_process_is_killed(tmp_path):
    path = tmp_path / "killed.mp4"
    child = (
        "import sys, os, signal; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from tests.unit.test_recorder import *\n"
        "record(Recorder(Path(sys.argv[2]), W, H, FPS, SR), 150, clicks(5.0))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", child, str(root), str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(decoded_means(path)) >= 60
    offset_ms = measure_audio_offset_ms(path, clicks(5.0)[: 2 * SR], SR)
    assert offset_ms is not None
    assert abs(offset_ms) < 1.0


def test_a_missing_frame_repeats_the_one_before_and_a_doubled_one_is_left_out(tmp_path):
    recorder = Recorder(tmp_path / "show.mp4", W, H, FPS, SR, quality=1)
    recorder.open()
    step = SR // FPS
    for index, slot in enumerate([0, 1, 1, 2, 5, 6]):
        recorder.write(frame(index, slot * step, value=40 * slot))
    recorder.close()
    assert recorder.left_out == 1
    assert recorder.repeated == 2
    assert decoded_means(tmp_path / "show.mp4") == pytest.approx(
        [0, 40, 80, 80, 80, 200, 240], abs=4
    )


def test_a_jittering_clock_neither_repeats_nor_leaves_out(tmp_path):
    rng = np.random.default_rng(1)
    recorder = Recorder(tmp_path / "show.mp4", W, H, FPS, SR)
    recorder.open()
    for index in range(120):
        jitter = rng.integers(-700, 700) if index else 0
        recorder.write(frame(index, index * SR // FPS + int(jitter)))
    recorder.close()
    assert (recorder.left_out, recorder.repeated) == (0, 0)


@pytest.mark.parametrize("restart", [0, 60 * SR])
def test_another_source_goes_on_where_the_old_one_stopped(tmp_path, restart):
    path = tmp_path / "show.mp4"
    recorder = Recorder(path, W, H, FPS, SR)
    recorder.open()
    first, second = clicks(2.0, seed=5), clicks(2.0, seed=6)
    step = SR // FPS
    for index in range(60):
        recorder.write_audio(index * step, first[index * step : (index + 1) * step])
        recorder.write(frame(index))
    for index in range(60):
        recorder.write(frame(index, restart + index * step))
        recorder.write_audio(restart + index * step, second[index * step : (index + 1) * step])
    recorder.close()
    assert recorder.frames == 120
    whole = np.concatenate([np.zeros_like(first), second])
    offset_ms = measure_audio_offset_ms(path, whole, SR)
    assert offset_ms is not None
    assert abs(offset_ms) < 1.0


def test_sound_before_the_first_frame_is_trimmed_to_it(tmp_path):
    path = tmp_path / "show.mp4"
    sound = clicks(3.0)
    recorder = Recorder(path, W, H, FPS, SR)
    recorder.open()
    recorder.write_audio(0, sound)
    start = SR // 2
    for index in range(60):
        recorder.write(frame(index, start + index * SR // FPS))
    recorder.close()
    offset_ms = measure_audio_offset_ms(path, sound[start : start + 2 * SR], SR)
    assert offset_ms is not None
    assert abs(offset_ms) < 1.0


def test_a_recording_without_sound_has_a_silent_track_of_its_length(tmp_path):
    path = tmp_path / "mute.mp4"
    recorder = Recorder(path, W, H, FPS, SR)
    record(recorder, 150, None)
    recorder.close()
    assert float(probe(path)["audio"]["seconds"]) == pytest.approx(5.0, abs=1 / FPS)
    assert measure_audio_offset_ms(path, clicks(3.0), SR) is None


@pytest.mark.parametrize(("sample_rate", "channels"), [(8_000, 1), (96_000, 2), (192_000, 2)])
def test_any_sample_rate_keeps_its_place(tmp_path, sample_rate, channels):
    path = tmp_path / "show.mp4"
    sound = clicks(2.0, sample_rate)[:, :channels]
    recorder = Recorder(path, W, H, FPS, sample_rate, channels)
    record(recorder, 60, sound)
    recorder.close()
    offset_ms = measure_audio_offset_ms(path, sound, sample_rate)
    assert offset_ms is not None
    assert abs(offset_ms) < 1.0


def test_an_offset_that_is_there_is_found(tmp_path):
    path = tmp_path / "late.mp4"
    sound = clicks(3.0)
    late = np.concatenate([np.zeros((SR // 20, 2), np.float32), sound])
    recorder = Recorder(path, W, H, FPS, SR)
    record(recorder, 90, late)
    recorder.close()
    assert measure_audio_offset_ms(path, sound, SR) == pytest.approx(50.0, abs=1.0)


def test_a_recording_without_a_frame_leaves_no_file(tmp_path):
    recorder = Recorder(tmp_path / "empty.mp4", W, H, FPS, SR)
    recorder.open()
    recorder.write_audio(0, clicks(1.0))
    recorder.close()
    recorder.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "size", "says"),
    [
        ("show.avi", (W, H), "must end in .mp4"),
        ("show.mp4", (97, H), "try 96x64"),
        ("show.mp4", (W, 0), "must be even"),
        ("missing/show.mp4", (W, H), "does not exist"),
        (".", (W, H), "must end in"),
    ],
)
def test_what_cannot_be_recorded_is_refused_in_one_line(tmp_path, name, size, says):
    recorder = Recorder(tmp_path / name, *size, FPS, SR)
    with pytest.raises(SinkError, match=says) as caught:
        recorder.open()
    assert "\n" not in str(caught.value)
    recorder.close()


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "show.mp4").mkdir()
    with pytest.raises(SinkError, match="folder"):
        Recorder(tmp_path / "show.mp4", W, H, FPS, SR).open()


def test_a_place_without_permission_is_refused():
    with pytest.raises(SinkError, match=r"cannot write /proc/show\.mp4: .*; "):
        Recorder(Path("/proc/show.mp4"), W, H, FPS, SR).open()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_is_said_once_and_closing_stays_quiet(tmp_path, suffix):
    path = tmp_path / f"show{suffix}"
    path.symlink_to("/dev/full")
    recorder = Recorder(path, W, H, FPS, SR)
    with pytest.raises(SinkError, match="the disk is full; free some space"):
        record(recorder, 200, clicks(7.0))
    recorder.close()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small tmpfs")
def test_what_was_recorded_before_the_disk_filled_up_is_playable(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount here")
    try:
        recorder = Recorder(disk / "show.mp4", W, H, FPS, SR)
        recorder.open()
        with pytest.raises(SinkError, match="disk is full"):
            write_noise(recorder, 400)
        recorder.close()
        assert len(decoded_means(disk / "show.mp4")) >= 20
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_picture_of_another_size_is_refused(tmp_path):
    recorder = Recorder(tmp_path / "show.mp4", W, H, FPS, SR)
    recorder.open()
    recorder.write(frame(0))
    with pytest.raises(SinkError, match="96x64 cannot take a picture of 32x32"):
        recorder.write(Frame(1, picture(0, 32, 32), 1600, 0.0, 1))
    recorder.close()


def test_colours_come_back(tmp_path):
    colour = np.array([200, 60, 30], np.uint8)
    recorder = Recorder(tmp_path / "show.mp4", W, H, FPS, SR, quality=5)
    recorder.open()
    for index in range(3):
        pixels = freeze(np.broadcast_to(colour, (H, W, 3)).copy())
        recorder.write(Frame(index, pixels, index * 1600, 0.0, index))
    recorder.close()
    with av.open(str(tmp_path / "show.mp4")) as movie:
        shown = next(movie.decode(video=0))
        assert (shown.colorspace, shown.color_range) == (1, 1)
        back = shown.reformat(format="rgb24", src_colorspace=1, src_color_range=1).to_ndarray()
    assert np.abs(back.reshape(-1, 3).mean(0) - colour).max() < 4


def test_the_timeline_fills_gaps_and_hears_overlaps_once():
    timeline = AudioTimeline(1)
    timeline.add(0, np.full((4, 1), 0.1, np.float32))
    timeline.add(2, np.full((4, 1), 0.2, np.float32))
    timeline.add(8, np.full((2, 1), 0.3, np.float32))
    assert timeline.take(5)[:, 0] == pytest.approx([0.1] * 4 + [0.2])
    assert timeline.take(12)[:, 0] == pytest.approx([0.2, 0, 0, 0.3, 0.3, 0, 0])
    assert timeline.take(12).shape == (0, 1)
    assert timeline.gap_samples == 4


def test_channels_are_matched_and_broken_samples_mended():
    block = np.array([[np.nan, 0.5], [2.0, -0.5]], np.float32)
    assert match_channels(block, 1)[:, 0] == pytest.approx([0.25, 0.75])
    assert match_channels(block[:, 0], 2).tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert match_channels(np.zeros((3, 8), np.float32), 2).shape == (3, 2)


def test_a_runner_writes_everything_that_was_queued_before_the_stop():
    sink, fifo = MemorySink(), Fifo(64)
    runner = SinkRunner("memory", sink, fifo)
    for index in range(20):
        fifo.put(frame(index))
        fifo.put(AudioChunk(index * 10, freeze(np.zeros((10, 2), np.float32))))
    runner.start()
    assert runner.stop()
    assert [f.index for f in sink.frames] == list(range(20))
    assert [c.end_sample for c in sink.chunks] == list(range(10, 210, 10))
    assert not sink.is_open
    assert runner.error is None


def test_a_sink_that_fails_is_a_state_and_the_producer_goes_on(tmp_path):
    failures: list[str] = []
    fifo: Fifo = Fifo(4)
    runner = SinkRunner(
        "recorder",
        Recorder(tmp_path / "missing" / "show.mp4", W, H, FPS, SR),
        fifo,
        lambda name, error: failures.append(f"{name}: {error}"),
    )
    runner.start()
    assert runner.stop()
    assert isinstance(runner.error, SinkError)
    assert len(failures) == 1
    assert "sink-recorder: cannot write" in failures[0]
    assert fifo.put(frame(0)) is False
    assert fifo.dropped == 1


@pytest.mark.skipif(not Path("/usr/bin/ffprobe").exists(), reason="asks ffprobe")
def test_ffprobe_agrees(tmp_path):
    recorder = Recorder(tmp_path / "track.mp4", W, H, FPS, SR)
    record(recorder, 60, clicks(2.0))
    recorder.close()
    asked = ["-show_entries", "stream=codec_name,duration,nb_frames,r_frame_rate", "-of", "json"]
    answer = subprocess.run(
        ["ffprobe", "-v", "error", *asked, str(tmp_path / "track.mp4")],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    video, audio = json.loads(answer.stdout)["streams"]
    assert (video["codec_name"], video["nb_frames"], video["r_frame_rate"]) == (
        "h264", "60", "30/1",
    )  # fmt: skip
    assert audio["codec_name"] == "aac"
    assert abs(float(video["duration"]) - float(audio["duration"])) <= 1 / FPS
    assert answer.stderr == ""
