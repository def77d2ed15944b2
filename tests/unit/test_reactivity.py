"""The reactivity meter: high for pictures that follow the sound, near zero for all others."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from engine.errors import AudioFileError, ScoreError
from engine.scoring.decoding import SOUND_RATE_HZ, Sound, decode_pictures, decode_sound
from engine.scoring.flashes import FlashCounter
from engine.scoring.reactivity import score_coupling, score_video
from engine.scoring.sound_flux import SoundFlux
from engine.scoring.video_features import measure_video
from engine.synthesis.probe import render_probe

FPS = 24
SECONDS = 20.0
SIDE_PX = 56


def _sound(seed: int) -> Sound:
    samples, _ = render_probe(seed, SECONDS)
    return Sound(samples.mean(axis=1)[::2].copy(), 0.0)


def _hits_s(seed: int) -> np.ndarray:
    return np.array(render_probe(seed, SECONDS)[1].onsets_s)


def _envelope(hits_s: np.ndarray, delay_s: float = 0.0) -> np.ndarray:
    since_s = np.arange(0.0, SECONDS, 1.0 / FPS)[:, None] - hits_s - delay_s
    return np.where(since_s >= 0.0, np.exp(-np.maximum(since_s, 0.0) / 0.12), 0.0).max(axis=1)


def _pictures(
    envelope: np.ndarray, *, light: float = 0.0, zoom: float = 0.0, colour: float = 0.0
) -> Iterator[tuple[float, np.ndarray]]:
    """Drifting clouds whose light, size or hue the envelope moves."""
    rng = np.random.default_rng(7)
    clouds = [
        cv2.GaussianBlur(rng.standard_normal((SIDE_PX, SIDE_PX, 3)).astype(np.float32), (0, 0), 4)
        for _ in range(3)
    ]
    drift = 0.0
    for index, level in enumerate(envelope):
        drift += 0.06 * (0.5 + rng.random())
        picture = sum(np.cos(drift * (1 + 0.3 * i) + i) * c for i, c in enumerate(clouds))
        picture = 0.45 + 1.4 * picture + 0.01 * rng.standard_normal(picture.shape)
        turn = cv2.getRotationMatrix2D((SIDE_PX / 2, SIDE_PX / 2), 0.0, 1.0 + zoom * level)
        picture = cv2.warpAffine(
            picture.astype(np.float32), turn, (SIDE_PX, SIDE_PX), borderMode=cv2.BORDER_REFLECT
        )
        picture = picture * np.array([1 + colour * level, 1.0, 1 - colour * level])
        picture = np.clip(picture * (1.0 + light * level), 0.0, 1.0)
        yield index / FPS, (255.0 * picture).astype(np.uint8)


@pytest.fixture(scope="module")
def matched() -> Sound:
    return _sound(0)


@pytest.mark.parametrize(
    ("drive", "channel"),
    [({"light": 0.05}, "luminance"), ({"light": 0.2}, "luminance"), ({"zoom": 0.03}, "zoom")],
)
def test_a_picture_that_follows_the_hits_scores_high_and_only_with_its_own_sound(
    matched: Sound, drive: dict[str, float], channel: str
) -> None:
    video = measure_video(_pictures(_envelope(_hits_s(0)), **drive))
    score = score_coupling(video, matched)
    assert score.z >= 10.0
    assert abs(score.lag_ms) <= 100.0
    assert score.channel == channel
    assert score_coupling(video, _sound(1)).z < 2.5


def test_colour_alone_is_seen(matched: Sound) -> None:
    video = measure_video(_pictures(_envelope(_hits_s(0)), colour=0.15))
    score = score_coupling(video, matched)
    assert score.z >= 10.0
    assert score.channel == "colour"


def test_a_picture_that_does_not_listen_scores_like_chance(matched: Sound) -> None:
    video = measure_video(_pictures(_envelope(_hits_s(0))))
    assert score_coupling(video, matched).z < 2.5


def test_a_stronger_answer_never_scores_as_chance_and_a_tiny_one_scores_less(
    matched: Sound,
) -> None:
    envelope = _envelope(_hits_s(0))
    tiny, strong = (
        score_coupling(measure_video(_pictures(envelope, light=light)), matched)
        for light in (0.01, 0.2)
    )
    assert tiny.rho < 0.5 * strong.rho


@pytest.mark.parametrize("delay_s", [0.0, 0.125, 0.25])
def test_the_lag_is_the_delay_of_the_picture(matched: Sound, delay_s: float) -> None:
    video = measure_video(_pictures(_envelope(_hits_s(0), delay_s), light=0.2))
    assert score_coupling(video, matched).lag_ms == pytest.approx(1000.0 * delay_s, abs=30.0)


def test_one_scene_cut_does_not_drown_a_hundred_hits(matched: Sound) -> None:
    def with_cuts() -> Iterator[tuple[float, np.ndarray]]:
        for index, (time_s, picture) in enumerate(_pictures(_envelope(_hits_s(0)), light=0.1)):
            yield time_s, 255 - picture if 200 <= index < 450 else picture

    assert score_coupling(measure_video(with_cuts()), matched).z >= 10.0


def test_a_still_picture_scores_zero_and_is_reported_frozen(matched: Sound) -> None:
    still = np.full((SIDE_PX, SIDE_PX, 3), 90, dtype=np.uint8)
    video = measure_video((index / FPS, still) for index in range(int(SECONDS) * FPS))
    score = score_coupling(video, matched)
    assert (score.z, score.rho, score.flashes_per_s, score.black_share) == (0.0, 0.0, 0.0, 0.0)
    assert score.frozen_s == pytest.approx(SECONDS - 1.0 / FPS, abs=0.01)


def test_the_longest_standstill_and_the_share_of_black_are_measured() -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(40, 200, (32, 32, 3)).astype(np.uint8) for _ in range(40)]
    pictures[10:20] = [pictures[10]] * 10
    pictures[30:34] = [np.full((32, 32, 3), 3, dtype=np.uint8)] * 4
    video = measure_video((index / 10.0, picture) for index, picture in enumerate(pictures))
    assert video.frozen_s == pytest.approx(0.9)
    assert video.black_share == pytest.approx(0.1)


def _flashes(
    levels: np.ndarray, share: float = 1.0, fps: float = 60.0, channel: int = -1
) -> float:
    counter = FlashCounter()
    for index, level in enumerate(levels):
        picture = np.full((40, 40, 3), 20, dtype=np.uint8)
        rows = round(40 * share)
        if channel < 0:
            picture[:rows] = level
        else:
            picture[:rows] = 0
            picture[:rows, :, channel] = level
        counter.add(index / fps, picture)
    return counter.worst_per_s()


def _strobe(rate_hz: float, low: int, high: int, fps: float = 60.0) -> np.ndarray:
    on = (np.arange(0.0, 4.0, 1.0 / fps) * rate_hz) % 1.0 < 0.5
    return np.where(on, high, low)


@pytest.mark.parametrize("rate_hz", [2.0, 3.0, 5.0, 10.0])
def test_a_strobe_is_counted_at_its_rate(rate_hz: float) -> None:
    assert _flashes(_strobe(rate_hz, 20, 230)) == pytest.approx(rate_hz, abs=0.5)


def test_small_faint_bright_or_slow_changes_are_no_flashes() -> None:
    assert _flashes(_strobe(10.0, 20, 230), share=0.2) == 0.0
    assert _flashes(_strobe(10.0, 120, 135)) == 0.0
    assert _flashes(_strobe(10.0, 232, 255)) == 0.0
    assert _flashes(np.linspace(20, 250, 240)) <= 0.5


def test_a_saturated_red_flash_counts_though_it_is_dark() -> None:
    assert _flashes(_strobe(6.0, 0, 160), channel=0) == pytest.approx(6.0, abs=0.5)
    assert _flashes(_strobe(6.0, 0, 110), channel=2) == 0.0


def test_flux_rises_where_a_sound_begins_and_nowhere_else() -> None:
    samples = np.zeros(4 * SOUND_RATE_HZ, dtype=np.float32)
    at = round(2.15 * SOUND_RATE_HZ)
    samples[at : at + 2000] = np.random.default_rng(0).standard_normal(2000) * 0.3
    edges_s = np.arange(0.0, 4.0, 0.1)
    flux = SoundFlux(Sound(samples, 0.0)).over(edges_s[:-1], edges_s[1:])
    assert edges_s[np.argmax(flux)] == pytest.approx(2.1)
    assert np.sum(flux > 0.05 * flux.max()) <= 2


def test_the_volume_of_a_sound_does_not_move_its_flux() -> None:
    samples = _sound(2).samples
    edges_s = np.arange(0.0, 20.0, 1.0 / FPS)
    loud, soft = (
        SoundFlux(Sound(gain * samples, 0.0)).over(edges_s[:-1], edges_s[1:])
        for gain in (1.0, 0.1)
    )
    assert loud == pytest.approx(soft, rel=1e-3, abs=1e-5)


def test_a_video_file_is_scored_against_its_own_sound_or_another(tmp_path: Path) -> None:
    path = tmp_path / "probe.mp4"
    samples, truth = render_probe(0, SECONDS)
    _write_video(path, _pictures(_envelope(np.array(truth.onsets_s)), light=0.2), samples)
    other = tmp_path / "other.wav"
    soundfile.write(other, render_probe(3, SECONDS)[0], 44_100)
    score = score_video(path)
    assert score.z >= 10.0
    assert abs(score.lag_ms) <= 50.0
    assert score_video(path, other).z < 2.5
    assert set(score.as_dict()) == {
        "z", "rho", "lag_ms", "channel", "null_mean", "flashes_per_s", "frozen_s", "black_share",
    }  # fmt: skip


def test_sound_of_any_rate_and_channels_decodes_to_the_same_seconds(tmp_path: Path) -> None:
    for rate_hz, n_channels in ((8_000, 1), (48_000, 6)):
        path = tmp_path / f"{rate_hz}.wav"
        soundfile.write(path, np.full((2 * rate_hz, n_channels), 0.25), rate_hz)
        sound = decode_sound(path)
        assert sound.end_s == pytest.approx(2.0, abs=0.01)
        assert sound.samples.dtype == np.float32


def test_what_cannot_be_scored_says_why(tmp_path: Path) -> None:
    missing, text, silent = tmp_path / "no.mp4", tmp_path / "text.mp4", tmp_path / "silent.mp4"
    text.write_text("not a video")
    sound = tmp_path / "sound.wav"
    soundfile.write(sound, np.zeros((44_100, 2)), 44_100)
    _write_video(silent, _pictures(np.zeros(2 * FPS)), None)
    with pytest.raises(AudioFileError, match=r"no\.mp4 does not exist"):
        score_video(missing)
    with pytest.raises(AudioFileError, match="cannot be read"):
        score_video(text)
    with pytest.raises(AudioFileError, match=r"no sound.*--audio"):
        score_video(silent)
    with pytest.raises(ScoreError, match="no pictures"):
        score_video(sound)
    with pytest.raises(ScoreError, match="does not exist"):
        list(decode_pictures(missing))
    with pytest.raises(ScoreError, match=r"overlap for 1\.0 s"):
        score_video(silent, sound)


def _write_video(
    path: Path, pictures: Iterator[tuple[float, np.ndarray]], samples: np.ndarray | None
) -> None:
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width = video.height = SIDE_PX
        video.pix_fmt = "yuv420p"
        sound = None
        if samples is not None:
            sound = container.add_stream("aac", rate=44_100, layout="stereo")
        for index, (_, picture) in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if samples is None or sound is None:
            return
        for first in range(0, len(samples), 1024):
            block = np.ascontiguousarray(samples[first : first + 1024].T)
            frame = av.AudioFrame.from_ndarray(block, "fltp", "stereo")
            frame.sample_rate = 44_100
            frame.pts, frame.time_base = first, Fraction(1, 44_100)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
