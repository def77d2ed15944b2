"""LoRA files that will not do: one named line each, and nothing has changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.few_step import is_few_step_lora
from engine.diffusion.lora_change import as_matrix
from engine.diffusion.lora_plan import plan_loras
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.errors import ModelLoadError
from engine.messages import LoraChoice
from engine.registry import ModelRequest
from tests.checkpoints import write_lora_kohya, write_lora_peft, write_sd, write_sdxl

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

Q = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
"""A linear layer of the tiny networks, 64x64."""
CONV = "unet.down_blocks.1.resnets.0.conv1"
"""A convolution of theirs, 64x32x3x3."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("loras")
    write_sd(home / "sd15", width=32)
    write_sd(home / "sd-turbo", width=64)
    write_sdxl(home / "sdxl")
    return home


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def model(home: Path) -> FeedbackModel:
    return open_checkpoint(ModelRequest(str(home / "sd15"), 64, 64, "cpu", "float32", 1))


def networks(model: FeedbackModel) -> dict[str, nn.Module]:
    return dict(model.bundle.lora_networks)


def refusal(model: FeedbackModel, path: Path) -> str:
    """Return why a model refuses a file; its weights must be what they were."""
    before = [p.clone() for network in networks(model).values() for p in network.parameters()]
    with pytest.raises(ModelLoadError) as caught:
        model.put_on([LoraChoice(str(path))])
    after = [p for network in networks(model).values() for p in network.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    message = str(caught.value)
    assert "\n" not in message
    return message


def added(model: FeedbackModel, tensors: dict[str, torch.Tensor], tmp_path: Path, layer: str):
    """Return what a file of these tensors adds to a layer's weight."""
    save_file({k: v.contiguous() for k, v in tensors.items()}, tmp_path / "a.safetensors")
    component, _, name = layer.partition(".")
    weight = networks(model)[component].get_parameter(f"{name}.weight")
    before = weight.clone()
    (lora,) = plan_loras(networks(model), [LoraChoice(str(tmp_path / "a.safetensors"))], "tiny")
    ((_, module, change),) = lora.changes
    total = before.clone()
    change.add_to(as_matrix(total), 1.0)
    assert module.weight is weight
    return total - before


def test_a_lora_for_another_text_is_refused_with_both_widths(
    home: Path, model: FeedbackModel, tmp_path: Path
) -> None:
    for write in (write_lora_kohya, write_lora_peft):
        write(tmp_path / "turbo.safetensors", home / "sd-turbo")
        message = refusal(model, tmp_path / "turbo.safetensors")
        assert "turbo.safetensors is made for text width 64" in message
        assert "sd15 has text width 32" in message


@pytest.mark.parametrize(
    ("width", "named"), [(768, "SD 1.x"), (1024, "SD 2.x and SD-Turbo"), (2048, "SDXL")]
)
def test_a_lora_for_a_released_family_is_told_by_its_name(
    model: FeedbackModel, tmp_path: Path, width: int, named: str
) -> None:
    key = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    up, down = torch.ones(64, 2), torch.ones(2, width)
    tensors = {f"{key}.lora_up.weight": up, f"{key}.lora_down.weight": down}
    save_file(tensors, tmp_path / "a.safetensors")
    assert f"made for {named} (text width {width})" in refusal(model, tmp_path / "a.safetensors")


def test_a_lora_of_twins_does_not_fit_a_checkpoint_with_one_text_encoder(
    home: Path, model: FeedbackModel, tmp_path: Path
) -> None:
    write_lora_kohya(tmp_path / "xl.safetensors", home / "sdxl")
    assert "xl.safetensors is made for" in refusal(model, tmp_path / "xl.safetensors")
    write_lora_kohya(tmp_path / "te.safetensors", home / "sdxl", only="self_attn")
    message = refusal(model, tmp_path / "te.safetensors")
    assert "8 of its 16 layers are not there" in message


def test_a_lora_for_a_transformer_is_told_by_its_layers(
    model: FeedbackModel, tmp_path: Path
) -> None:
    for key in ("transformer.transformer_blocks.0.attn.to_q", "lora_unet_double_blocks_0_img_mod"):
        up = "lora_B" if "." in key else "lora_up"
        down = "lora_A" if "." in key else "lora_down"
        tensors = {
            f"{key}.{up}.weight": torch.ones(8, 2),
            f"{key}.{down}.weight": torch.ones(2, 8),
        }
        save_file(tensors, tmp_path / "a.safetensors")
        assert "a transformer such as SD 3 or Flux" in refusal(model, tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({f"{Q}.lora_A.weight": (2, 64)}, "lacks its half 'up'"),
        ({f"{Q}.lora_B.weight": (64, 2)}, "lacks its half 'down'"),
        ({f"{Q}.alpha": ()}, "nothing but alpha"),
        ({f"{Q}.lora_A.weight": (2, 64), f"{Q}.lora_B.weight": (64, 3)}, "ranks 3 and 2"),
        ({f"{Q}.lora_A.weight": (2, 60), f"{Q}.lora_B.weight": (64, 2)}, "64x60 there and 64x64"),
        ({f"{Q}.lora_A.weight": (2, 64), f"{Q}.lora_B.weight": (60, 2)}, "60x64 there and 64x64"),
        ({f"{CONV}.lora_A.weight": (2, 32), f"{CONV}.lora_B.weight": (64, 2)}, "64x32x3x3"),
        ({f"{Q}.dora_scale": (64,)}, "DoRA"),
        ({f"{Q}.hada_w1_a": (64, 2)}, "lacks its half 'hada_w1_b'"),
        ({f"{Q}.lokr_w1": (8, 8), f"{Q}.lokr_w2": (8, 9)}, "64x72 there and 64x64"),
        ({f"{Q}.lora_A.weight": (2, 64), f"{Q}.hada_w1_a": (64, 2)}, "given as"),
        ({"model.diffusion_model.out.2.weight": (4, 4)}, "is no LoRA"),
        ({"unet.nowhere.lora_A.weight": (2, 4), "unet.nowhere.lora_B.weight": (4, 2)}, "nowhere"),
        ({"base_model.model.mid.lora_A.weight": (2, 4)}, "adapter_config.json"),
        ({}, "it changes no layer"),
        ({f"{Q}.lora_A.weight": (0, 64), f"{Q}.lora_B.weight": (64, 0)}, "is empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_inside_a_file_is_named(
    model: FeedbackModel, tmp_path: Path, tensors: dict[str, tuple[int, ...]], reason: str
) -> None:
    save_file({k: torch.ones(shape) for k, shape in tensors.items()}, tmp_path / "a.safetensors")
    message = refusal(model, tmp_path / "a.safetensors")
    assert message.startswith("a.safetensors")
    assert reason in message


def test_numbers_that_are_none_are_refused(
    home: Path, model: FeedbackModel, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    write_lora_kohya(path, home / "sd15")
    tensors = load_file(path)
    next(iter(tensors.values())).view(-1)[0] = float("nan")
    save_file(tensors, path)
    assert "values that are no numbers" in refusal(model, path)


def test_a_half_downloaded_file_says_how_much_is_there(
    home: Path, model: FeedbackModel, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    write_lora_kohya(path, home / "sd15")
    whole = path.read_bytes()
    for share in (0.01, 0.5, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        assert "MB): download it again" in refusal(model, path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04" + bytes(100), "is a pickle, which can run code"),
        (b"\x80\x02}q\x00." + bytes(100), "is a pickle, which can run code"),
        (b"", "no safetensors file"),
        (b"short", "no safetensors file"),
        (b"<html><body>404</body></html>", "no safetensors file"),
        ((8).to_bytes(8, "little") + b"notjson!", "damaged"),
        ((4).to_bytes(8, "little") + b"[1] ", "damaged"),
    ],
)
def test_what_is_no_safetensors_is_refused(
    model: FeedbackModel, tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    assert reason in refusal(model, tmp_path / "a.safetensors")


def test_a_missing_file_and_an_empty_folder_are_named(
    model: FeedbackModel, tmp_path: Path
) -> None:
    assert "there is no LoRA" in refusal(model, tmp_path / "nowhere.safetensors")
    assert "holds no LoRA" in refusal(model, tmp_path)


def test_one_that_does_not_fit_keeps_all_out(
    home: Path, model: FeedbackModel, tmp_path: Path
) -> None:
    write_lora_kohya(tmp_path / "good.safetensors", home / "sd15")
    write_lora_kohya(tmp_path / "bad.safetensors", home / "sd-turbo")
    choices = [LoraChoice(str(tmp_path / f"{name}.safetensors")) for name in ("good", "bad")]
    before = [p.clone() for network in networks(model).values() for p in network.parameters()]
    with pytest.raises(ModelLoadError, match=r"bad\.safetensors"):
        model.put_on(choices)
    after = [p for network in networks(model).values() for p in network.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    with pytest.raises(ModelLoadError, match="5 LoRAs are given; 4"):
        model.put_on(choices[:1] * 5)


def test_a_folder_of_peft_has_its_strength_from_its_settings(
    model: FeedbackModel, tmp_path: Path
) -> None:
    up, down = torch.randn(64, 2), torch.randn(2, 64)
    root = f"base_model.model.{Q.removeprefix('unet.')}"
    save_file(
        {f"{root}.lora_A.weight": down, f"{root}.lora_B.weight": up},
        tmp_path / "adapter_model.safetensors",
    )
    for settings, scale in (
        ({"lora_alpha": 6}, 3.0),
        ({"lora_alpha": 6, "use_rslora": True}, 6 / 2**0.5),
        ({"lora_alpha": 6, "alpha_pattern": {"attn1.to_q": 1}}, 0.5),
    ):
        (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 2, **settings}))
        (lora,) = plan_loras(networks(model), [LoraChoice(str(tmp_path))], "tiny")
        ((_, _, change),) = lora.changes
        total = torch.zeros(64, 64)
        change.add_to(total, 1.0)
        torch.testing.assert_close(total, scale * up @ down)


def test_loha_multiplies_two_products_element_by_element(
    model: FeedbackModel, tmp_path: Path
) -> None:
    for layer, shape in ((Q, (64, 64)), (CONV, (64, 32, 3, 3))):
        factors = {
            f"hada_w{k}_{half}": torch.randn(shape[0], 3) if half == "a"
            else torch.randn(3, int(torch.tensor(shape[1:]).prod()))
            for k in (1, 2) for half in "ab"
        }  # fmt: skip
        tensors = {f"{layer}.{name}": t for name, t in factors.items()}
        delta = added(model, {**tensors, f"{layer}.alpha": torch.tensor(1.5)}, tmp_path, layer)
        first = factors["hada_w1_a"] @ factors["hada_w1_b"]
        second = factors["hada_w2_a"] @ factors["hada_w2_b"]
        expected = 0.5 * (first * second).reshape(shape)
        torch.testing.assert_close(delta, expected, atol=1e-4, rtol=1e-4)


def test_lokr_is_a_kronecker_product_of_whole_or_cut_matrices(
    model: FeedbackModel, tmp_path: Path
) -> None:
    w1, w2 = torch.randn(8, 4), torch.randn(8, 16)
    whole = {f"{Q}.lokr_w1": w1, f"{Q}.lokr_w2": w2, f"{Q}.alpha": torch.tensor(9.0)}
    torch.testing.assert_close(added(model, whole, tmp_path, Q), torch.kron(w1, w2))
    a, b = torch.randn(8, 2), torch.randn(2, 8 * 9)
    cut = {f"{CONV}.lokr_w1": w1, f"{CONV}.lokr_w2_a": a, f"{CONV}.lokr_w2_b": b,
           f"{CONV}.alpha": torch.tensor(1.0)}  # fmt: skip
    expected = torch.kron(w1[:, :, None, None], (a @ b).reshape(8, 8, 3, 3)) / 2
    torch.testing.assert_close(added(model, cut, tmp_path, CONV), expected, atol=1e-5, rtol=1e-4)


def test_a_convolution_cut_into_three_is_put_together(
    model: FeedbackModel, tmp_path: Path
) -> None:
    up, mid, down = torch.randn(64, 3, 1, 1), torch.randn(3, 2, 3, 3), torch.randn(2, 32, 1, 1)
    tensors = {f"{CONV}.lora.up.weight": up, f"{CONV}.lora.down.weight": down}
    delta = added(model, {**tensors, f"{CONV}.lora.mid.weight": mid}, tmp_path, CONV)
    probe = torch.randn(1, 32, 6, 6)
    conv = torch.nn.functional.conv2d
    expected = conv(conv(conv(probe, down), mid, padding=1), up)
    torch.testing.assert_close(conv(probe, delta, padding=1), expected, atol=1e-3, rtol=1e-3)


def test_a_distillation_is_told_from_a_style(
    home: Path, model: FeedbackModel, tmp_path: Path
) -> None:
    def few_step(**how: object) -> bool:
        write_lora_kohya(tmp_path / "a.safetensors", home / "sd15", **how)  # type: ignore[arg-type]
        choice = LoraChoice(str(tmp_path / "a.safetensors"))
        return plan_loras(networks(model), [choice], "tiny")[0].few_step

    assert few_step(text=False)  # every layer of the U-Net, as LCM-LoRA and Hyper-SD
    assert not few_step(text=True)
    assert not few_step(text=False, only="attn")
    assert few_step(text=False, only="attn", metadata={"ss_output_name": "my_lcm_style"})
    assert not is_few_step_lora({"modelspec.title": "turbocharged cars"}, {"unet": ["x"]})
