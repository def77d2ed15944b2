from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.diffusion.models.clip_text import ClipText
from engine.diffusion.models.components import Components
from tests.checkpoints import write_sd, write_sdxl

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TEXTS = ("", "lower newer", "wider " * 90)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("checkpoints")
    return {"sd": write_sd(home / "sd"), "sdxl": write_sdxl(home / "sdxl")}


def clip_text(folder: Path, *, xl: bool, dtype: torch.dtype = torch.float32) -> ClipText:
    return ClipText(Components(folder, torch.device("cpu"), dtype), xl=xl)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("family", ["sd", "sdxl"])
@torch.inference_mode()
def test_slices_give_what_the_whole_encoder_gives(
    folders: dict[str, Path], family: str, text: str
) -> None:
    clip = clip_text(folders[family], xl=family == "sdxl")
    outputs = [
        encoder(ids, output_hidden_states=True)
        for ids, (_, encoder) in zip(clip._ids(text), clip._encoders, strict=True)
    ]
    found = clip.encode(text)
    if family == "sd":
        assert torch.equal(found.tokens, outputs[0].last_hidden_state)
        assert found.pooled is None
    else:
        exact = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
        assert torch.equal(found.tokens, exact)
        assert found.pooled is not None
        torch.testing.assert_close(found.pooled, outputs[1].text_embeds, atol=1e-6, rtol=0.0)


@torch.inference_mode()
def test_a_slice_is_one_layer(folders: dict[str, Path]) -> None:
    for family, layers in (
        ("sd", 2),
        ("sdxl", 1 + 2),
    ):  # nobody needs the last one of SDXL's first
        slices = clip_text(folders[family], xl=family == "sdxl").encoding("lower")
        assert sum(1 for _ in slices) == layers


@torch.inference_mode()
def test_the_key_names_words_weights_and_number_format(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    clip = clip_text(folders["sd"], xl=False)
    key = clip.text_key("lower newer")
    assert key == clip_text(folders["sd"], xl=False).text_key("lower  newer")
    other = clip_text(write_sd(tmp_path / "other", seed=1), xl=False)
    half = clip_text(folders["sd"], xl=False, dtype=torch.bfloat16)
    others = {clip.text_key("lower"), other.text_key("lower newer"), half.text_key("lower newer")}
    assert len(others | {key}) == 4
    next(iter(clip._encoders[0][1].parameters())).mul_(1.5)
    assert clip.text_key("lower newer") == key
    clip.weights_changed()
    assert clip.text_key("lower newer") != key
