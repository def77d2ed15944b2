from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.audio.decode import SoundReader
from engine.audio.downmix import stereo_matrix, to_stereo
from engine.errors import AudioFileError
from tests.signals import noise, sine

RATE = 44_100


def write(path: Path, samples: np.ndarray, rate: int = RATE, subtype: str | None = None) -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def write_container(path: Path, samples: np.ndarray, codec: str, rate: int = 48_000) -> Path:
    import av

    stereo = np.ascontiguousarray(np.stack([samples, samples]))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(stereo, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(
            format=stream.codec_context.format.name,
            layout="stereo",
            rate=rate,
            frame_size=stream.codec_context.frame_size or 1024,
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def write_silent_video(path: Path) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(10):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_sound_files_are_read_as_two_channels(suffix: str, tmp_path: Path) -> None:
    samples = sine(440.0, 1.0, RATE)
    with SoundReader(write(tmp_path / f"a.{suffix}", samples)) as reader:
        assert (reader.sample_rate, reader.channels) == (RATE, 1)
        assert reader.duration_s == pytest.approx(1.0, abs=0.1)
        read = reader.read_all()
        assert reader.note == ""
    assert read.shape[1] == 2
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read[:, 0], read[:, 1])
    assert np.std(read) == pytest.approx(np.std(samples), rel=0.05)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_seeking_is_sample_exact(suffix: str, tmp_path: Path) -> None:
    with SoundReader(write(tmp_path / f"a.{suffix}", noise(2.0, RATE))) as reader:
        whole = reader.read_all()
        for start in (60_000, 0, 5_001):
            reader.seek(start)
            assert reader.position == start
            np.testing.assert_allclose(reader.read(900), whole[start : start + 900], atol=1e-4)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", "aac"), ("m4a", "aac"), ("mkv", "flac"), ("webm", "libopus")]
)
def test_the_sound_of_containers_is_read(suffix: str, codec: str, tmp_path: Path) -> None:
    path = write_container(tmp_path / f"a.{suffix}", sine(440.0, 2.0, 48_000), codec)
    with SoundReader(path) as reader:
        assert (reader.sample_rate, reader.channels) == (48_000, 2)
        read = reader.read_all()
        assert read.shape[0] == pytest.approx(96_000, abs=2048)
        spectrum = np.abs(np.fft.rfft(read[20_000:68_000, 0]))
        assert np.argmax(spectrum) == 440
        reader.seek(50_000)
        again = reader.read(1000)
    # Matroska counts milliseconds, so a seek may be off by one of them.
    best = min(np.abs(again - read[50_000 + k : 51_000 + k]).max() for k in range(-49, 50))
    assert best < 0.01


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_truncated_file_plays_what_is_there_and_says_so(suffix: str, tmp_path: Path) -> None:
    whole = write(tmp_path / f"whole.{suffix}", noise(4.0, RATE))
    path = tmp_path / f"half.{suffix}"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with SoundReader(path) as reader:
        there = reader.read_all()
        assert there.shape[0] == pytest.approx(2.0 * RATE, abs=0.3 * RATE)
        assert f"half.{suffix} breaks off" in reader.note
        assert "of 4.0 s can be played" in reader.note
        reader.seek(0)
        np.testing.assert_array_equal(reader.read(500), there[:500])


def test_a_truncated_container_plays_what_is_there_and_says_so(tmp_path: Path) -> None:
    whole = write_container(tmp_path / "whole.mkv", noise(4.0, 48_000), "flac")
    path = tmp_path / "half.mkv"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with SoundReader(path) as reader:
        assert 48_000 < reader.read_all().shape[0] < 3 * 48_000
        assert "half.mkv breaks off" in reader.note


def broken(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"{kind}.wav"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("this is not sound\n" * 50)
    elif kind == "header":
        path.write_bytes(write(tmp_path / "ok.wav", noise(0.1, RATE)).read_bytes()[:44])
    elif kind == "video":
        return write_silent_video(tmp_path / "video.mp4")
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "there is no file"),
        ("folder", "is a folder"),
        ("empty", r"is empty \(0 bytes\)"),
        ("text", "is not a sound file"),
        ("header", "holds no samples"),
        ("video", "has no sound track"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_the_remedy(
    kind: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(AudioFileError, match=words) as caught:
        SoundReader(broken(tmp_path, kind))
    assert "\n" not in str(caught.value)
    assert "check" in str(caught.value) or "choose" in str(caught.value)


def test_samples_that_are_not_numbers_are_silence_and_counted(tmp_path: Path) -> None:
    samples = noise(0.5, RATE)
    samples[100:110] = np.nan
    samples[200] = np.inf
    with SoundReader(write(tmp_path / "nan.wav", samples, subtype="FLOAT")) as reader:
        read = reader.read_all()
        assert reader.replaced == 11
        assert "11 samples are not numbers" in reader.note
    assert np.isfinite(read).all()
    assert read[105, 0] == 0.0


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (192_000, 8)])
def test_the_smallest_and_the_largest_files_work(rate: int, channels: int, tmp_path: Path) -> None:
    samples = np.stack([noise(0.2, rate, seed) for seed in range(channels)], axis=1)
    with SoundReader(write(tmp_path / "a.wav", samples, rate)) as reader:
        assert (reader.sample_rate, reader.channels) == (rate, channels)
        assert reader.read_all().shape == (round(0.2 * rate), 2)


@pytest.mark.parametrize("channels", range(1, 13))
def test_folding_never_clips_and_keeps_both_sides_alike(channels: int) -> None:
    gains = stereo_matrix(channels)
    assert gains.shape == (channels, 2)
    np.testing.assert_allclose(gains.sum(axis=0), 1.0, rtol=1e-5)
    full_scale = np.ones((4, channels), np.float32)
    np.testing.assert_allclose(to_stereo(full_scale), 1.0, rtol=1e-5)


def test_left_stays_left_and_the_centre_goes_to_both() -> None:
    surround = np.zeros((3, 6), np.float32)
    surround[0, 0] = surround[1, 2] = surround[2, 3] = 1.0
    folded = to_stereo(surround)
    assert folded[0, 0] > 0.0
    assert folded[0, 1] == 0.0
    assert folded[1, 0] == folded[1, 1] > 0.0
    np.testing.assert_array_equal(folded[2], 0.0)
