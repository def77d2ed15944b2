from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.source import checkpoint_path
from engine.diffusion.noise_level import noised, on_device
from engine.errors import ModelLoadError
from engine.messages import Travel
from engine.registry import ModelRequest
from tests.checkpoints import write_sd, write_sdxl
from tests.states import control

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("checkpoints")
    return {
        "sd15": write_sd(home / "sd15", tiny_vae=False),
        "sd-turbo": write_sd(home / "sd-turbo", width=64),
        "sdxl-turbo": write_sdxl(home / "sdxl-turbo"),
    }


def open_model(folder: Path) -> FeedbackModel:
    return open_checkpoint(ModelRequest(str(folder), 128, 64, "cpu", "float32", 1))


@pytest.mark.parametrize("name", ["sd15", "sd-turbo", "sdxl-turbo"])
def test_the_same_loop_runs_every_layout(folders: dict[str, Path], name: str) -> None:
    model = open_model(folders[name])
    first = model.generate(control(0.0), 0.0)
    second = model.generate(control(0.1, travel=Travel(log_zoom=0.02, noise_rad=0.3)), 0.1)
    assert first.shape == second.shape == (64, 128, 3)
    assert first.dtype == np.uint8
    assert not np.array_equal(first, second)
    model.close()


def test_strength_is_continuous_and_monotone(folders: dict[str, Path]) -> None:
    bundle = open_model(folders["sd-turbo"]).bundle
    levels = [bundle.noise_level(float(s)) for s in np.linspace(0.002, 1.0, 2000)]
    for earlier, later in itertools.pairwise(levels):  # between whole timesteps too
        assert 0.0 < later.time - earlier.time < 0.51
        assert 0.0 < earlier.alpha - later.alpha < 2e-3
        assert later.sigma > earlier.sigma
        assert later.alpha**2 + later.sigma**2 == pytest.approx(1.0)


def test_at_a_whole_timestep_the_level_is_the_schedules(folders: dict[str, Path]) -> None:
    bundle = open_model(folders["sd-turbo"]).bundle
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    for t in (1, 299, 499, 999):
        level = bundle.noise_level(t / 999)
        assert level.time == pytest.approx(t)
        assert level.alpha == pytest.approx(np.cumprod(1.0 - betas)[t] ** 0.5, rel=1e-6)


@torch.inference_mode()
def test_x0_of_a_perfect_prediction_is_the_clean_latent(folders: dict[str, Path]) -> None:
    model = open_model(folders["sd-turbo"])
    bundle = model.bundle
    latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    bundle._predict = lambda *_: noise  # type: ignore[attr-defined]
    for strength in (0.1, 0.5, 1.0):
        level = on_device(bundle.noise_level(strength), bundle.device)
        noisy = noised(latent, noise, level)
        clean = bundle.denoised(noisy, level, bundle.encode_prompt("lower"), None)
        assert torch.allclose(clean, latent, atol=2e-4)


def test_prompt_guidance_and_seed_change_the_picture(folders: dict[str, Path]) -> None:
    def picture(prompt: str = "lower", **values: float) -> np.ndarray:
        model = open_model(folders["sdxl-turbo"])
        return model.generate(control(prompts=((prompt, 1.0),), **values), 0.0)

    base = picture()
    assert np.array_equal(base, picture())
    assert not np.array_equal(base, picture("newer wider"))
    assert not np.array_equal(base, picture(diffusion__guidance=3.0))
    assert not np.array_equal(base, picture(diffusion__seed=5.0))


def test_a_blended_prompt_lies_between_its_ends(folders: dict[str, Path]) -> None:
    model = open_model(folders["sd-turbo"])
    ends = [model.generate(control(prompts=((text, 1.0),)), 0.0).astype(int)
            for text in ("lower", "newer wider")
            if model.restart() is None]  # fmt: skip
    model.restart()
    middle = model.generate(control(prompts=(("lower", 0.5), ("newer wider", 0.5))), 0.0)
    distances = [float(np.abs(middle - end).mean()) for end in ends]
    whole = float(np.abs(ends[0] - ends[1]).mean())
    assert all(distance < whole for distance in distances)


@pytest.mark.parametrize("component", ["unet", "vae", "text_encoder"])
def test_a_missing_component_is_named(tmp_path: Path, component: str) -> None:
    folder = write_sd(tmp_path / "broken")
    for file in (folder / component).iterdir():
        file.unlink()
    with pytest.raises(ModelLoadError, match=component):
        open_model(folder)


def test_a_damaged_weights_file_is_one_clear_line(tmp_path: Path) -> None:
    folder = write_sd(tmp_path / "damaged")
    next((folder / "unet").glob("*.safetensors")).write_bytes(b"not weights")
    with pytest.raises(ModelLoadError, match=r"unet.*is no safetensors file") as caught:
        open_model(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="model_index"):
        open_model(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(ModelLoadError, match="FluxPipeline"):
        open_model(tmp_path)


def test_an_unknown_name_is_no_hub_id() -> None:
    with pytest.raises(ModelLoadError, match="models list"):
        checkpoint_path("embr")


def test_a_hub_id_without_network_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelLoadError, match=r"someone/some-model .* network") as caught:
        checkpoint_path("someone/some-model")
    assert "\n" not in str(caught.value)


def test_words_that_clip_does_not_read_are_counted(folders: dict[str, Path]) -> None:
    model = open_model(folders["sd-turbo"])
    assert model.reading("a sunset").left_out == 0
    reading = model.reading("sunset " * 400)
    assert reading.unknown_words == ()
    assert 300 < reading.left_out < 400
    model.close()
