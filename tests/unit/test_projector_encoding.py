from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.conditioning.adapter_file import AdapterCard, card_metadata
from engine.conditioning.projector.encoding import ProjectorEncoding, open_projector
from engine.conditioning.projector.network import Hearing, projector
from engine.conditioning.projector.plan import plan_for
from engine.conditioning.projector.projector_file import load_projector, save_projector
from engine.conditioning.projector.views import percussive_harmonic, sound_views
from engine.conditioning.sound_embedding import SoundMoment, TargetSpec
from engine.errors import ModelLoadError
from engine.messages import Float32

EMBER = TargetSpec(8, 256, 256)
RATE_HZ = 16_000


def written(path: Path, encoder: str = "ear", kind: str = "projector", **settings: str) -> Path:
    torch.manual_seed(0)
    plan = plan_for(24, EMBER, **settings)
    card = AdapterCard(kind, encoder, 24, EMBER, "ember", plan.settings())
    save_projector(path, card, projector(plan).state_dict())
    return path


def moment(seed: int, encoder: str = "ear", width: int = 24) -> SoundMoment:
    rng = np.random.default_rng(seed)
    views = tuple(rng.normal(size=width).astype(np.float32) for _ in range(3))
    return SoundMoment(np.zeros(10, np.float32), RATE_HZ, encoder, views)


def opened(tmp_path: Path) -> ProjectorEncoding:
    return open_projector(written(tmp_path / "p.safetensors"), EMBER, "ear")


def test_a_projector_comes_back_from_its_file_to_the_last_bit(tmp_path: Path) -> None:
    path = written(tmp_path / "p.safetensors", decomposer="rigid", generator="self-attention")
    _, network = load_projector(path)
    torch.manual_seed(0)
    plan = plan_for(24, EMBER, decomposer="rigid", generator="self-attention")
    views = torch.randn(1, 3, 24)
    torch.manual_seed(0)
    expected = projector(plan).eval().requires_grad_(False)(views, Hearing())
    assert torch.equal(network(views, Hearing()).tokens, expected.tokens)


def test_it_computes_only_when_the_views_or_the_settings_have_changed(tmp_path: Path) -> None:
    encoding = opened(tmp_path)
    first = moment(1)
    same = SoundMoment(np.ones(99, np.float32), RATE_HZ, "ear", first.views)  # newer samples
    once = encoding.embed(first)
    assert once is not None
    assert once.tokens.shape == (8, 256)
    assert once.pooled is not None
    assert once.pooled.shape == (256,)
    assert encoding.embed(same) is once
    assert encoding.computed == 1
    assert not np.array_equal(encoding.embed(moment(2)).tokens, once.tokens)
    encoding.set(Hearing(norm=20.0))
    short = encoding.embed(moment(2))
    assert encoding.computed == 3
    assert np.linalg.norm(short.tokens, axis=1).mean() == pytest.approx(20.0, abs=1e-3)


@pytest.mark.parametrize(
    "hearing", [Hearing(temperature=2.0), Hearing(norm=90.0), Hearing(gates=(0.5, 0.3, 0.1))]
)
def test_every_setting_changes_the_rows(tmp_path: Path, hearing: Hearing) -> None:
    encoding = opened(tmp_path)
    plain = encoding.embed(moment(1))
    encoding.set(hearing)
    assert not np.allclose(encoding.embed(moment(1)).tokens, plain.tokens)


def test_the_bars_show_shares_that_sum_to_one(tmp_path: Path) -> None:
    encoding = opened(tmp_path)
    assert encoding.levels is None
    encoding.stage_rows(moment(1))
    assert encoding.levels is not None
    np.testing.assert_allclose(encoding.levels.assignment.sum(axis=1), np.ones(10), atol=1e-5)
    assert encoding.levels.weights.sum() == pytest.approx(1.0, abs=1e-5)


