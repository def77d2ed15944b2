"""The networks of ember: shapes, budgets, text, weights on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from engine.conditioning.word_table import MAX_WORDS, WordTable, split_words
from engine.diffusion.models.ember.autoencoder import (
    AutoencoderConfig,
    Decoder,
    Encoder,
    count_flops,
)
from engine.diffusion.models.ember.text import TextConfig, TextEncoder
from engine.diffusion.models.ember.unet import FlowUNet, UNetConfig
from engine.diffusion.models.ember.weights import EmberNetworks, Sampling, load_ember, save_ember
from engine.errors import ModelLoadError

_WORD_WIDTH = 8
_SMALL_TEXT = TextConfig(word_width=_WORD_WIDTH, width=32, layers=1, heads=2)
_SMALL_UNET = UNetConfig(widths=(16, 32, 32), conditioning_width=16, text_width=32, head_width=16)
_SMALL_AUTOENCODER = AutoencoderConfig(
    encoder_width=16,
    decoder_widths=(16, 16, 16),
    latents_mean=tuple(0.1 * i for i in range(16)),
    latents_std=tuple(1 + 0.1 * i for i in range(16)),
)
_PIECES = ("sea", "ocean", "fire", "flame", "tax", "##s", "sun", "##set")


def _vectors() -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
    rows = np.zeros((len(_PIECES), _WORD_WIDTH), np.int8)
    for row, (first, second) in enumerate(
        [(100, 0), (95, 30), (0, 100), (0, 120), (0, 0), (0, 0), (70, 70), (60, 80)]
    ):
        rows[row, :2] = first, second
    rows[4, 5] = 100
    rows[5, 6] = 20
    return rows


def _table(known: Sequence[str] = ("sea", "fire", "sun")) -> WordTable:
    weights = np.ones(len(_PIECES), np.float32)
    return WordTable(_PIECES, _vectors(), weights, known, 0.6)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    table = tmp_path / "table"
    table.mkdir()
    weights = np.ones(len(_PIECES), np.float16)
    save_file({"vectors": _vectors(), "weights": weights}, table / "word_table.safetensors")
    (table / "vocab.txt").write_text("\n".join(_PIECES) + "\n")
    config = {"known_words": ["sea", "fire", "sun"], "known_similarity": 0.6}
    (table / "word_table.json").write_text(json.dumps(config))
    both = nn.ModuleDict(
        {"encoder": Encoder(_SMALL_AUTOENCODER), "decoder": Decoder(_SMALL_AUTOENCODER)}
    )
    folder = tmp_path / "ember"
    save_ember(
        folder,
        (_SMALL_AUTOENCODER, both.state_dict()),
        (_SMALL_UNET, FlowUNet(_SMALL_UNET).state_dict()),
        (_SMALL_TEXT, TextEncoder(_SMALL_TEXT).state_dict()),
        table,
        Sampling(fresh_steps=3, guidance=1.5),
    )
    return folder


def _load(folder: Path) -> EmberNetworks:
    return load_ember(folder, "cpu", torch.float32)


def test_the_folder_says_how_to_sample_with_it(saved: Path) -> None:
    assert _load(saved).sampling == Sampling(fresh_steps=3, guidance=1.5)
    index = saved / "model_index.json"
    index.write_text(index.read_text().replace('"sampling"', '"samplings"'))
    with pytest.raises(ModelLoadError, match="how to sample"):
        _load(saved)


def test_the_networks_keep_their_budget_of_operations() -> None:
    config = AutoencoderConfig()
    picture, latents = torch.zeros(1, 3, 512, 512), torch.zeros(1, 16, 32, 32)
    assert count_flops(Encoder(config), picture) <= 1e9
    assert count_flops(Decoder(config), latents) <= 3e9
    unet = FlowUNet(UNetConfig())
    tokens, pooled = torch.zeros(1, TextConfig().slots, 256), torch.zeros(1, 256)
    assert 1e9 < count_flops(unet, latents, torch.ones(1), tokens, pooled) <= 3e9


def test_counting_a_known_convolution_gives_two_per_multiply_add() -> None:
    convolution = nn.Conv2d(4, 8, 3, padding=1)
    expected = 2 * 4 * 8 * 9 * 16 * 16
    assert count_flops(convolution, torch.zeros(1, 4, 16, 16)) == expected


def test_the_untrained_weights_stay_below_the_size_that_ships() -> None:
    modules = (Encoder(AutoencoderConfig()), Decoder(AutoencoderConfig()))
    count = sum(p.numel() for m in modules for p in m.parameters())
    count += sum(p.numel() for p in FlowUNet(UNetConfig()).parameters())
    count += sum(p.numel() for p in TextEncoder(TextConfig()).parameters())
    assert 2 * count < 25e6  # with the word table of 6.7 MB: below 32 MB


@pytest.mark.parametrize(("height", "width"), [(512, 512), (384, 640), (16, 48)])
def test_the_autoencoder_takes_any_multiple_of_sixteen(height: int, width: int) -> None:
    encoder, decoder = Encoder(_SMALL_AUTOENCODER), Decoder(_SMALL_AUTOENCODER)
    latents = encoder(torch.zeros(1, 3, height, width))
    assert latents.shape == (1, 16, height // 16, width // 16)
    assert decoder(latents).shape == (1, 3, height, width)


def test_folding_the_normalisation_equals_normalising_afterwards() -> None:
    encoder = Encoder(_SMALL_AUTOENCODER)
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    mean = torch.tensor(_SMALL_AUTOENCODER.latents_mean)[:, None, None]
    std = torch.tensor(_SMALL_AUTOENCODER.latents_std)[:, None, None]
    expected = (encoder(picture) - mean) / std
    encoder.fold_normalisation(_SMALL_AUTOENCODER.latents_mean, _SMALL_AUTOENCODER.latents_std)
    torch.testing.assert_close(encoder(picture), expected, rtol=1e-4, atol=1e-5)


def test_one_row_of_a_batch_does_not_depend_on_the_others() -> None:
    torch.manual_seed(2)
    unet = FlowUNet(_SMALL_UNET)
    for parameter in unet.parameters():  # branches start at zero and would hide everything
        nn.init.normal_(parameter, std=0.1)
    x, t = torch.randn(2, 16, 8, 12), torch.tensor([0.3, 1.0])
    tokens, pooled = torch.randn(2, 8, 32), torch.randn(2, 32)
    both = unet(x, t, tokens, pooled)
    alone = unet(x[:1], t[:1], tokens[:1], pooled[:1])
    torch.testing.assert_close(both[:1], alone, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(unet(x, t, 2 * tokens, pooled), both)
    assert not torch.allclose(unet(x, t, tokens, 2 * pooled), both)
    assert not torch.allclose(unet(x, 0.5 * t, tokens, pooled), both)


def test_words_are_split_without_accents_and_punctuation() -> None:
    assert split_words("A café, at Night-fall! 3D") == ["a", "cafe", "at", "night", "fall", "3d"]


def test_a_word_outside_the_table_is_made_of_its_pieces() -> None:
    table = _table(known=())
    whole = table.vectors_of("sunset")[0]
    expected = (table.vectors_of("sun")[0] + np.array([0.6, 0.8, *[0] * 6])) / 2
    np.testing.assert_allclose(whole, expected / np.linalg.norm(expected), atol=1e-3)


def test_a_word_of_no_caption_is_heard_as_its_neighbours_and_hardly_where_none_is_near() -> None:
    known = ["sunset", "mountain"]
    vectors = np.array([[100, 0, 0], [0, 100, 0], [90, 20, 38], [5, -10, 99]], np.int8)
    table = WordTable([*known, "dusk", "zorblax"], vectors, np.ones(4, np.float32), known, 0.5)
    sunset, dusk, foreign = table.vectors_of("sunset dusk zorblax")
    own = table.directions([table.rows["dusk"]])[0]
    assert own @ sunset < 0.95 < dusk @ sunset / np.linalg.norm(dusk)
    assert np.linalg.norm(dusk) == pytest.approx(1.0, abs=1e-3)
    assert 0.0 < np.linalg.norm(foreign) < 0.2


def test_a_word_far_from_all_captions_is_reported() -> None:
    table = _table()
    assert table.unknown_words("an ocean of flames") == []
    assert [item.word for item in table.unknown_words("a tax on the sea")] == ["tax"]


def test_the_hint_for_an_unknown_word_is_near_in_meaning_or_spelling_or_there_is_none() -> None:
    known = ["sunset", "mountain", "fire"]
    vectors = np.array([[100, 0, 0], [0, 100, 0], [0, 0, 100], [38, 0, 92], [5, 5, 99]])
    vectors = np.vstack([vectors, [[-50, -50, -50]], [[-50, -60, -50]]]).astype(np.int8)
    pieces = [*known, "dusk", "blaze", "montain", "zorblax"]
    table = WordTable(pieces, vectors, np.ones(7, np.float32), known, known_similarity=0.95)
    hints = {item.word: item.nearest for item in table.unknown_words("dusk montain zorblax")}
    assert hints == {"dusk": "fire", "montain": "mountain", "zorblax": ""}


def test_a_word_without_any_known_letter_is_unknown_not_an_error() -> None:
    assert [item.word for item in _table().unknown_words("海 sea")] == ["海"]
    assert not _table().vectors_of("海").any()


def test_words_beyond_the_limit_are_ignored() -> None:
    assert len(_table().vectors_of("sea " * 40)) == MAX_WORDS


def test_word_order_and_the_empty_prompt_reach_the_slots(saved: Path) -> None:
    text = _load(saved).text
    one = text.encode(["sea fire", "fire sea", ""])
    assert one.tokens.shape == (3, text.config.slots, 32)
    for heard in (one.tokens, one.pooled):
        assert not torch.allclose(heard[0], heard[1])
        assert not torch.allclose(heard[0], heard[2])
        assert heard[2].any()


def test_padding_does_not_change_what_a_prompt_means(saved: Path) -> None:
    text = _load(saved).text
    alone, beside = text.encode(["sea"]), text.encode(["sea", "fire sun ocean sea fire"])
    torch.testing.assert_close(alone.tokens[0], beside.tokens[0])
    torch.testing.assert_close(alone.pooled[0], beside.pooled[0])


def test_a_saved_model_loads_with_the_same_weights_and_without_gradients(saved: Path) -> None:
    networks = _load(saved)
    again = _load(saved)
    x = torch.ones(1, 16, 8, 8)
    torch.testing.assert_close(networks.decoder(x), again.decoder(x))
    modules = (networks.encoder, networks.decoder, networks.unet, networks.text)
    assert not any(p.requires_grad for module in modules for p in module.parameters())
    assert not any(module.training for module in modules)
    latents = networks.encoder(torch.zeros(1, 3, 64, 64))
    plain = Encoder(_SMALL_AUTOENCODER)
    assert latents.shape == plain(torch.zeros(1, 3, 64, 64)).shape


def test_bfloat16_networks_answer_in_bfloat16(saved: Path) -> None:
    networks = load_ember(saved, "cpu", torch.bfloat16)
    with torch.inference_mode():
        words = networks.text.encode(["sea"])
        x = torch.zeros(1, 16, 8, 8, dtype=torch.bfloat16)
        velocity = networks.unet(x, torch.ones(1), words.tokens, words.pooled)
    assert words.tokens.dtype == torch.float32
    assert velocity.dtype == torch.bfloat16


@pytest.mark.parametrize(
    "name",
    [
        "model_index.json",
        "unet/config.json",
        "unet/model-00001-of-00001.safetensors",
        "text/vocab.txt",
        "text/word_table.safetensors",
        "autoencoder/model-00001-of-00001.safetensors",
    ],
)
def test_a_missing_or_damaged_file_is_named_in_one_line(saved: Path, name: str) -> None:
    path = saved / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelLoadError, match=path.name) as damaged:
        _load(saved)
    assert "\n" not in str(damaged.value)
    path.unlink()
    with pytest.raises(ModelLoadError, match=path.name) as missing:
        _load(saved)
    assert "install" in str(missing.value)


def test_another_format_version_is_refused(saved: Path) -> None:
    path = saved / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99}))
    with pytest.raises(ModelLoadError, match="99"):
        _load(saved)


def test_reading_the_weights_makes_torch_import_nothing_that_a_start_would_wait_for() -> None:
    script = (
        "import sys, torch\n"
        "from engine.diffusion.models.ember.bundle import ember_folder\n"
        "from engine.diffusion.models.ember.weights import load_ember\n"
        "before = set(sys.modules)\n"
        "load_ember(ember_folder(), 'cpu', torch.float32)\n"
        "print(len(set(sys.modules) - before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 50  # one random number on the meta device: 500
