"""VGGish: torchvggish's front end by independent formulas, exact counts, and honest files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.conditioning.encoder_names import VGGISH, VGGISH_QUANTISED
from engine.conditioning.vggish import VggishEncoder, quantised
from engine.conditioning.vggish_file import (
    FILE_NAME,
    NETWORK_PICKLE,
    PCA_PICKLE,
    convert_vggish,
    load_vggish,
    vggish_file,
)
from engine.conditioning.vggish_frontend import PATCH_SAMPLES, log_mel, mel_matrix, patches
from engine.conditioning.vggish_network import VggishNetwork
from engine.errors import LimitError, ModelLoadError
from tests.signals import noise, sine

TENSORS = {
    f"{part}.{index}.{kind}"
    for part, indices in (("features", (0, 3, 6, 8, 11, 13)), ("embeddings", (0, 2, 4)))
    for index in indices
    for kind in ("weight", "bias")
}
EYE = {"pproc.pca_eigen_vectors": torch.eye(128), "pproc.pca_means": torch.ones(128, 1)}


def write_vggish(path: Path, *, components: bool = True, base: int = 4) -> Path:
    torch.manual_seed(3)
    tensors = dict(VggishNetwork(base).state_dict()) | (EYE if components else {})
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vggish(tmp_path_factory.mktemp("vggish") / FILE_NAME)


def test_the_published_network_has_72_141_184_parameters_under_torchvggishs_names() -> None:
    with torch.device("meta"):
        network = VggishNetwork()
    assert sum(p.numel() for p in network.parameters()) == 72_141_184
    assert set(network.state_dict()) == TENSORS
    assert network.embeddings[0].in_features == 12_288


def test_flattening_is_channels_last() -> None:
    """The dense layer's place `((h * 4) + w) * channels + c` sees channel c at (h, w)."""
    network = VggishNetwork(4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for index, layer in enumerate(network.features):
            if isinstance(layer, torch.nn.Conv2d):
                channel = 5 if index == 13 else 0  # the last one writes channel 5 of 32
                layer.weight[channel, 0, 1, 1] = 1.0
    picture = torch.zeros(1, 96, 64)
    picture[0, 16 * 2 + 3, 16 * 1 + 7] = 1.0  # cell (2, 1) of the 6 x 4
    found = network.features(picture[:, None])
    assert found[0, 5, 2, 1] == 1.0
    network.embeddings[0].weight.data[0, (2 * 4 + 1) * 32 + 5] = 1.0
    network.embeddings[2].weight.data[0, 0] = 1.0
    network.embeddings[4].weight.data[9, 0] = 1.0
    out = network(picture)[0]
    assert out[9] == 1.0
    assert out.sum() == 1.0


def test_a_tone_of_1_khz_is_where_the_formula_says() -> None:
    """Magnitude of a Hann-windowed sine by a plain sum, triangle by the two edges of its band."""
    tone = 0.5 * np.sin(2 * np.pi * 1_000.0 * np.arange(16_000) / 16_000)
    levels = log_mel(tone.astype(np.float32))
    assert levels.shape == (1 + (16_000 - 400) // 160, 64)
    n = np.arange(400)
    framed = tone[:400] * (0.5 - 0.5 * np.cos(2 * np.pi * n / 400))

    def mel(hz: float) -> float:
        return 1127.0 * float(np.log(1.0 + hz / 700.0))

    step = (mel(7_500.0) - mel(125.0)) / 65
    for band in (18, 19, 20, 40):
        total = 0.0
        for k in range(1, 257):
            distance = abs(mel(k * 31.25) - (mel(125.0) + (band + 1) * step)) / step
            turn = np.exp(-2j * np.pi * k * n / 512)
            total += max(0.0, 1.0 - distance) * abs(np.sum(framed * turn))
        assert levels[0, band] == pytest.approx(np.log(total + 0.01), abs=1e-3)
    assert levels[0].argmax() == round((mel(1_000.0) - mel(125.0)) / step) - 1


def test_triangles_have_height_one_and_cover_125_to_7500_hz() -> None:
    matrix = mel_matrix()
    assert matrix.shape == (257, 64)
    assert not matrix[0].any()
    inside = matrix[np.arange(257) * 31.25 >= 250.0]
    sums = inside.sum(axis=1)
    covered = np.arange(257)[np.arange(257) * 31.25 >= 250.0] * 31.25 <= 7_200.0
    np.testing.assert_allclose(sums[covered], 1.0, atol=1e-5)  # neighbours share every bin
    assert not matrix[np.arange(257) * 31.25 >= 7_500.0].any()
    assert not matrix[np.arange(257) * 31.25 <= 125.0].any()


@pytest.mark.parametrize(
    ("duration_s", "count"), [(10.0, 10), (5.0, 5), (0.975, 1), (0.3, 1), (0.0, 1), (1.934, 1)]
)
def test_patches_are_counted_as_in_torchvggish_and_too_short_ones_are_filled(
    duration_s: float, count: int
) -> None:
    found = patches(np.zeros(round(duration_s * 16_000), np.float32), 16_000)
    assert found.shape == (count, 96, 64)
    assert np.isfinite(found).all()


def test_a_short_clip_stands_at_the_end_of_its_patch() -> None:
    click = noise(0.2, 16_000).astype(np.float32)
    filled = np.concatenate([np.zeros(PATCH_SAMPLES - len(click), np.float32), click])
    np.testing.assert_array_equal(patches(click, 16_000), patches(filled, 16_000))


def test_silence_is_the_floor() -> None:
    np.testing.assert_allclose(patches(np.zeros(16_000, np.float32), 16_000), np.log(0.01))


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 48_000, 192_000])
def test_another_rate_is_the_same_sound(sample_rate: int) -> None:
    heard = patches(sine(440.0, 2.0, sample_rate).astype(np.float32), sample_rate)
    expected = patches(sine(440.0, 2.0, 16_000).astype(np.float32), 16_000)
    assert np.abs(heard[0, 10:80] - expected[0, 10:80])[:, :20].max() < 0.05


