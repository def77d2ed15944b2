"""What could never be opened is refused before it is fetched; what can is named as it opens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import main
from app.lora_argument import as_lora
from engine.diffusion.models.source import checkpoint_family, checkpoint_path
from tests.checkpoints import write_controlnet, write_lora_kohya, write_sd
from tests.fake_hub import FakeHub, FakeRepository, fake_hub
from tests.single_files import write_single_file

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

WEIGHTS = b"\2\0\0\0\0\0\0\0{}"
FLUX = {
    "model_index.json": b'{"_class_name": "FluxPipeline", "transformer": ["diffusers", "F"]}',
    "transformer/config.json": b'{"_class_name": "FluxTransformer2DModel"}',
    "transformer/diffusion_pytorch_model.safetensors": WEIGHTS,
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with fake_hub() as running:
        yield running


def fetched(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], name: str, *words: str
) -> tuple[int, str]:
    capsys.readouterr()  # what writing the checkpoints said
    code = main(["models", "fetch", name, "--endpoint", hub.url, *words])
    said = capsys.readouterr()
    return code, said.out + said.err


def weights_asked_for(hub: FakeHub) -> list[str]:
    return [path for path, _, _ in hub.asked if path.endswith((".safetensors", ".bin"))]


def header_alone(*names: str) -> bytes:
    """A safetensors file of one-number tensors."""
    table = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * k, 4 * k + 4]}
        for k, name in enumerate(names)
    }
    text = json.dumps(table).encode()
    return len(text).to_bytes(8, "little") + text + bytes(4 * len(names))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (FLUX, "some/model is a FluxPipeline, another family"),
        ({"model_index.json": b'{"_class_name": "X", "unet": []}',
          "unet/diffusion_pytorch_model.safetensors": WEIGHTS},
         "some/model/unet has no config.json"),
        ({"config.json": b'{"_class_name": "FluxTransformer2DModel"}',
          "diffusion_pytorch_model.safetensors": WEIGHTS},
         "some/model is a FluxTransformer2DModel alone: whole checkpoints"),
        ({"config.json": b'{"model_type": "bert"}', "model.safetensors": WEIGHTS},
         "some/model is a bert alone"),
        ({"unet/diffusion_pytorch_model.bin": b"x", "model_index.json": b"{}"},
         "pickles only (unet/diffusion_pytorch_model.bin)"),
        ({"v1-5-pruned.ckpt": b"x"}, "pickles only (v1-5-pruned.ckpt)"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_refused_before_its_weights_are_asked_for(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], files: dict[str, bytes], words: str
) -> None:
    hub.repositories["some/model"] = FakeRepository(files)
    code, said = fetched(hub, capsys, "some/model")
    assert code == 1
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert weights_asked_for(hub) == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("double_blocks.0.img_attn.qkv.weight",), "x.safetensors is a Flux transformer"),
        (("model.diffusion_model.joint_blocks.0.x",), "is an SD 3.x in one file"),
        (("bert.embeddings",), "is no checkpoint that Sonolume knows"),
    ],
)
def test_a_single_file_is_judged_by_its_header_and_no_more_of_it_comes(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    names: tuple[str, ...], words: str,
) -> None:  # fmt: skip
    hub.repositories["some/model"] = FakeRepository({"x.safetensors": header_alone(*names)})
    code, said = fetched(hub, capsys, "some/model")
    assert code == 1
    assert words in said
    assert not (tmp_path / "hub" / "models--some--model").exists()


def test_a_network_that_comes_as_a_pickle_points_at_the_single_file(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = write_sd(tmp_path / "sd")
    unet = folder / "unet" / "diffusion_pytorch_model.safetensors"
    unet.rename(unet.with_suffix(".bin"))
    (folder / "all.safetensors").write_bytes(WEIGHTS)
    hub.add("some/model", folder)
    code, said = fetched(hub, capsys, "some/model")
    assert code == 1
    assert "its unet as a pickle only (unet/diffusion_pytorch_model.bin)" in said
    assert "`sonolume models fetch some/model/all.safetensors` takes its single file" in said
    assert weights_asked_for(hub) == []


def test_a_checkpoint_without_an_autoencoder_says_which_one_it_needs(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = write_sd(tmp_path / "sd", width=768)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    hub.add("some/model", folder)
    code, said = fetched(hub, capsys, "some/model")
    assert code == 0
    assert "`sonolume models fetch taesd` (10 MB)" in said


def test_a_repository_of_one_file_is_opened_by_the_name_that_is_told(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    write_single_file(tmp_path / "one" / "dream.safetensors")
    hub.add("some/one", tmp_path / "one")
    code, said = fetched(hub, capsys, "some/one", "--json")
    assert code == 0
    told = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert (told["use"], told["open_as"]) == ("checkpoint", "some/one/dream.safetensors")
    assert checkpoint_family(checkpoint_path(told["open_as"])).kind == "sd"
    assert "--model some/one/dream.safetensors" in fetched(hub, capsys, "some/one")[1]


def test_a_lora_is_put_on_by_the_name_that_is_told(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    checkpoint = write_sd(tmp_path / "sd")
    for hub_id, file in (
        ("some/style", "ink.safetensors"),
        ("ByteDance/Hyper-SD", "Hyper-SD15-1step-lora.safetensors"),
    ):
        folder = tmp_path / hub_id.replace("/", "-")
        folder.mkdir()
        write_lora_kohya(folder / file, checkpoint)
        hub.add(hub_id, folder)
    for name, word in (
        ("some/style", "some/style/ink.safetensors"), ("hyper-sd15", "hyper-sd15")
    ):  # fmt: skip
        code, said = fetched(hub, capsys, name)
        assert code == 0
        assert f"put it on with --lora {word}\n" in said
        choice = as_lora(f"{word}:0.5")
        assert choice.weight == 0.5
        assert Path(choice.path).is_file()
        assert str(tmp_path / "hub") in choice.path


def test_a_controlnet_is_told_by_its_folder(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hub.add("some/canny", write_controlnet(tmp_path / "c", write_sd(tmp_path / "sd")))
    code, said = fetched(hub, capsys, "some/canny")
    assert code == 0
    folder = Path(said.partition("--controlnet ")[2].splitlines()[0])
    assert (folder / "config.json").is_file()


def test_a_broken_connection_while_looking_is_taken_up(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    write_single_file(tmp_path / "one" / "dream.safetensors")
    hub.add("some/one", tmp_path / "one")
    hub.cut_after = [100]
    assert fetched(hub, capsys, "some/one")[0] == 0


def test_a_name_that_is_nothing_is_wrong_usage_as_it_is_for_model(
    hub: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetched(hub, capsys, "nosuch")[0] == 2
    assert fetched(hub, capsys, "ember")[0] == 2
    assert main(["live", "--headless", "--model", "nosuch"]) == 2
    assert hub.asked == []
