"""Which checkpoints open, what they are taken for, and what is said of those that do not."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.choice_words import autoencoder_words
from engine.diffusion.models.components import Components
from engine.diffusion.models.family import FEW_STEPS, PLAIN, family_of_folder
from engine.diffusion.models.guidance_input import guidance_input
from engine.diffusion.models.ldm_config import unet_config
from engine.diffusion.models.sd3 import Sd3Bundle
from engine.diffusion.models.sd3_text import T5_PLACES
from engine.diffusion.models.single_file import SingleFile
from engine.diffusion.models.single_file_family import family_of_file, scheduler_of_file
from engine.diffusion.models.stable_diffusion import StableDiffusionBundle
from engine.diffusion.noise_level import noised, on_device
from engine.errors import ModelLoadError
from engine.messages import Travel
from engine.registry import ModelRequest
from engine.weights_file import TensorFacts
from tests.checkpoints import write_lcm, write_sd, write_sd3, write_sdxl, write_sdxs, write_taesd
from tests.single_files import _unet_name, write_single_file
from tests.states import control

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees what this machine has fetched."""
    root = tmp_path / "hub-cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    return root


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("families")
    write_sd(home / "a", plain=True, tiny_vae=False)
    write_sd(home / "b", width=64)
    write_sdxl(home / "c")
    write_sdxs(home / "d")
    write_lcm(home / "e")
    write_sd3(home / "f")
    return home


def open_model(path: Path, **settings: Any) -> FeedbackModel:
    request = ModelRequest(str(path), 128, 64, "cpu", "float32", 1, **settings)
    return open_checkpoint(request)


# what a folder is -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "label", "fresh_steps", "guidance", "tiny"),
    [
        ("a", "sd", "SD, text 32", PLAIN.fresh_steps, 7.5, "taesd"),
        ("b", "sd", "SD, text 64", FEW_STEPS.fresh_steps, 1.0, "taesd"),
        ("c", "sdxl", "SDXL", FEW_STEPS.fresh_steps, 1.0, "taesdxl"),
        ("d", "sd", "SDXS-class", 1, 1.0, "taesd"),
        ("e", "sd", "SD, text 32", 4, 8.0, "taesd"),
        ("f", "sd3", "SD 3.x", 8, 5.0, "taesd3"),
    ],
)
def test_the_family_and_its_pace_are_read_from_the_configurations(
    home: Path, name: str, kind: str, label: str, fresh_steps: int, guidance: float, tiny: str
) -> None:
    family = family_of_folder(home / name)
    assert (family.kind, family.label, family.tiny) == (kind, label, tiny)
    assert (family.pace.fresh_steps, family.pace.guidance) == (fresh_steps, guidance)


@pytest.mark.parametrize(("width", "label"), [(768, "SD 1.x"), (1024, "SD 2.x")])
def test_the_text_width_tells_the_generations_apart(
    tmp_path: Path, home: Path, width: int, label: str
) -> None:
    shutil.copytree(home / "b", tmp_path / "x")
    edit(tmp_path / "x" / "unet" / "config.json", cross_attention_dim=width)
    assert family_of_folder(tmp_path / "x").label == label


@pytest.mark.parametrize("name", ["d", "e", "f"])
def test_the_same_loop_runs_every_family(home: Path, name: str) -> None:
    model = open_model(home / name)
    first = model.generate(control(0.0), 0.0)
    second = model.generate(control(0.1, travel=Travel(log_zoom=0.02, noise_rad=0.3)), 0.1)
    other = model.generate(control(0.2, prompts=(("newer wider", 1.0),)), 0.1)
    assert first.shape == second.shape == (64, 128, 3)
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, other)
    model.close()


def test_a_few_step_lora_may_change_the_pace(home: Path) -> None:
    bundle = open_model(home / "a").bundle
    assert isinstance(bundle, StableDiffusionBundle)
    assert (bundle.fresh_steps, bundle.natural_guidance) == (8, 7.5)
    bundle.pace = FEW_STEPS
    assert (bundle.fresh_steps, bundle.natural_guidance) == (4, 1.0)


