"""CLAP's checkpoint layout, its exact window, and vectors equal to those of transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from engine.errors import ModelLoadError
from engine.semantic.clap_encoder import SAMPLES, ClapEncoder, exact_window
from engine.semantic.clap_folder import clap_digest, clap_folder
from engine.semantic.sound_memory import SoundMemory
from engine.semantic.text_vectors import TextVectors
from tests.checkpoints import write_clap
from tests.signals import noise, sine

TEXTS = ["This is a sound of rain.", "a rooster", "ünïcode, too"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return write_clap(tmp_path_factory.mktemp("clap"))


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def two_sounds() -> np.ndarray:
    return np.stack([sine(440.0, 10.0, 48_000), noise(10.0, 48_000)]).astype(np.float32)


@pytest.mark.parametrize("fused", [False, True])
def test_vectors_are_those_of_transformers_whole_model(tmp_path: Path, fused: bool) -> None:
    from transformers import ClapModel, ClapProcessor

    folder = write_clap(tmp_path, fused=fused)
    model, processor = ClapModel.from_pretrained(folder), ClapProcessor.from_pretrained(folder)
    encoder = ClapEncoder(folder, "cpu")
    sounds = two_sounds()
    inputs = processor(audio=list(sounds), sampling_rate=48_000, return_tensors="pt")
    inputs["is_longer"] = torch.zeros_like(inputs["is_longer"])
    with torch.no_grad():
        audio = model.eval().get_audio_features(**inputs)
        text = model.get_text_features(**processor(text=TEXTS, padding=True, return_tensors="pt"))
    expected = getattr(audio, "pooler_output", audio).numpy()
    np.testing.assert_allclose(encoder.embed_sounds(sounds), expected, atol=1e-5)
    expected = getattr(text, "pooler_output", text).numpy()
    np.testing.assert_allclose(encoder.embed_texts(TEXTS), expected, atol=1e-5)
    assert encoder.temperature == pytest.approx(1.0 / 20.0, rel=1e-5)


def test_a_window_that_is_not_exact_is_refused_rather_than_cut_at_random(checkpoint) -> None:
    encoder = ClapEncoder(checkpoint, "cpu")
    with pytest.raises(ValueError, match="480000"):
        encoder.embed_sounds(np.zeros((1, SAMPLES + 1), np.float32))


def test_a_short_sound_is_repeated_as_clap_itself_does(checkpoint: Path) -> None:
    from transformers import ClapFeatureExtractor

    extractor = ClapFeatureExtractor.from_pretrained(checkpoint)
    sound = noise(3.0, 48_000).astype(np.float32)
    own, theirs = (
        extractor(sounds, sampling_rate=48_000, return_tensors="np")["input_features"]
        for sounds in (exact_window(sound, 48_000), sound)
    )
    np.testing.assert_allclose(own, theirs, atol=1e-4)


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 96_000, 192_000])
def test_another_rate_is_resampled_to_the_same_sound(sample_rate: int) -> None:
    heard = exact_window(sine(440.0, 10.0, sample_rate).astype(np.float32), sample_rate)
    expected = sine(440.0, 10.0, 48_000)
    assert heard.shape == (SAMPLES,)
    assert heard.dtype == np.float32
    assert np.abs(heard - expected)[2_000:-2_000].max() < 0.01


def test_of_a_sound_that_is_too_long_the_newest_is_taken() -> None:
    sound = np.arange(SAMPLES + 7, dtype=np.float32)
    np.testing.assert_array_equal(exact_window(sound, 48_000), sound[7:])


def test_nothing_and_what_is_no_number_are_silence() -> None:
    assert not exact_window(np.zeros(0, np.float32), 48_000).any()
    assert not exact_window(np.full(SAMPLES, np.nan, np.float32), 48_000).any()


def test_memory_joins_windows_and_begins_anew_after_a_gap() -> None:
    memory, rate = SoundMemory(10.0), 1_000
    sound = np.arange(20_000, dtype=np.float32)
    for end in range(500, 15_001, 500):
        memory.hear(sound[max(0, end - 2_000) : end], rate, end)
    np.testing.assert_array_equal(memory.samples, sound[5_000:15_000])
    memory.hear(sound[17_000:19_000], rate, 19_000)  # 2 s were missed
    np.testing.assert_array_equal(memory.samples, sound[17_000:19_000])
    memory.hear(sound[:2_000], rate, 2_000)  # another source
    np.testing.assert_array_equal(memory.samples, sound[:2_000])
    memory.hear(sound[:2_000], 2 * rate, 2_500)
    np.testing.assert_array_equal(memory.samples, sound[:2_000])


def test_a_folder_without_weights_says_how_to_get_them(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match=r"no model\.safetensors: .*hf download laion/clap"):
        clap_folder(str(copy))


def test_a_pickle_is_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match=r"pickle \(pytorch_model\.bin\)"):
        clap_folder(str(copy))


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelLoadError, match=f"has no {name}"):
        clap_folder(str(copy))


def test_a_folder_without_a_tokenizer_is_refused(copy: Path) -> None:
    (copy / "vocab.json").unlink()
    with pytest.raises(ModelLoadError, match="has no tokenizer"):
        clap_folder(str(copy))


@pytest.mark.parametrize(
    ("text", "said"), [("{", "damaged"), ("[]", "damaged"), ('{"model_type": "clip"}', "clip")]
)
def test_another_configuration_is_refused(copy: Path, text: str, said: str) -> None:
    (copy / "config.json").write_text(text)
    with pytest.raises(ModelLoadError, match=said):
        clap_folder(str(copy))


@pytest.mark.parametrize("name", ["clop", "a/b/c", "./nowhere"])
def test_a_name_that_can_be_nothing_is_refused(name: str) -> None:
    with pytest.raises(ModelLoadError, match="no known name, folder or hub id"):
        clap_folder(name)


def test_a_hub_id_is_found_in_the_local_cache_and_never_fetched(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelLoadError, match=r"not on this machine: .*hf download laion/tiny"):
        clap_folder("laion/tiny")
    home = tmp_path / "models--laion--tiny"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("0" * 40)
    shutil.copytree(checkpoint, home / "snapshots" / ("0" * 40))
    assert (clap_folder("laion/tiny") / "config.json").is_file()


def test_weights_that_are_missing_are_never_made_up(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["audio_projection.linear1.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ModelLoadError, match=r"lacks 1 weights.*audio_projection\.linear1\.weight"
    ):
        ClapEncoder(copy, "cpu")


def test_damaged_weights_are_one_line(copy: Path) -> None:
    data = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelLoadError, match="cannot be read as CLAP") as caught:
        ClapEncoder(copy, "cpu")
    assert "\n" not in str(caught.value)


def test_an_extractor_of_another_rate_is_refused(copy: Path) -> None:
    path = copy / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sampling_rate": 44_100}))
    with pytest.raises(ModelLoadError, match="44100 Hz"):
        ClapEncoder(copy, "cpu")


def test_the_digest_tells_other_weights_and_another_tokenizer(copy: Path) -> None:
    before = clap_digest(copy)
    assert clap_digest(copy) == before
    (copy / "merges.txt").write_text("#version: 0.2\na b\n")
    other = clap_digest(copy)
    weights = load_file(copy / "model.safetensors")
    weights["logit_scale_a"] += 1.0
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    assert len({before, other, clap_digest(copy)}) == 3


def test_text_vectors_come_back_and_damage_does_no_harm(tmp_path: Path) -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    TextVectors("abc", tmp_path).add(["rain", "sea"], vectors)
    again = TextVectors("abc", tmp_path)
    np.testing.assert_array_equal(again.get("sea"), vectors[1])
    assert again.get("fire") is None
    assert TextVectors("other", tmp_path).get("rain") is None
    again.path.write_bytes(b"no cache")
    assert TextVectors("abc", tmp_path).get("rain") is None
    assert sorted(tmp_path.iterdir()) == [again.path]


def test_text_vectors_that_cannot_be_written_are_still_known(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    known = TextVectors("abc", blocked)
    known.add(["rain"], np.ones((1, 3), np.float32))
    np.testing.assert_array_equal(known.get("rain"), np.ones(3))
