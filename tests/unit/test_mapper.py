"""Mappers: published counts, SD 3's assembly, files that refuse what does not fit, encoding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.conditioning.adapter_file import AdapterCard, card_metadata
from engine.conditioning.mapper import MapperEncoding, picked
from engine.conditioning.mapper_embedding import EmbeddingMapper
from engine.conditioning.mapper_file import load_mapper, save_mapper
from engine.conditioning.mapper_names import NETWORKS
from engine.conditioning.mapper_networks import (
    MultiOutputTransformer,
    ResidualMapper,
    TransformationNetwork,
)
from engine.conditioning.mapper_shape import WIDE_HIDDEN, default_shape, sd3_blocks, shape_of
from engine.conditioning.sound_embedding import SoundMoment, TargetSpec
from engine.errors import LimitError, ModelLoadError
from engine.quiet_loaders import quiet_loaders
from tests.signals import sine
from tests.unit.test_vggish import write_vggish

EMBER, SD3 = TargetSpec(8, 256, 256), TargetSpec(333, 4096, 2048)
SD15, SD_TURBO, SDXL = TargetSpec(77, 768), TargetSpec(77, 1024), TargetSpec(77, 2048, 1280)
SMALL = TargetSpec(3, 4, 2)


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def on_meta(network: str, target: TargetSpec, width: int = 128) -> EmbeddingMapper:
    with torch.device("meta"):
        return EmbeddingMapper(width, target, default_shape(network, target, "vggish"))


def test_v2ds_pooled_mapper_has_its_counts_and_names() -> None:
    with torch.device("meta"):
        assert count(TransformationNetwork()) == 3_745_280
        assert count(TransformationNetwork(512)) == 3_941_888
        assert count(TransformationNetwork(hidden=WIDE_HIDDEN)) == 13_191_680
        names = set(TransformationNetwork().state_dict())
    places = (0, 2, 4, 6, 8, 10, 12)
    assert names == {f"layers.{i}.{kind}" for i in places for kind in ("weight", "bias")}


def test_v2ds_residual_and_sequence_models_have_their_counts() -> None:
    with torch.device("meta"):
        assert count(ResidualMapper()) == 8_996_352
        assert count(MultiOutputTransformer(10)) == 11_629_276
        assert count(MultiOutputTransformer(5)) == 11_629_176


def test_sd3s_mappers_are_the_published_ones_between_two_scalings() -> None:
    assert count(on_meta("v2d", SD3)) == 3_745_280
    assert count(on_meta("wide", SD3)) == 13_191_680
    assert count(on_meta("residual", SD3)) == 8_996_352
    pooled_head = 512 * 2048 + 2048
    assert count(on_meta("sequence", SD3)) == 11_629_276 + pooled_head


def test_a_fresh_mapper_answers_as_its_published_network() -> None:
    torch.manual_seed(0)
    mapper = EmbeddingMapper(128, SD3, default_shape("v2d", SD3, "vggish")).eval()
    heard = torch.randn(2, 128)
    tokens, pooled = mapper.prompts(mapper(heard))
    assert tokens.shape == (2, 333, 4096)
    assert not tokens.any()
    assert torch.equal(pooled, mapper.network(heard))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("target", [EMBER, SD15, SD_TURBO, SDXL, SD3], ids=str)
def test_every_network_speaks_to_every_model(network: str, target: TargetSpec) -> None:
    mapper = on_meta(network, target)
    patches = mapper.shape.patches
    heard = torch.empty((2, patches, 128) if patches else (2, 128), device="meta")
    tokens, pooled = mapper.prompts(mapper(heard))
    assert tokens.shape == (2, target.tokens, target.width)
    assert (pooled is None) == (target.pooled_width == 0)
    assert pooled is None or pooled.shape == (2, target.pooled_width)


def test_long_prompts_pass_a_narrow_place() -> None:
    assert count(on_meta("v2d", SDXL)) < 25e6
    assert count(on_meta("wide", SDXL)) > count(on_meta("v2d", SDXL))
    assert on_meta("v2d", EMBER).network.layers[8].out_features == 1024


def test_partial_tokens_stand_where_sd3_reads_them() -> None:
    """[20 of CLIP-L | 20 of CLIP-G | 0] and 20 of T5 at row 77, zeros everywhere else."""
    mapper = on_meta("sequence", SD3)
    flat = torch.arange(1.0, mapper.shape.flat_width(SD3) + 1)[None]
    tokens, pooled = mapper.prompts(flat)
    assert tokens[0, 0, 0] == 1.0
    assert tokens[0, 1, 0] == 769.0
    assert tokens[0, 0, 768] == 20 * 768 + 1
    assert tokens[0, 77, 0] == 20 * (768 + 1280) + 1
    assert tokens[0, 96, 4095] == 20 * (768 + 1280 + 4096)
    assert pooled is not None
    assert pooled[0, 0] == 20 * (768 + 1280 + 4096) + 1
    assert int((tokens != 0).sum()) == 20 * (768 + 1280 + 4096)
    assert torch.equal(mapper.flat(tokens, pooled), flat)


def test_a_tiny_sd3_paints_from_zeros_and_a_pooled_vector_and_heeds_it() -> None:
    quiet_loaders("transformers", "diffusers")
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )

    torch.manual_seed(1)
    transformer = SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=16, out_channels=16, num_layers=1,
        attention_head_dim=8, num_attention_heads=2, joint_attention_dim=4096,
        caption_projection_dim=16, pooled_projection_dim=2048, pos_embed_max_size=16,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, latent_channels=16, shift_factor=0.06,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        scaling_factor=1.5, use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip
    pipeline = StableDiffusion3Pipeline(
        transformer, FlowMatchEulerDiscreteScheduler(shift=3.0), vae,
        None, None, None, None, None, None,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    mapper = EmbeddingMapper(128, SD3, default_shape("v2d", SD3, "vggish")).eval()

    def painted(heard: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            tokens, pooled = mapper.prompts(mapper(heard))
        return pipeline(
            prompt_embeds=tokens, pooled_prompt_embeds=pooled,
            negative_prompt_embeds=torch.zeros_like(tokens),
            negative_pooled_prompt_embeds=torch.zeros_like(pooled),
            num_inference_steps=2, guidance_scale=3.0, height=16, width=16, output_type="latent",
            generator=torch.Generator().manual_seed(5),
        ).images  # fmt: skip

    first, again, other = (painted(torch.full((1, 128), v)) for v in (0.5, 0.5, -3.0))
    assert torch.isfinite(first).all()
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_sequence_of_one_vector_per_clip_is_refused() -> None:
    with pytest.raises(LimitError, match="no sequence"):
        default_shape("sequence", EMBER, "clap")


def test_blocks_of_different_height_are_no_sequence() -> None:
    shape = default_shape("sequence", EMBER, "ear")
    uneven = replace(shape, blocks=(*sd3_blocks(1, (2, 2, 4), 3), shape.blocks[0]))
    with pytest.raises(ValueError, match="one height"):
        EmbeddingMapper(8, EMBER, uneven)


def test_what_never_changes_is_written_exactly() -> None:
    mapper = EmbeddingMapper(4, SMALL, default_shape("linear", SMALL, "ear"))
    mapper.output_mean[:4], mapper.output_scale[:4] = 7.0, 0.0
    tokens, _ = mapper.prompts(mapper(torch.randn(3, 4)))
    assert torch.equal(tokens[:, 0], torch.full((3, 4), 7.0))
    assert not torch.equal(tokens[0, 1], tokens[1, 1])


def small_mapper(encoder: str = "ear", network: str = "linear") -> EmbeddingMapper:
    torch.manual_seed(2)
    return EmbeddingMapper(4, SMALL, default_shape(network, SMALL, encoder)).eval()


def written(path: Path, encoder: str = "ear", network: str = "linear", gap: float = 0.0) -> Path:
    mapper = small_mapper(encoder, network)
    mapper.gap.fill_(gap)
    card = AdapterCard("mapper", encoder, 4, SMALL, "ember", mapper.shape.settings(), {"mse": 1.0})
    save_mapper(path, mapper, card)
    return path


@pytest.mark.parametrize("network", NETWORKS)
def test_a_mapper_comes_back_from_its_file(tmp_path: Path, network: str) -> None:
    loaded, card = load_mapper(written(tmp_path / "m.safetensors", network=network))
    heard = torch.randn(1, 10, 4) if network == "sequence" else torch.randn(1, 4)
    atol = 0.02 if network == "small" else 0.0  # that one is kept in int8
    with torch.inference_mode():
        torch.testing.assert_close(
            loaded(heard), small_mapper(network=network)(heard), atol=atol, rtol=0.0
        )
    assert card.figures == {"mse": 1.0}
    assert shape_of(card.settings) == loaded.shape


def test_a_file_that_is_not_what_its_card_says_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "m.safetensors")
    _, card = load_mapper(path)
    tensors = load_file(path)
    save_file(tensors | {"gap": torch.zeros(5)}, path, metadata=card_metadata(card))
    with pytest.raises(ModelLoadError, match=r"gap is \(5,\), not \(4,\)"):
        load_mapper(path)
    save_file(tensors, path, metadata=card_metadata(replace(card, kind="projector")))
    with pytest.raises(ModelLoadError, match="is a projector, not a mapper"):
        load_mapper(path)
    for settings in ({}, {**card.settings, "network": "other"}, {**card.settings, "blocks": 3}):
        save_file(tensors, path, metadata=card_metadata(replace(card, settings=settings)))
        with pytest.raises(ModelLoadError, match=r"card of .* is damaged"):
            load_mapper(path)
    with pytest.raises(ModelLoadError, match="there is no mapper"):
        load_mapper(tmp_path / "none.safetensors")


def test_a_mapper_of_another_model_is_refused_with_both_shapes(tmp_path: Path) -> None:
    path = written(tmp_path / "m.safetensors")
    with pytest.raises(ModelLoadError, match=r"3 x 4 \+ 2.*8 x 256 \+ 256.*train mapper"):
        MapperEncoding(path, EMBER)


def test_the_encoding_takes_the_mean_of_its_own_encoders_views(tmp_path: Path) -> None:
    encoding = MapperEncoding(written(tmp_path / "m.safetensors"), SMALL)
    assert encoding.encoder == "ear"
    views = tuple(np.full(4, v, np.float32) for v in (1.0, 2.0, 6.0))
    moment = SoundMoment(np.zeros(10, np.float32), 48_000, "ear", views)
    found = encoding.embed(moment)
    assert found is not None
    with torch.inference_mode():
        mapper = small_mapper()
        tokens, pooled = mapper.prompts(mapper(torch.full((1, 4), 3.0)))
    np.testing.assert_array_equal(found.tokens, tokens[0].numpy())
    np.testing.assert_array_equal(found.pooled, pooled[0].numpy())
    assert encoding.embed(replace(moment, views=())) is None


def test_views_of_another_encoder_are_refused_by_name(tmp_path: Path) -> None:
    encoding = MapperEncoding(written(tmp_path / "m.safetensors"), SMALL)
    moment = SoundMoment(np.zeros(10, np.float32), 48_000, "clap", (np.ones(512, np.float32),))
    with pytest.raises(ModelLoadError, match=r"hears ear \(4 numbers\).*clap \(512\)"):
        encoding.embed(moment)


def test_an_encoding_that_hears_by_itself_says_nothing_in_silence(tmp_path: Path) -> None:
    def hear(samples: np.ndarray, sample_rate: int) -> np.ndarray:
        return np.full(4, np.abs(samples).max() * sample_rate, np.float32)

    path = written(tmp_path / "m.safetensors")
    encoding = MapperEncoding(path, SMALL, hear=hear, window_s=2.0)
    assert (encoding.encoder, encoding.window_s) == ("", 2.0)
    for samples in (np.zeros(0), np.zeros(100), np.full(100, 1e-4), np.full(100, np.nan)):
        assert encoding.embed(SoundMoment(samples.astype(np.float32), 16_000)) is None
    assert encoding.embed(SoundMoment(sine(440.0, 0.1, 16_000), 16_000)) is not None


def test_directions_are_directions_after_the_mean_of_views(tmp_path: Path) -> None:
    encoding = MapperEncoding(written(tmp_path / "m.safetensors", "clap"), SMALL)
    views = (np.eye(4, dtype=np.float32)[0], np.eye(4, dtype=np.float32)[1])
    moment = SoundMoment(np.zeros(1, np.float32), 48_000, "clap", views)
    between = np.array([0.5**0.5, 0.5**0.5, 0.0, 0.0], np.float32)
    same = replace(moment, views=(between,))
    np.testing.assert_allclose(
        encoding.embed(moment).tokens, encoding.embed(same).tokens, atol=1e-6
    )


def test_a_vggish_mapper_opens_vggish_itself_or_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mapper(encoder: str, network: str) -> Path:
        shape = default_shape(network, SMALL, encoder)
        card = AdapterCard("mapper", encoder, 128, SMALL, "ember", shape.settings())
        path = tmp_path / f"{encoder}-{network}.safetensors"
        save_mapper(path, EmbeddingMapper(128, SMALL, shape), card)
        return path

    place = tmp_path / "vggish.safetensors"
    monkeypatch.setattr("engine.conditioning.vggish_file.default_vggish", lambda: place)
    with pytest.raises(ModelLoadError, match=r"VGGish's weights are not in .*train vggish"):
        MapperEncoding(mapper("vggish", "linear"), SMALL)
    write_vggish(place)
    for encoder, network, window_s in (
        ("vggish", "linear", 1.95), ("vggish-quantised", "sequence", 10.0),
    ):  # fmt: skip
        encoding = MapperEncoding(mapper(encoder, network), SMALL)
        assert encoding.encoder == ""
        assert encoding.window_s == pytest.approx(window_s)
        sound = sine(440.0, window_s, 16_000).astype(np.float32)
        found = encoding.embed(SoundMoment(sound, 16_000))
        assert found is not None
        assert found.tokens.shape == (3, 4)


def test_a_sequence_mapper_wants_an_encoder_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path / "m.safetensors", network="sequence")
    with pytest.raises(ModelLoadError, match="follows a sound over 10 vectors"):
        MapperEncoding(path, SMALL)

    def hear(samples: np.ndarray, sample_rate: int) -> np.ndarray:
        return np.ones((3, 4), np.float32)

    encoding = MapperEncoding(path, SMALL, hear=hear)
    assert encoding.embed(SoundMoment(sine(440.0, 0.1, 16_000), 16_000)) is not None


def test_an_encoder_of_another_width_is_refused(tmp_path: Path) -> None:
    encoding = MapperEncoding(
        written(tmp_path / "m.safetensors"), SMALL, hear=lambda *_: np.ones(5, np.float32)
    )
    with pytest.raises(ModelLoadError, match=r"hears ear \(4 numbers\), not 5"):
        encoding.embed(SoundMoment(sine(440.0, 0.1, 16_000), 16_000))


def test_the_gap_between_sounds_and_texts_is_taken_off(tmp_path: Path) -> None:
    """A direction less the gap is a direction again."""
    path = written(tmp_path / "m.safetensors", "clap", gap=0.25)
    encoding = MapperEncoding(path, SMALL)
    heard = np.array([0.5, 0.5, 0.5, 0.5], np.float32)
    moment = SoundMoment(np.zeros(1, np.float32), 48_000, "clap", (heard,))
    found = encoding.embed(moment)
    plain = MapperEncoding(written(tmp_path / "p.safetensors", "clap"), SMALL).embed(moment)
    assert found is not None
    assert plain is not None
    np.testing.assert_allclose(found.tokens, plain.tokens, atol=1e-6)  # the same direction
    moved = replace(moment, views=(np.array([1.0, 0.0, 0.0, 0.0], np.float32),))
    direction = np.array([0.75, -0.25, -0.25, -0.25]) / np.sqrt(0.75)
    same = replace(moment, views=(direction.astype(np.float32),))
    expected = MapperEncoding(tmp_path / "p.safetensors", SMALL).embed(same)
    np.testing.assert_allclose(encoding.embed(moved).tokens, expected.tokens, atol=1e-5)


def test_patches_are_picked_evenly_and_few_are_repeated_in_order() -> None:
    rows = np.arange(20, dtype=np.float32)[:, None]
    assert picked(rows, 5)[:, 0].tolist() == [0.0, 5.0, 10.0, 14.0, 19.0]
    assert picked(rows[:2], 4)[:, 0].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert picked(rows[:1], 3)[:, 0].tolist() == [0.0, 0.0, 0.0]