@torch.inference_mode()
def test_an_lcm_takes_its_guidance_as_an_input_in_one_call(home: Path) -> None:
    bundle = open_model(home / "e").bundle
    assert isinstance(bundle, StableDiffusionBundle)
    calls = []
    bundle._unet.register_forward_hook(
        lambda module, args, kwargs, output: calls.append(kwargs["timestep_cond"]),
        with_kwargs=True,
    )
    prompt, noise = bundle.encode_prompt("lower"), torch.randn(1, 4, 8, 8)
    level = on_device(bundle.noise_level(0.5), CPU)
    bundle.hold(prompt)
    assert bundle.take_guidance(1.0)
    weak = bundle.denoised(noise, level, prompt, None)
    assert bundle.take_guidance(8.0)
    strong = bundle.denoised(noise, level, prompt, None)
    assert not torch.equal(weak, strong)
    assert len(calls) == 2
    assert torch.equal(calls[1], guidance_input(8.0, 16, CPU))


def test_the_guidance_input_is_that_of_diffusers_lcm_pipeline() -> None:
    from diffusers import LatentConsistencyModelPipeline

    theirs = LatentConsistencyModelPipeline.get_guidance_scale_embedding(
        None, torch.tensor([7.5 - 1.0]), embedding_dim=256
    )
    assert torch.allclose(guidance_input(7.5, 256, CPU), theirs, atol=1e-5)


# SD 3 -------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_sd3_reads_its_prompt_as_diffusers_pipeline_does(home: Path) -> None:
    from diffusers import StableDiffusion3Pipeline

    pipeline = StableDiffusion3Pipeline.from_pretrained(
        home / "f", text_encoder_3=None, tokenizer_3=None, use_safetensors=True,
        low_cpu_mem_usage=False,
    )  # fmt: skip
    tokens, _, pooled, _ = pipeline.encode_prompt(
        "lower newer", None, None, do_classifier_free_guidance=False, max_sequence_length=T5_PLACES
    )
    bundle = open_model(home / "f").bundle
    prompt = bundle.encode_prompt("lower newer")
    assert prompt.tokens.shape == (1, 77 + T5_PLACES, 80)
    assert torch.allclose(prompt.tokens, tokens, atol=1e-5)
    assert prompt.pooled is not None
    assert torch.allclose(prompt.pooled, pooled, atol=1e-5)


@torch.inference_mode()
def test_sd3_is_a_straight_flow_from_picture_to_noise(home: Path) -> None:
    bundle = open_model(home / "f").bundle
    assert isinstance(bundle, Sd3Bundle)
    assert (bundle.pooled_width, bundle.token_width) == (64, 80)
    assert bundle.latent_shape(128, 64) == (1, 16, 8, 16)
    assert bundle.size_rule.largest == 16 * 24
    latent = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(2))
    bundle._velocity = lambda *_: noise - latent  # type: ignore[method-assign]
    for strength in (0.01, 0.5, 1.0):
        level = on_device(bundle.noise_level(strength), CPU)
        clean = bundle.denoised(
            noised(latent, noise, level), level, bundle.encode_prompt(""), None
        )
        assert torch.allclose(clean, latent, atol=1e-5)


@torch.inference_mode()
def test_the_pooled_embedding_alone_changes_what_sd3_paints(home: Path) -> None:
    from dataclasses import replace

    bundle = open_model(home / "f").bundle
    prompt = bundle.encode_prompt("lower")
    assert prompt.pooled is not None
    noise = torch.randn(1, 16, 8, 8)
    heard = replace(prompt, pooled=prompt.pooled + 1.0)
    level = on_device(bundle.noise_level(0.5), CPU)
    first = bundle.denoised(noise, level, prompt, None)
    assert not torch.equal(first, bundle.denoised(noise, level, heard, None))


@torch.inference_mode()
def test_an_autoencoder_with_a_shift_comes_back_where_it_started(home: Path) -> None:
    bundle = open_model(home / "f").bundle
    pixels = torch.rand(1, 3, 64, 64) * 2.0 - 1.0
    latent = bundle.encode(pixels)
    raw = bundle._vae.encode(pixels).latent_dist.mode()  # type: ignore[attr-defined]
    assert torch.allclose(latent, (raw - 0.0609) * 1.5305, atol=1e-5)
    again = bundle._vae.decode(raw).sample  # type: ignore[attr-defined]
    assert torch.allclose(bundle.decode(latent), again, atol=1e-4)


