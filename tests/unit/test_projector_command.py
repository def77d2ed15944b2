"""`sonolume train projector` and the conversion of SonicDiffusion's pickles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from app.cli import main
from engine.conditioning.adapter_file import card_of
from engine.conditioning.projector.encoding import open_projector
from engine.conditioning.projector.projector_file import load_projector
from engine.conditioning.projector.sonic import SonicAdapter
from engine.conditioning.sound_embedding import SoundMoment, TargetSpec
from engine.diffusion.models.audio_attention import AudioAttention
from engine.diffusion.models.components import Components
from engine.diffusion.models.sound_hearing import open_sound_hearing
from tests.checkpoints import write_sd
from tests.sound_pairs import write_folder

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

_HEARS, _WIDTH = 64, 48
"""3 x 64 numbers by a stride of 4, as 3 x 1024 become 768."""
TARGET = TargetSpec(77, _WIDTH)


class Armed:
    """What a pickle can do: call anything."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("__import__('pathlib').Path('armed').write_text('fired')",))


def unet_of(folder: Path) -> object:
    parts = Components(folder, torch.device("cpu"), torch.float32)
    return parts.network("unet", "UNet2DConditionModel")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "d"], "--stage 1|2|3"),
        (["--data", "d", "--stage", "4"], "--stage 1|2|3"),
        (["--stage", "1"], "--data DIR"),
        (["--stage", "1", "--data", "d", "--steps", "0"], "--steps 0"),
        (["--stage", "1", "--data", "d", "--batch", "1"], "--batch 1"),
        (["--stage", "1", "--data", "d", "--norm", "-3"], "--norm -3"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "projector", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_a_stage_runs_and_says_what_it_reached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("accelerate", reason="pip install 'sonolume[training]'")
    data = write_folder(tmp_path / "d", count=8)
    (data / "train" / "audio" / "3.wav").unlink()
    words = ["train", "projector", "--stage", "1", "--data", str(data), "--work",
             str(tmp_path / "w"), "--steps", "2", "--device-compute", "cpu", "--json"]  # fmt: skip
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "1 of 8 pairs are not whole and left out: 3 (audio)" in out
    done = json.loads(out.splitlines()[-1])
    assert done["stage"] == "1"
    assert done["figures"]["pairs"] == 7
    assert done["figures"]["steps"] == 2
    assert card_of(tmp_path / "w" / "projector-stage1.safetensors").encoder == "ear"


def sonic_files(home: Path, *, bare: bool = False) -> tuple[Path, Path, SonicAdapter]:
    """Pickles in SonicDiffusion's layout, and the adapter they were made of."""
    write_sd(home / "sd", width=_WIDTH)
    torch.manual_seed(0)
    adapter = SonicAdapter(77, _HEARS, _WIDTH).eval().requires_grad_(False)
    state = dict(adapter.state_dict())
    if bare:
        state = {name.replace("to_out_adapter.0.", "to_out_adapter."): t
                 for name, t in state.items()}  # fmt: skip
    torch.save(state, home / "audio_projector_landscape.pth")
    attention = AudioAttention(unet_of(home / "sd"))
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape))
    torch.save(attention.named_tensors(), home / "landscape.pt")
    return home / "audio_projector_landscape.pth", home / "landscape.pt", adapter


@pytest.mark.parametrize("bare", [False, True])
def test_checkpoints_of_sonic_diffusion_are_converted_to_the_last_bit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bare: bool
) -> None:
    projector, landscape, adapter = sonic_files(tmp_path, bare=bare)
    words = ["train", "projector", "--convert", str(projector), "--convert", str(landscape),
             "--work", str(tmp_path / "w"), "--json"]  # fmt: skip
    assert main(words) == 0
    out = Path(json.loads(capsys.readouterr().out.splitlines()[-1])["file"])
    card, _ = load_projector(out)
    assert (card.encoder, card.input_width, card.target) == ("msclap", _HEARS, TARGET)
    encoding = open_projector(out, TARGET, "msclap")
    vector = np.random.default_rng(0).normal(size=_HEARS).astype(np.float32)
    rows = encoding.stage_rows(SoundMoment(vector, 44_100, "msclap", (vector, vector, vector)))
    assert rows is not None
    expected = adapter(torch.from_numpy(vector)[None])[0]
    for stage in rows:
        np.testing.assert_allclose(stage, expected.numpy(), atol=1e-6)
    assert encoding.levels is None
    heard = open_sound_hearing(out, unet_of(tmp_path / "sd")).named_tensors()
    stored = torch.load(landscape, weights_only=True)
    assert heard.keys() == stored.keys()
    assert all(torch.equal(heard[name], stored[name]) for name in stored)


def test_a_pickle_that_would_run_code_is_not_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Armed()}, tmp_path / "armed.pth")
    words = ["train", "projector", "--convert", str(tmp_path / "armed.pth"), "--work", "w"]
    assert main(words) == 1
    assert "holds more than tensors" in capsys.readouterr().err
    assert not (tmp_path / "armed").exists()


def test_a_pickle_of_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    projector, landscape, _ = sonic_files(tmp_path)

    def words_of(*files: Path) -> str:
        arguments = [word for path in files for word in ("--convert", str(path))]
        assert main(["train", "projector", *arguments, "--work", str(tmp_path / "w")]) == 1
        return capsys.readouterr().err

    torch.save({"lm_head.weight": torch.zeros(2)}, tmp_path / "other.pt")
    assert "is neither a projector" in words_of(tmp_path / "other.pt")
    assert "there is no projector among the files" in words_of(landscape)
    assert "there is no file" in words_of(tmp_path / "none.pt")
    state = torch.load(projector, weights_only=True)
    del state["between_attention.3.0.weight"]
    torch.save({"model_state_dict": state}, tmp_path / "half.pth")
    assert "no whole projector" in words_of(tmp_path / "half.pth")


def test_sonic_diffusion_hears_what_is_not_there_and_says_so(tmp_path: Path) -> None:
    from engine.errors import ModelLoadError

    projector, _, _ = sonic_files(tmp_path)
    assert main(["train", "projector", "--convert", str(projector), "--work", str(tmp_path)]) == 0
    with pytest.raises(ModelLoadError, match="hears msclap"):
        open_projector(tmp_path / "audio_projector_landscape.safetensors", TARGET)
