"""LoRAs on tiny checkpoints in exact layout: merged in place, weighted live, removed exactly."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.lora import PICTURE_INTERVAL_S, TEXT_INTERVAL_S, Changed, LoraStack
from engine.diffusion.lora_plan import plan_loras
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.ember.bundle import open_ember
from engine.errors import ModelLoadError
from engine.messages import LoraChoice
from engine.registry import ModelRequest
from tests.checkpoints import write_lora_kohya, write_lora_peft, write_sd, write_sdxl
from tests.states import control

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("loras")
    write_sd(home / "sd")
    write_sdxl(home / "sdxl")
    return home


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def opened(folder: Path, dtype: str = "float32") -> FeedbackModel:
    return open_checkpoint(ModelRequest(str(folder), 64, 64, "cpu", dtype, 1))


def networks(model: FeedbackModel) -> dict[str, nn.Module]:
    return dict(model.bundle.lora_networks)


def weights(model: FeedbackModel) -> dict[str, Tensor]:
    """Every parameter and buffer, by component and name, not copied."""
    return {
        f"{component}.{name}": tensor
        for component, network in networks(model).items()
        for name, tensor in network.state_dict(keep_vars=True).items()
    }


def copied(model: FeedbackModel) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights(model).items()}


def stack_of(model: FeedbackModel, *choices: tuple[Path, float]) -> LoraStack:
    asked = [LoraChoice(str(path), weight) for path, weight in choices]
    return LoraStack(networks(model), plan_loras(networks(model), asked, "tiny"))


def latent_of(model: FeedbackModel, time_s: float, **values: float) -> np.ndarray:
    """The latent of a picture from nothing, by the picture loop: pictures hide small changes."""
    model.restart()
    model.generate(control(time_s, **values), 0.0)
    latent: np.ndarray = model.state()["latent"]
    return latent


LAYOUTS = {
    "kohya": lambda path, folder: write_lora_kohya(path, folder, alpha=1.5),
    "kohya without alpha": lambda path, folder: write_lora_kohya(path, folder, alpha=None),
    "kohya with the names of the first release": lambda path, folder: write_lora_kohya(
        path, folder, original_names=True
    ),
    "peft": lambda path, folder: write_lora_peft(path, folder),
    "peft with a note of alpha": lambda path, folder: write_lora_peft(path, folder, alpha=5.0),
    "diffusers before peft": lambda path, folder: write_lora_peft(path, folder, old=True),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_every_layout_adds_what_its_factors_say_to_the_layers_they_name(
    home: Path, tmp_path: Path, family: str, layout: str
) -> None:
    deltas = LAYOUTS[layout](tmp_path / "a.safetensors", home / family)
    model = opened(home / family)
    before = copied(model)
    stack_of(model, (tmp_path / "a.safetensors", 0.7)).follow([1.0], 0.0)
    after = weights(model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {f"{name}.weight" for name in deltas}
    assert len(changed) > 70
    for name, delta in deltas.items():
        expected = before[f"{name}.weight"] + 0.7 * delta
        torch.testing.assert_close(after[f"{name}.weight"], expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_lora_taken_off_leaves_the_very_same_bits_in_the_very_same_memory(
    home: Path, tmp_path: Path, dtype: str
) -> None:
    for seed in (1, 2):
        write_lora_kohya(tmp_path / f"{seed}.safetensors", home / "sd", seed=seed)
    model = opened(home / "sd", dtype)
    before, places = copied(model), {n: w.data_ptr() for n, w in weights(model).items()}
    strides = {name: tensor.stride() for name, tensor in weights(model).items()}
    stack = stack_of(model, (tmp_path / "1.safetensors", 1.0), (tmp_path / "2.safetensors", -0.6))
    for k, shares in enumerate([(1.0, 1.0), (0.3, 1.7), (2.0, 0.0)]):
        stack.follow(shares, float(k))
        now = weights(model)
        assert {name: tensor.data_ptr() for name, tensor in now.items()} == places
        assert {name: tensor.stride() for name, tensor in now.items()} == strides
        assert sum(not torch.equal(before[name], now[name]) for name in before) > 70
    assert stack.remove() == Changed(picture=True, text=True)
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(model).items())


def test_a_weight_of_nought_is_the_model_to_the_last_bit(home: Path, tmp_path: Path) -> None:
    write_lora_kohya(tmp_path / "a.safetensors", home / "sd")
    model = opened(home / "sd", "bfloat16")
    before = copied(model)
    stack = stack_of(model, (tmp_path / "a.safetensors", 1.0))
    stack.follow([1.0], 0.0)
    stack.follow([0.0], 9.0)
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(model).items())


def test_many_changes_of_weight_leave_no_trace(home: Path, tmp_path: Path) -> None:
    write_lora_kohya(tmp_path / "a.safetensors", home / "sd")
    once, often = opened(home / "sd", "bfloat16"), opened(home / "sd", "bfloat16")
    stack_of(once, (tmp_path / "a.safetensors", 1.0)).follow([0.5], 0.0)
    stack = stack_of(often, (tmp_path / "a.safetensors", 1.0))
    for k, share in enumerate([*np.linspace(0.0, 2.0, 40), 0.5]):
        stack.follow([float(share)], float(k))
    ends = zip(weights(once).values(), weights(often).values(), strict=True)
    assert all(torch.equal(one, other) for one, other in ends)


def test_the_order_of_several_does_not_matter(home: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.safetensors" for seed in (1, 2, 3)]
    for seed, path in enumerate(paths):
        write_lora_kohya(path, home / "sd", seed=seed)
    results = []
    for order in itertools.permutations([(path, 0.4 + k) for k, path in enumerate(paths)]):
        model = opened(home / "sd")
        stack_of(model, *order).follow([1.0] * 3, 0.0)
        results.append(copied(model))
    for other in results[1:]:
        for name, tensor in results[0].items():
            torch.testing.assert_close(other[name], tensor, atol=1e-5, rtol=1e-5)


def test_pictures_of_a_merged_model_are_those_of_a_checkpoint_with_the_sum_in_its_files(
    home: Path, tmp_path: Path
) -> None:
    deltas = write_lora_kohya(tmp_path / "a.safetensors", home / "sd", size=1.0)
    model = opened(home / "sd")
    model.put_on([LoraChoice(str(tmp_path / "a.safetensors"), 0.5)])
    model.generate(control(0.0, lora__1=0.0), 0.0)  # whatever is cached by now is out of date
    model.restart()
    merged = latent_of(model, 1.0)
    folder = write_sd(tmp_path / "sd")
    for component in ("unet", "text_encoder"):
        file = next((folder / component).glob("*.safetensors"))
        tensors = load_file(file)
        for name, delta in deltas.items():
            if name.startswith(f"{component}."):
                tensors[f"{name.removeprefix(component + '.')}.weight"] += 0.5 * delta
        save_file(tensors, file, {"format": "pt"})
    stored, plain = (latent_of(opened(where), 1.0) for where in (folder, home / "sd"))
    assert np.abs(merged - stored).max() < 1e-3 * np.abs(stored).max()
    assert np.abs(merged - plain).max() > 0.05 * np.abs(stored).max()


def test_a_share_moves_the_picture_and_the_way_back_is_exact(home: Path, tmp_path: Path) -> None:
    write_lora_kohya(tmp_path / "a.safetensors", home / "sd")
    model = opened(home / "sd")

    def picture(time_s: float, share: float) -> np.ndarray:
        model.restart()
        return model.generate(control(time_s, lora__1=share), 0.0)

    bare = picture(0.0, 1.0)
    model.put_on([LoraChoice(str(tmp_path / "a.safetensors"))])
    worn = picture(1.0, 1.0)
    assert not np.array_equal(worn, bare)
    assert np.array_equal(picture(2.0, 0.0), bare)
    assert np.array_equal(picture(3.0, 1.0), worn)
    model.put_on([])
    assert np.array_equal(picture(4.0, 1.0), bare)


def test_a_new_prompt_encoder_has_the_prompts_encoded_anew(home: Path, tmp_path: Path) -> None:
    write_lora_kohya(tmp_path / "a.safetensors", home / "sd", only="encoder.layers")
    model = opened(home / "sd")
    model.put_on([LoraChoice(str(tmp_path / "a.safetensors"))])

    def picture(time_s: float, share: float) -> np.ndarray:
        model.restart()
        return model.generate(control(time_s, lora__1=share, diffusion__guidance=2.0), 0.0)

    assert not np.array_equal(picture(0.0, 0.0), picture(1.0, 1.0))


def test_changes_that_come_too_soon_wait_and_are_not_lost(home: Path, tmp_path: Path) -> None:
    write_lora_kohya(tmp_path / "a.safetensors", home / "sd")
    stack = stack_of(opened(home / "sd"), (tmp_path / "a.safetensors", 1.0))
    assert stack.follow([1.0], 0.0) == Changed(picture=True, text=True)
    assert stack.follow([0.5], 0.5 * PICTURE_INTERVAL_S) == Changed()
    assert stack.follow([0.5], PICTURE_INTERVAL_S) == Changed(picture=True)
    assert stack.follow([0.5], TEXT_INTERVAL_S) == Changed(text=True)
    assert stack.follow([0.5], 9.0) == Changed()
    assert stack.follow([0.501], 10.0) == Changed()  # less than half a step
    assert stack.follow([0.52], 11.0) == Changed(picture=True)
    assert stack.follow([0.9], 0.0) == Changed(picture=True, text=True)  # the show begins anew


def test_every_picture_of_a_steady_thirty_a_second_may_have_its_weight(
    home: Path, tmp_path: Path
) -> None:
    write_lora_kohya(tmp_path / "a.safetensors", home / "sd", text=False)
    stack = stack_of(opened(home / "sd"), (tmp_path / "a.safetensors", 1.0))
    times_s = np.cumsum(np.full(60, 1.0 / 30.0))
    merges = [stack.follow([k / 64.0], float(t)).picture for k, t in enumerate(times_s)]
    assert sum(merges) == 60


def test_only_layers_whose_lora_has_moved_are_written_again(home: Path, tmp_path: Path) -> None:
    write_lora_kohya(tmp_path / "a.safetensors", home / "sd", only="attn1", text=False)
    write_lora_kohya(tmp_path / "b.safetensors", home / "sd", only="attn2", text=False)
    model = opened(home / "sd")
    stack = stack_of(model, (tmp_path / "a.safetensors", 1.0), (tmp_path / "b.safetensors", 1.0))
    stack.follow([1.0, 1.0], 0.0)
    versions = {name: tensor.clone() for name, tensor in weights(model).items()}
    stack.follow([1.0, 0.5], 1.0)
    moved = {n for n, tensor in weights(model).items() if not torch.equal(versions[n], tensor)}
    assert moved
    assert all("attn2" in name for name in moved)


def test_what_was_merged_is_merged_again_after_an_interruption(home: Path, tmp_path: Path) -> None:
    write_lora_kohya(tmp_path / "a.safetensors", home / "sd")
    choice = [LoraChoice(str(tmp_path / "a.safetensors"), 0.8)]
    model, later = opened(home / "sd"), opened(home / "sd")
    for each in (model, later):
        each.put_on(choice)
    # The second share comes too soon for the text: the state has to hold that too.
    for time_s, share in ((0.0, 1.0), (0.1, 0.25)):
        model.generate(control(time_s, lora__1=share), 0.1)
    later.restore(model.state())
    for time_s in (0.2, 0.8):
        one, other = (m.generate(control(time_s, lora__1=0.25), 0.1) for m in (model, later))
        assert np.array_equal(one, other)


def test_what_is_kept_is_one_copy_of_the_layers_it_changes(home: Path, tmp_path: Path) -> None:
    deltas = write_lora_kohya(tmp_path / "a.safetensors", home / "sd", only="attn1", text=False)
    for dtype, size in (("float32", 4), ("bfloat16", 2)):
        stack = stack_of(opened(home / "sd", dtype), (tmp_path / "a.safetensors", 1.0))
        originals = size * sum(delta.numel() for delta in deltas.values())
        factors = 4 * sum(2 * sum(delta.shape) for delta in deltas.values())  # rank 2
        assert stack.n_bytes == originals + factors


def test_no_room_for_the_originals_is_said_before_anything_changes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lora_kohya(tmp_path / "a.safetensors", home / "sd")
    model = opened(home / "sd")
    model.put_on([LoraChoice(str(tmp_path / "a.safetensors"))])
    worn = model.generate(control(0.0), 0.0)
    monkeypatch.setattr("engine.diffusion.lora._free_bytes", lambda device: 1000)
    with pytest.raises(ModelLoadError, match="GiB of original weights"):
        model.put_on([LoraChoice(str(tmp_path / "a.safetensors"), 0.3)])
    model.restart()
    assert np.array_equal(model.generate(control(0.0), 0.0), worn)


def test_ember_takes_loras_by_the_names_of_its_own_layers(tmp_path: Path) -> None:
    model = open_ember(ModelRequest("ember", 128, 128, "cpu", "float32", 1))
    weight = networks(model)["unet"].get_parameter("middle.attention.0.query.weight")
    before = weight.clone()
    up, down = torch.randn(len(before), 2), torch.randn(2, before.shape[1])
    name = "unet.middle.attention.0.query"
    save_file(
        {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}, tmp_path / "e.safetensors"
    )
    bare = model.generate(control(0.0), 0.0)
    model.put_on([LoraChoice(str(tmp_path / "e.safetensors"), 0.2)])
    model.restart()
    assert not np.array_equal(model.generate(control(0.0), 0.0), bare)
    torch.testing.assert_close(weight, before + 0.2 * up @ down)


@pytest.mark.parametrize("dtype", ["int8"])
def test_a_runner_with_weights_of_its_own_refuses_loras(tmp_path: Path, dtype: str) -> None:
    pytest.importorskip("openvino")
    request = ModelRequest("ember", 128, 128, "cpu", dtype, 1, "openvino")
    model = open_ember(request)
    with pytest.raises(ModelLoadError, match="--runner eager"):
        model.put_on([LoraChoice(str(tmp_path / "any.safetensors"))])
    model.close()