# single files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["sd1", "sd2", "sdxl"])
@torch.inference_mode()
def test_a_single_file_is_the_networks_it_was_made_from(tmp_path: Path, layout: Any) -> None:
    original = write_single_file(tmp_path / "x.safetensors", layout)
    parts = SingleFile(original.path, CPU, torch.float32)
    unet = parts.network("unet", "UNet2DConditionModel")
    same(unet, original.unet)
    assert unet.config.attention_head_dim in (8, [1, 1])
    same(parts.autoencoder(), original.vae)
    for place, encoder in enumerate(original.encoders):
        end = "_2" if place else ""
        tokenizer, found = parts.clip(f"tokenizer{end}", f"text_encoder{end}")
        same(found, encoder)
        ids = tokenizer("a photo of a cat", padding="max_length", return_tensors="pt").input_ids
        assert ids[0, :7].tolist() == [49406, 320, 1125, 539, 320, 2368, 49407]  # CLIP's own
        assert int(ids[0, -1]) == (0 if layout == "sd2" or place else 49407)
        assert torch.equal(found(ids)[0], encoder(ids)[0])


@pytest.mark.parametrize("layout", ["sd1", "sd2", "sdxl"])
def test_a_single_file_paints(tmp_path: Path, layout: Any) -> None:
    path = write_single_file(tmp_path / "x.safetensors", layout).path
    model = open_model(path)
    assert model.name == "x"
    assert "does not say how many steps" in model.notice
    assert np.ptp(model.generate(control(0.0, prompts=(("a cat", 1.0),)), 0.0)) > 0
    model.close()