def test_without_an_answer_of_the_encoder_there_is_nothing(tmp_path: Path) -> None:
    silent = SoundMoment(np.zeros(10, np.float32), RATE_HZ)
    assert opened(tmp_path).embed(silent) is None
    assert opened(tmp_path).stage_rows(silent) is None


def test_views_of_another_encoder_are_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"the listener is clap.*--encoder clap"):
        opened(tmp_path).embed(moment(1, "clap"))
    with pytest.raises(ModelLoadError, match="24 numbers"):
        opened(tmp_path).embed(moment(1, "ear", 25))


def test_a_file_for_another_model_or_listener_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "p.safetensors")
    with pytest.raises(ModelLoadError, match=r"8 x 256.*77 x 768.*sonolume train projector"):
        open_projector(path, TargetSpec(77, 768), "ear")
    with pytest.raises(ModelLoadError, match="--encoder clap"):
        open_projector(path, EMBER, "clap")


def test_an_encoder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "p.safetensors", "msclap")
    with pytest.raises(ModelLoadError, match=r"hears msclap.*does not have.*ear or clap"):
        open_projector(path, EMBER)


def test_a_mapper_is_no_projector(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="is a mapper, not a projector"):
        open_projector(written(tmp_path / "p.safetensors", kind="mapper"), EMBER, "ear")


def test_missing_weights_are_an_error_and_never_random(tmp_path: Path) -> None:
    path = written(tmp_path / "p.safetensors")
    tensors = load_file(path)
    del tensors["projector.generator.queries"]
    plan = plan_for(24, EMBER)
    card = AdapterCard("projector", "ear", 24, EMBER, "ember", plan.settings())
    save_file(tensors, path, metadata=card_metadata(card))
    with pytest.raises(ModelLoadError, match=r"generator\.queries"):
        open_projector(path, EMBER, "ear")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "audio_projector_stage1.pth"
    torch.save({"model_state_dict": {}}, path)
    with pytest.raises(ModelLoadError, match=r"is a pickle.*train projector --convert"):
        open_projector(path, EMBER, "ear")


def clicks_and_tone() -> tuple[Float32, Float32]:
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    tone = (0.3 * np.sin(2 * np.pi * 440.0 * time_s)).astype(np.float32)
    clicks = np.zeros_like(tone)
    clicks[RATE_HZ // 4 :: RATE_HZ // 2] = 1.0
    return clicks, tone


def test_strokes_go_to_one_part_and_tones_to_the_other() -> None:
    clicks, tone = clicks_and_tone()
    struck, sounding = percussive_harmonic(clicks + tone, RATE_HZ)
    np.testing.assert_allclose(struck + sounding, clicks + tone, atol=1e-6)
    assert np.linalg.norm(sounding - tone) < 0.3 * np.linalg.norm(tone)
    assert np.linalg.norm(struck - clicks) < 0.5 * np.linalg.norm(clicks)


@pytest.mark.parametrize("count", [1, 100, 5000, 2 * RATE_HZ])
def test_any_length_has_three_views(count: int) -> None:
    rng = np.random.default_rng(count)
    samples = rng.normal(size=count).astype(np.float32)

    def loudness(part: Float32, rate_hz: int) -> Float32:
        return np.array([np.square(part).mean(), len(part), rate_hz], np.float32)

    views = sound_views(samples, RATE_HZ, 1.0, loudness)
    assert views.shape == (3, 3)
    assert np.isfinite(views).all()


def test_the_three_views_of_a_sound_differ() -> None:
    clicks, tone = clicks_and_tone()

    def spectrum(part: Float32, rate_hz: int) -> Float32:
        return np.abs(np.fft.rfft(part, 1024)).astype(np.float32)

    struck, sounding, whole = sound_views(clicks + tone, RATE_HZ, 1.0, spectrum)
    peak = round(440.0 * 1024 / RATE_HZ)
    assert sounding[peak] > 5.0 * struck[peak]
    assert not np.allclose(whole, sounding)
