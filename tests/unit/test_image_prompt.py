"""A picture as a prompt, by a tiny IP-Adapter in the exact layout of the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.image_prompt import ImagePrompt
from engine.diffusion.noise_level import on_device
from engine.diffusion.structure.image import read_picture
from engine.errors import ModelLoadError
from engine.messages import Uint8
from engine.registry import Guides, ModelRequest, check_guides
from tests.checkpoints import write_ip_adapter, write_sd, write_sdxl
from tests.states import control

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("image_prompt")
    write_sd(home / "sd", tiny_vae=False)
    write_sdxl(home / "sdxl")
    write_sd(home / "sd-turbo", width=64)
    for family in ("sd", "sdxl"):
        write_ip_adapter(home / family / "ip" / "adapter.safetensors", home / family)
    for name, colour in (("red", (20, 30, 200)), ("blue", (220, 40, 10))):
        picture = np.full((40, 60, 3), colour, np.uint8)
        picture[10:20, 20:40] = 255
        cv2.imwrite(str(home / f"{name}.png"), picture)
    return home


def open_model(home: Path, family: str, picture: str = "", adapter: str = "") -> FeedbackModel:
    file = home / (adapter or family) / "ip" / "adapter.safetensors"
    guides = (
        Guides(ip_adapter=str(file), image_prompt=str(home / picture)) if picture else Guides()
    )
    return open_checkpoint(
        ModelRequest(str(home / family), 128, 64, "cpu", "float32", 1, guides=guides)
    )


def painted(model: FeedbackModel, **values: float) -> Uint8:
    model.restart()
    return model.generate(control(0.0, **values), 0.0)


def load_unet(home: Path, family: str) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(
        home / family / "unet", use_safetensors=True, low_cpu_mem_usage=False
    ).eval()


@torch.inference_mode()
def test_it_computes_what_diffusers_does_with_the_same_file(home: Path) -> None:
    from transformers import CLIPVisionModelWithProjection

    file = home / "sd" / "ip" / "adapter.safetensors"
    picture = read_picture(home / "red.png")
    ours, theirs = load_unet(home, "sd"), load_unet(home, "sd")
    prompt = ImagePrompt(file, picture, ours, CPU, torch.float32)
    prompt.weigh(0.7)
    weights = load_file(file)
    parts = {
        group: {
            name.removeprefix(f"{group}."): weight
            for name, weight in weights.items()
            if name.startswith(f"{group}.")
        }
        for group in ("image_proj", "ip_adapter")
    }
    theirs._load_ip_adapter_weights(parts, low_cpu_mem_usage=False)
    for processor in theirs.attn_processors.values():
        if hasattr(processor, "scale"):
            processor.scale = [0.7]
    encoder = CLIPVisionModelWithProjection.from_pretrained(file.parent / "image_encoder").eval()
    pixels = torch.from_numpy(cover_28(picture)).permute(2, 0, 1).unsqueeze(0)
    vector = encoder(pixel_values=pixels).image_embeds
    generator = torch.Generator().manual_seed(2)
    sample = torch.randn(1, 4, 8, 16, generator=generator)
    tokens = torch.randn(1, 77, 32, generator=generator)
    call = {"encoder_hidden_states": tokens, "return_dict": False}
    expected = theirs(sample, 300, added_cond_kwargs={"image_embeds": [vector[None]]}, **call)[0]
    found = ours(sample, 300, **call)[0]
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, load_unet(home, "sd")(sample, 300, **call)[0], atol=1e-2)


def cover_28(picture: Uint8) -> np.ndarray:
    """The middle square, scaled as CLIP's own preprocessing does it, normalised."""
    square = picture[:, 10:50]
    small = cv2.resize(square, (28, 28), interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
    std = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
    return (small - mean) / std


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_nought_is_the_text_alone_to_the_bit_and_the_picture_counts_beside_it(
    home: Path, family: str
) -> None:
    plain = painted(open_model(home, family))
    red, blue = open_model(home, family, "red.png"), open_model(home, family, "blue.png")
    assert np.array_equal(plain, painted(red, prompt__image=0.0))
    assert not np.array_equal(plain, painted(red, prompt__image=0.6))
    seen = [noise_of(model) for model in (red, blue)]
    assert not torch.allclose(seen[0], seen[1], atol=1e-4)
    red.close()


@torch.inference_mode()
def noise_of(model: FeedbackModel) -> torch.Tensor:
    """What the U-Net paints from one noise."""
    bundle = model.bundle
    bundle.guide(None, {"structure/control": 0.0, "prompt/image": 1.0})  # type: ignore[attr-defined]
    noise = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(1))
    prompt = bundle.encode_prompt("lower")
    bundle.hold(prompt)
    return bundle.denoised(noise, on_device(bundle.noise_level(0.8), bundle.device), prompt, None)