@pytest.mark.parametrize("sample_rate", [0, -1, 4_000, 400_000])
def test_a_rate_that_cannot_be_is_refused(sample_rate: int) -> None:
    with pytest.raises(LimitError, match=str(sample_rate)):
        patches(np.zeros(16_000, np.float32), sample_rate)


def test_ten_minutes_are_cut_whole() -> None:
    assert len(patches(np.zeros(600 * 8_000, np.float32), 8_000)) == 624


def test_the_quantiser_meets_its_edges() -> None:
    """-2 -> 0, 2 -> 255, 0 -> 127.5, which NumPy and torch round to the even 128."""
    raw = np.zeros((3, 128), np.float32)
    raw[0], raw[1], raw[2] = -9.0, 0.0, 9.0
    found = quantised(raw, np.eye(128), np.zeros((128, 1)))
    assert [row[0] for row in found] == [0.0, 128.0, 255.0]
    shifted = quantised(raw[1:2], np.eye(128), np.full((128, 1), 2.0))
    assert not shifted.any()


def test_components_turn_before_they_quantise() -> None:
    eigen_vectors = np.zeros((128, 128))
    eigen_vectors[7, 3] = 2.0
    raw = np.zeros((1, 128), np.float32)
    raw[0, 3] = 0.75
    found = quantised(raw, eigen_vectors, np.full((128, 1), 0.25))
    assert found[0, 7] == round((2.0 * 0.5 + 2.0) * 63.75)


def test_an_encoder_gives_the_mean_over_patches(weights: Path) -> None:
    encoder = VggishEncoder(weights)
    sound = noise(3.0, 16_000).astype(np.float32)
    rows = encoder.sequence(sound, 16_000)
    assert rows.shape == (3, 128)
    assert encoder.encode(sound, 16_000).shape == (128,)
    np.testing.assert_allclose(encoder.encode(sound, 16_000), rows.mean(axis=0), rtol=1e-6)
    assert encoder.name == VGGISH
    assert not np.allclose(rows[0], encoder.sequence(sine(300.0, 1.0, 16_000), 16_000)[0])


def test_quantised_numbers_are_another_encoder(weights: Path) -> None:
    encoder = VggishEncoder(weights.parent, quantised=True)
    rows = encoder.sequence(noise(1.0, 16_000), 16_000)
    assert encoder.name == VGGISH_QUANTISED
    np.testing.assert_array_equal(rows, np.round(rows))
    assert 0.0 <= rows.min() <= rows.max() <= 255.0


def test_without_components_there_are_no_quantised_numbers(tmp_path: Path) -> None:
    path = write_vggish(tmp_path / FILE_NAME, components=False)
    assert load_vggish(path)[1] is None
    with pytest.raises(ModelLoadError, match="no principal components"):
        VggishEncoder(path, quantised=True)


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"are not in .*torchvggish.*sonolume train vggish"):
        VggishEncoder(tmp_path)


def test_a_pickle_is_never_opened_when_sonolume_listens(tmp_path: Path) -> None:
    (tmp_path / NETWORK_PICKLE).write_bytes(b"\x80\x04.")
    for place in (tmp_path, tmp_path / NETWORK_PICKLE):
        with pytest.raises(ModelLoadError, match=r"is a pickle.*sonolume train vggish --data"):
            vggish_file(place)


def test_a_file_of_another_shape_is_refused_by_its_first_odd_tensor(tmp_path: Path) -> None:
    path = write_vggish(tmp_path / FILE_NAME)
    tensors = load_file(path)
    save_file(tensors | {"embeddings.4.weight": torch.zeros(64, 256)}, path)
    with pytest.raises(ModelLoadError, match=r"embeddings\.4\.weight is \(64, 256\), not \(128"):
        load_vggish(path)
    del tensors["embeddings.4.weight"]
    save_file(tensors, path)
    with pytest.raises(ModelLoadError, match=r"embeddings\.4\.weight is missing"):
        load_vggish(path)
    save_file({"w": torch.zeros(3)}, path)
    with pytest.raises(ModelLoadError, match="is no VGGish"):
        load_vggish(path)


def test_published_pickles_become_one_safetensors_file(tmp_path: Path) -> None:
    torch.manual_seed(4)
    network = VggishNetwork(4)
    torch.save(network.state_dict(), tmp_path / NETWORK_PICKLE)
    arrays = {"pca_eigen_vectors": np.eye(128, dtype=np.float32), "pca_means": np.ones(128)}
    torch.save(arrays, tmp_path / PCA_PICKLE)
    path = convert_vggish(tmp_path, tmp_path / "out" / FILE_NAME)
    loaded, components = load_vggish(path)
    assert components is not None
    assert components[1].shape == (128, 1)
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_a_pickle_that_would_run_code_is_not_converted(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"features.0.weight": Bomb()}, tmp_path / NETWORK_PICKLE)
    with pytest.raises(ModelLoadError, match="something else than tensors"):
        convert_vggish(tmp_path, tmp_path / FILE_NAME)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / FILE_NAME).exists()


def test_a_pickle_of_another_network_is_not_converted(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(3)}, tmp_path / NETWORK_PICKLE)
    with pytest.raises(ModelLoadError, match="is no VGGish"):
        convert_vggish(tmp_path, tmp_path / FILE_NAME)
    assert not (tmp_path / FILE_NAME).exists()