@pytest.mark.parametrize("xl", [False, True])
def test_the_released_architectures_are_read_off_their_shapes(xl: bool) -> None:
    from diffusers import UNet2DConditionModel

    settings: dict[str, Any] = (
        {"block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048,
         "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
         "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
         "transformer_layers_per_block": [1, 2, 10], "attention_head_dim": [5, 10, 20],
         "use_linear_projection": True, "addition_embed_type": "text_time",
         "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816}
        if xl else {"cross_attention_dim": 768, "attention_head_dim": 8}
    )  # fmt: skip
    with torch.device("meta"):
        unet = UNet2DConditionModel(**settings)
    crossed = ["CrossAttn" in kind for kind in unet.config.up_block_types]
    facts = {
        f"model.diffusion_model.{_unet_name(name, 2, crossed)}": TensorFacts("F16", tuple(t.shape))
        for name, t in unet.state_dict().items()
    }
    found = unet_config(facts)
    for key, value in settings.items():
        assert np.array_equal(found[key], value), key
    with torch.device("meta"):
        again = UNet2DConditionModel.from_config(found)
    shapes = {name: t.shape for name, t in unet.state_dict().items()}
    assert {name: t.shape for name, t in again.state_dict().items()} == shapes


def test_what_a_file_says_about_its_prediction_is_obeyed(tmp_path: Path) -> None:
    plain = write_single_file(tmp_path / "a.safetensors", "sd2").path
    said = write_single_file(
        tmp_path / "b.safetensors", "sd2", metadata={"modelspec.prediction_type": "v"}
    ).path
    marked = write_single_file(
        tmp_path / "c.safetensors",
        "sd2",
        extra={"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)},
    ).path
    assert scheduler_of_file(plain)["prediction_type"] == "epsilon"
    assert scheduler_of_file(said)["prediction_type"] == "v_prediction"
    assert scheduler_of_file(marked)["rescale_betas_zero_snr"]
    beside = {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}
    plain.with_suffix(".scheduler.json").write_text(json.dumps(beside))
    assert scheduler_of_file(plain) == beside
    assert family_of_file(plain).pace == PLAIN


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ("lora_unet_down_blocks_0.lora_down.weight", "is a LoRA: give it with --lora"),
        ("control_model.input_blocks.0.0.weight", "is a ControlNet"),
        ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "is a Flux"),
        ("model.diffusion_model.joint_blocks.0.x.weight", "is an SD 3.x in one file"),
        ("something.else", "no checkpoint that Sonolume knows .1 tensors, the first is something"),
    ],
)
def test_a_file_that_is_something_else_is_named(tmp_path: Path, tensor: str, words: str) -> None:
    save_file({tensor: torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ModelLoadError, match=words):
        open_model(tmp_path / "x.safetensors")


# which autoencoder ------------------------------------------------------------------------------


def test_a_small_autoencoder_beside_the_checkpoint_paints(tmp_path: Path, home: Path) -> None:
    shutil.copytree(home / "a", tmp_path / "a")
    own = open_model(tmp_path / "a")
    assert "sonolume models fetch taesd" in own.notice
    write_taesd(tmp_path / "taesd")
    tiny = open_model(tmp_path / "a")
    assert tiny.notice == ""
    assert type(tiny.bundle._vae).__name__ == "AutoencoderTiny"  # type: ignore[attr-defined]
    asked = open_model(tmp_path / "a", vae="own")
    assert type(asked.bundle._vae).__name__ == "AutoencoderKL"  # type: ignore[attr-defined]
    assert asked.notice == ""


def test_a_small_autoencoder_in_the_hubs_cache_paints(home: Path, empty_cache: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"sonolume models fetch taesd3"):
        open_model(home / "f", vae="tiny")
    cached = empty_cache / "models--madebyollin--taesd3"
    write_taesd(cached / "snapshots" / "abc", latent_channels=16)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    model = open_model(home / "f", vae="tiny")
    assert type(model.bundle._vae).__name__ == "AutoencoderTiny"  # type: ignore[attr-defined]


def test_a_render_is_not_gone_on_with_another_autoencoder(tmp_path: Path, home: Path) -> None:
    folder = str(shutil.copytree(home / "a", tmp_path / "a"))
    assert autoencoder_words(folder, "auto") == "own"
    write_taesd(tmp_path / "taesd")
    assert autoencoder_words(folder, "auto") == "taesd"
    assert autoencoder_words(folder, "own") == "own"
    assert autoencoder_words("ember", "auto") == "own"


# bad input --------------------------------------------------------------------------------------


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def broken(tmp_path: Path, home: Path) -> Path:
    return Path(shutil.copytree(home / "b", tmp_path / "broken"))


def test_a_tensor_of_a_wrong_shape_is_named_with_both_shapes(broken: Path) -> None:
    path = broken / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["conv_in.weight"] = torch.zeros(32, 9, 3, 3)
    save_file(tensors, path)
    with pytest.raises(
        ModelLoadError, match=r"unet: conv_in\.weight has the shape 32x9x3x3, .* says 32x4x3x3"
    ):
        open_model(broken)


@pytest.mark.parametrize("component", ["unet", "text_encoder", "vae"])
def test_a_tensor_that_is_missing_is_never_made_up(broken: Path, component: str) -> None:
    (path,) = (broken / component).glob("*.safetensors")
    tensors = load_file(path)
    name = sorted(tensors)[0]
    del tensors[name]
    save_file(tensors, path)
    with pytest.raises(ModelLoadError, match=rf"{component} lacks 1 of \d+ tensors"):
        open_model(broken)


@pytest.mark.parametrize("component", ["unet", "text_encoder", "vae"])
def test_a_half_fetched_file_is_told_by_its_size(broken: Path, component: str) -> None:
    (path,) = (broken / component).glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelLoadError, match=rf"{component}.*was fetched only in part, .* of"):
        open_model(broken)


@pytest.mark.parametrize(
    "data",
    [b"", b"12345", struct.pack("<Q", 10**15), struct.pack("<Q", 40) + b"{}",
     struct.pack("<Q", 4) + b"[1] ", struct.pack("<Q", 12) + b'{"a": "none"'],
)  # fmt: skip
def test_a_file_that_is_no_safetensors_is_one_line(broken: Path, data: bytes) -> None:
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(data)
    with pytest.raises(ModelLoadError, match=r"diffusion_pytorch_model\.safetensors") as caught:
        open_model(broken)
    assert "\n" not in str(caught.value)
    assert "fetch it again" in str(caught.value)


def test_pickles_are_refused_with_the_remedy(broken: Path) -> None:
    weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(ModelLoadError, match=r"model\.bin is a pickle.*safetensors only"):
        open_model(broken)
    checkpoint = broken / "old.ckpt"
    checkpoint.write_bytes(b"\x80\x02")
    with pytest.raises(ModelLoadError, match=r"old\.ckpt is a pickle"):
        open_model(checkpoint)