@torch.inference_mode()
def test_two_rows_see_the_same_picture(home: Path) -> None:
    unet = load_unet(home, "sd")
    file = home / "sd" / "ip" / "adapter.safetensors"
    ImagePrompt(file, read_picture(home / "red.png"), unet, CPU, torch.float32).weigh(0.8)
    generator = torch.Generator().manual_seed(3)
    sample = torch.randn(1, 4, 8, 8, generator=generator)
    tokens = torch.randn(2, 77, 32, generator=generator)
    both = unet(sample.expand(2, -1, -1, -1), 500, tokens, return_dict=False)[0]
    for row in range(2):
        one = unet(sample, 500, tokens[row : row + 1], return_dict=False)[0]
        assert torch.allclose(both[row : row + 1], one, atol=1e-5)


# what will not do -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "adapter"), [("sd-turbo", "sd"), ("sdxl", "sd"), ("sd", "sdxl")]
)
def test_one_of_another_family_is_named(home: Path, family: str, adapter: str) -> None:
    with pytest.raises(
        ModelLoadError, match=r"for another family \(ip_adapter\.\d+\.to_k_ip"
    ) as it:
        open_model(home, family, "red.png", adapter)
    assert "\n" not in str(it.value)


def test_a_plus_adapter_a_lora_a_pickle_and_rubbish_are_named(home: Path, tmp_path: Path) -> None:
    zero = torch.zeros(1)
    for name, content, words in (
        ("plus.safetensors", {"image_proj.latents": zero}, "another kind"),
        ("lora.safetensors", {"lora_unet.alpha": zero}, "no IP-Adapter"),
        ("a.bin", None, "a pickle can run code"),
        ("text.safetensors", None, "cannot be read"),
        ("gone.safetensors", None, "cannot be read"),
    ):
        file = tmp_path / name
        if content is not None:
            save_file(content, file)
        elif name != "gone.safetensors":
            file.write_bytes(b"rubbish")
        with pytest.raises(ModelLoadError, match=words) as caught:
            ImagePrompt(file, read_picture(home / "red.png"), load_unet(home, "sd"), CPU,
                        torch.float32)  # fmt: skip
        assert "\n" not in str(caught.value)


def test_a_missing_encoder_or_picture_is_named_with_the_place(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "adapter.safetensors"
    file.write_bytes((home / "sd" / "ip" / "adapter.safetensors").read_bytes())
    picture = read_picture(home / "red.png")
    with pytest.raises(ModelLoadError, match="no image encoder beside"):
        ImagePrompt(file, picture, load_unet(home, "sd"), CPU, torch.float32)
    with pytest.raises(ModelLoadError, match=r"--image-prompt: .*gone\.png cannot be read"):
        open_model(home, "sd", "gone.png")


def test_an_adapter_and_its_picture_go_together_and_lead_no_ember() -> None:
    with pytest.raises(ModelLoadError, match="--ip-adapter without --image-prompt"):
        check_guides(Guides(ip_adapter="a"), "some/checkpoint")
    with pytest.raises(ModelLoadError, match="--image-prompt without --ip-adapter"):
        check_guides(Guides(image_prompt="a"), "some/checkpoint")
    with pytest.raises(ModelLoadError, match=r"--ip-adapter leads .* ember is none"):
        check_guides(Guides(ip_adapter="a", image_prompt="b"), "ember")
