"""What is no checkpoint, or lacks a part, says what it is and what to do instead."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pytest

from app.cli import main
from app.lora_argument import as_lora, chosen_loras
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.errors import ModelLoadError, UnknownModelError
from engine.registry import ModelRequest, find_model
from tests.checkpoints import write_lora_kohya, write_sd, write_taesd

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))


def open_model(folder: Path, vae: str = "auto") -> FeedbackModel:
    return open_checkpoint(ModelRequest(str(folder), 64, 64, "cpu", "float32", 1, vae=vae))


def test_a_checkpoint_without_an_autoencoder_is_not_told_to_use_its_own(tmp_path: Path) -> None:
    folder = write_sd(tmp_path / "bare", tiny_vae=False)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    for remains in ("a configuration", "nothing"):
        if remains == "nothing":
            shutil.rmtree(folder / "vae")
        for wanted in ("auto", "tiny"):
            with pytest.raises(
                ModelLoadError, match="run `sonolume models fetch taesd`"
            ) as caught:
                open_model(folder, wanted)
            assert "--vae own" not in str(caught.value)
        with pytest.raises(ModelLoadError, match="leave --vae own out"):
            open_model(folder, "own")
    write_taesd(tmp_path / "taesd")
    assert type(open_model(folder).bundle._vae).__name__ == "AutoencoderTiny"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("files", "remedy"),
    [
        ({}, "give the folder that model_index.json lies in"),
        ({"dream.safetensors": b"x"}, r"give one of its files, .*dream\.safetensors"),
        ({"my-lora.safetensors": b"x"}, "give it with --lora"),
        ({"v1-5.ckpt": b"x"}, r"give the checkpoint as \.safetensors"),
        ({"config.json": b'{"_class_name": "ControlNetModel"}'}, "holds a ControlNetModel alone"),
        ({"inner/model_index.json": b"{}"}, "folder .*inner inside it is: give that one"),
        ({"snapshots/0a/model_index.json": b"{}"}, "folder .*0a inside it is: give that one"),
    ],
)
def test_a_folder_that_is_no_checkpoint_says_what_to_give_instead(
    tmp_path: Path, files: dict[str, bytes], remedy: str
) -> None:
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelLoadError, match=remedy):
        open_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("taesd", "--vae tiny"),
        ("hyper-sd15", "--lora"),
        ("latent-consistency/lcm-lora-sdxl", "--lora"),
        ("clap", "--listener clap"),
    ],
)
def test_a_name_that_paints_nothing_is_wrong_usage_that_says_where_it_goes(
    name: str, place: str
) -> None:
    with pytest.raises(UnknownModelError, match=place):
        find_model(name)


@pytest.mark.parametrize("words", [["live", "--headless"], ["render", "demo", "-o", "a.mp4"]])
def test_an_empty_name_is_wrong_usage_and_not_ember(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*words, "--model", ""])
    assert caught.value.code == 2
    assert "--model: it is empty; give a name" in capsys.readouterr().err


def test_a_lora_by_name_says_how_it_comes_here_or_what_it_is(tmp_path: Path) -> None:
    def refused(word: str) -> str:
        with pytest.raises(ModelLoadError) as caught:
            chosen_loras(argparse.Namespace(lora=[as_lora(word)]))
        return str(caught.value)

    assert "sonolume models fetch hyper-sd15" in refused("hyper-sd15:0.5")
    assert "sd-turbo is a checkpoint: give it with --model" in refused("sd-turbo")
    assert "give a .safetensors file" in refused(str(tmp_path))


def test_a_folder_with_one_lora_is_that_lora_and_one_with_two_is_asked_which(
    tmp_path: Path,
) -> None:
    checkpoint, folder = write_sd(tmp_path / "sd"), tmp_path / "loras"
    folder.mkdir()
    write_lora_kohya(folder / "ink.safetensors", checkpoint)
    assert chosen_loras(argparse.Namespace(lora=[as_lora(str(folder))])) is not None
    write_lora_kohya(folder / "oil.safetensors", checkpoint)
    with pytest.raises(ModelLoadError, match=r"holds 2 LoRAs: give one .* ink\.safetensors"):
        chosen_loras(argparse.Namespace(lora=[as_lora(str(folder))]))
