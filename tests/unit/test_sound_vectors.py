"""Encoders by name: the ear, CLAP and VGGish give vectors of any stretch of sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.conditioning.encoder_names import VGGISH, VGGISH_QUANTISED
from engine.errors import ModelLoadError
from engine.semantic.embedded import EmbeddedListener
from engine.semantic.log_mel import FRAMES, as_levels, mel_power
from engine.semantic.network import ListenerNetwork
from engine.semantic.sound_vectors import ClapVectors, EarVectors, open_sound_vectors
from tests.checkpoints import write_clap
from tests.signals import noise, sine

RATE = 16_000


@pytest.fixture(scope="module")
def ear() -> EarVectors:
    return EarVectors()


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> ClapVectors:
    return ClapVectors.opened(write_clap(tmp_path_factory.mktemp("clap")), "cpu")


def test_features_are_what_the_listeners_direction_is_computed_from(ear: EarVectors) -> None:
    listener = EmbeddedListener()
    listener.load()
    network = listener._network
    assert isinstance(network, ListenerNetwork)
    levels = as_levels(mel_power(noise(2.0, RATE).astype(np.float32), RATE, FRAMES))
    features = network.features(levels)
    assert features.shape == (ear.width,) == (384,)
    weight, bias = network._out
    direction = weight @ features + bias
    np.testing.assert_allclose(
        network.embed(levels), direction / np.linalg.norm(direction), atol=1e-6
    )


def test_the_ear_gives_two_rows_a_second_and_their_mean(ear: EarVectors) -> None:
    sound = noise(5.0, RATE).astype(np.float32)
    rows = ear.sequence(sound, RATE)
    assert rows.shape == (7, 384)
    np.testing.assert_allclose(ear.encode(sound, RATE), rows.mean(axis=0), atol=1e-6)


def test_the_last_row_is_what_a_listener_hears_at_the_end(ear: EarVectors) -> None:
    sound = np.concatenate([noise(3.0, RATE), sine(500.0, 2.0, RATE)]).astype(np.float32)
    levels = as_levels(mel_power(sound[-2 * RATE :], RATE, FRAMES))
    last, heard = ear.sequence(sound, RATE)[-1], ear.network.features(levels)
    likeness = last @ heard / np.linalg.norm(last) / np.linalg.norm(heard)
    assert likeness > 0.999  # frames begin on other samples by less than one


def test_pauses_are_left_out_and_silence_is_a_row(ear: EarVectors) -> None:
    gap = np.concatenate([noise(2.5, RATE), np.zeros(5 * RATE), noise(2.5, RATE)])
    assert 8 <= len(ear.sequence(gap.astype(np.float32), RATE)) <= 12  # of 16
    for samples in (np.zeros(3 * RATE, np.float32), np.zeros(0, np.float32)):
        rows = ear.sequence(samples, RATE)
        assert len(rows) >= 1
        assert np.isfinite(rows).all()


def test_a_bark_at_the_very_beginning_of_a_silent_clip_is_heard(ear: EarVectors) -> None:
    clip = np.zeros(5 * RATE, np.float32)
    clip[:1600] = noise(0.1, RATE)
    rows = ear.sequence(clip, RATE)
    assert len(rows) == 1
    assert np.abs(rows).max() > 0.0


def test_clap_gives_a_direction_per_ten_seconds_and_of_texts(clap: ClapVectors) -> None:
    assert (clap.name, clap.width, clap.window_s) == ("clap", 48, 10.0)
    sound = noise(25.0, RATE).astype(np.float32)
    rows = clap.sequence(sound, RATE)
    assert rows.shape == (2, 48)
    np.testing.assert_allclose(rows[-1], clap.sequence(sound[-10 * RATE :], RATE)[0], atol=1e-5)
    assert clap.sequence(sound[: 2 * RATE], RATE).shape == (1, 48)
    assert np.linalg.norm(clap.encode(sound, RATE)) == pytest.approx(1.0, abs=1e-4)
    assert clap.texts(["a dog", "rain"]).shape == (2, 48)


def test_names_are_those_of_the_encoders() -> None:
    assert (VGGISH, VGGISH_QUANTISED) == ("vggish", "vggish-quantised")


def test_encoders_without_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="torchvggish"):
        open_sound_vectors("vggish", tmp_path)
    with pytest.raises(ModelLoadError, match="hf download"):
        open_sound_vectors("clap", tmp_path)
    with pytest.raises(ModelLoadError, match="no encoder 'other'"):
        open_sound_vectors("other")