def test_the_half_precision_files_of_a_fetched_checkpoint_are_found(broken: Path) -> None:
    for component in ("unet", "vae", "text_encoder"):
        (path,) = (broken / component).glob("*.safetensors")
        save_file({k: v.half() for k, v in load_file(path).items()},
                  path.with_suffix(".fp16.safetensors"))  # fmt: skip
        path.unlink()
    model = open_model(broken)
    assert model.bundle.dtype == torch.float32
    assert np.ptp(model.generate(control(0.0), 0.0)) > 0


def test_weights_in_several_parts_are_joined(broken: Path) -> None:
    path = broken / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    names = sorted(tensors)
    halves = {"-00001-of-00002": names[::2], "-00002-of-00002": names[1::2]}
    table = {}
    for end, part in halves.items():
        file = f"diffusion_pytorch_model{end}.safetensors"
        save_file({name: tensors[name] for name in part}, path.with_name(file))
        table |= dict.fromkeys(part, file)
    path.unlink()
    index = path.with_name("diffusion_pytorch_model.safetensors.index.json")
    index.write_text(json.dumps({"weight_map": table}))
    unet = Components(broken, CPU, torch.float32).network("unet", "UNet2DConditionModel")
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in unet.state_dict().items())
    path.with_name("diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelLoadError, match=r"lacks diffusion_pytorch_model-00002.*of 2 parts"):
        open_model(broken)


def test_old_names_of_an_autoencoders_attention_are_known(tmp_path: Path, home: Path) -> None:
    folder = Path(shutil.copytree(home / "a", tmp_path / "old"))
    (path,) = (folder / "vae").glob("*.safetensors")
    tensors = load_file(path)
    old = {
        ".to_q.": ".query.",
        ".to_k.": ".key.",
        ".to_v.": ".value.",
        ".to_out.0.": ".proj_attn.",
    }
    renamed = {}
    for name, tensor in tensors.items():
        for new, before in old.items():
            name = name.replace(new, before)
        renamed[name] = tensor
    assert renamed.keys() != tensors.keys()
    save_file(renamed, path)
    vae = Components(folder, CPU, torch.float32).autoencoder()
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in vae.state_dict().items())


def test_parts_of_different_checkpoints_are_told(broken: Path, home: Path) -> None:
    shutil.rmtree(broken / "text_encoder")
    shutil.copytree(home / "a" / "text_encoder", broken / "text_encoder")
    with pytest.raises(ModelLoadError, match=r"text is 32 numbers wide and its unet reads 64"):
        open_model(broken)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"in_channels": 9}, "9 latent channels, as for inpainting"),
        ({"addition_embed_type": "text_time", "cross_attention_dim": 1280}, "SDXL refiner"),
        ({"addition_embed_type": "image"}, "wants 'image' beside the text"),
        ({"_class_name": "UNet3DConditionModel"}, "another family"),
    ],
)
def test_an_odd_unet_is_refused_with_the_reason(
    broken: Path, changes: dict[str, Any], words: str
) -> None:
    edit(broken / "unet" / "config.json", **changes)
    with pytest.raises(ModelLoadError, match=words):
        open_model(broken)


@pytest.mark.parametrize("file", ["model_index.json", "unet/config.json", "vae/config.json"])
def test_a_damaged_configuration_is_named(broken: Path, file: str) -> None:
    (broken / file).write_text("{ not json")
    with pytest.raises(ModelLoadError, match=rf"{file} is damaged"):
        open_model(broken)


def test_a_missing_scheduler_is_named(broken: Path) -> None:
    shutil.rmtree(broken / "scheduler")
    with pytest.raises(ModelLoadError, match="scheduler is missing"):
        open_model(broken)


def same(found: Any, original: Any) -> None:
    expected = original.state_dict()
    state = found.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in state.items())


def test_a_checkpoint_without_its_unet_is_said_to_lack_it(broken: Path) -> None:
    shutil.rmtree(broken / "unet")
    with pytest.raises(ModelLoadError, match="unet"):
        family_of_folder(broken)
