"""A ControlNet beside a checkpoint, on tiny networks in the exact layout of the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.structure.shapes import DrawnShapes
from engine.errors import ModelLoadError
from engine.messages import Travel, Uint8
from engine.registry import Guides, ModelRequest, check_guides
from tests.checkpoints import write_controlnet, write_sd, write_sdxl
from tests.states import control

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

FAMILIES = ("sd", "sdxl")
STRUCTURE = DrawnShapes(160, 90).picture_at(0.0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("controlled")
    write_sd(home / "sd")
    write_sdxl(home / "sdxl")
    write_sd(home / "sd-turbo", width=64)
    for family in FAMILIES:
        write_controlnet(home / f"{family}-control", home / family, seed=5)
        write_controlnet(home / f"{family}-zero", home / family, zero=True)
    return home


def open_model(home: Path, family: str, net: str = "", kind: str = "canny") -> FeedbackModel:
    controlnet = str(home / net) if net else ""
    return open_checkpoint(
        ModelRequest(
            str(home / family), 128, 64, "cpu", "float32", 1,
            guides=Guides(controlnet, kind),
        )
    )  # fmt: skip


def painted(model: FeedbackModel, structure: Uint8 | None = STRUCTURE, **values: float) -> Uint8:
    """Two pictures on; the structure is shown to the ControlNet alone."""
    model.restart()
    model.steer(structure)
    values = {"structure__amount": 0.0, **values}
    model.generate(control(0.0, **values), 0.0)
    return model.generate(control(0.1, travel=Travel(noise_rad=0.3), **values), 0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_that_was_not_trained_yet_changes_no_bit(home: Path, family: str) -> None:
    plain = painted(open_model(home, family))
    assert np.array_equal(plain, painted(open_model(home, family, f"{family}-zero")))


@pytest.mark.parametrize("family", FAMILIES)
def test_scale_nought_is_no_controlnet_and_more_changes_more(home: Path, family: str) -> None:
    plain = painted(open_model(home, family)).astype(int)
    model = open_model(home, family, f"{family}-control")
    changes = [
        float(np.abs(painted(model, structure__control=scale) - plain).mean())
        for scale in (0.0, 0.05, 1.0)
    ]
    assert changes[0] == 0.0
    assert 0.0 < changes[1] < changes[2]
    model.close()


def test_without_a_structure_picture_it_adds_nothing(home: Path) -> None:
    plain = painted(open_model(home, "sd"), None)
    model = open_model(home, "sd", "sd-control")
    assert not np.array_equal(plain, painted(model, STRUCTURE))
    assert np.array_equal(plain, painted(model, None))


def test_it_sees_the_edges_or_the_picture_itself_as_asked(home: Path) -> None:
    brighter = np.minimum(STRUCTURE, 200) + np.uint8(20)  # the same edges
    brighter.flags.writeable = False
    assert STRUCTURE is not None
    edges = open_model(home, "sd", "sd-control")
    whole = open_model(home, "sd", "sd-control", "none")
    assert not np.array_equal(painted(edges), painted(whole))
    assert not np.array_equal(painted(whole), painted(whole, brighter))
    other = DrawnShapes(160, 90).picture_at(2.0)
    assert not np.array_equal(painted(edges), painted(edges, other))


def test_guidance_and_a_controlnet_go_together(home: Path) -> None:
    model = open_model(home, "sdxl", "sdxl-control")
    assert not np.array_equal(painted(model), painted(model, diffusion__guidance=3.0))


def test_its_buffers_stay_where_they_are(home: Path) -> None:
    model = open_model(home, "sd", "sd-control")
    painted(model)
    branch = model.bundle._controlnet  # type: ignore[attr-defined]
    places = (branch._planes.data_ptr(), branch._scale.data_ptr())
    painted(model, DrawnShapes(64, 64).picture_at(3.0), structure__control=0.4)
    assert (branch._planes.data_ptr(), branch._scale.data_ptr()) == places
    assert float(branch._scale) == pytest.approx(0.4)
    assert 0.0 <= float(branch._planes.min()) < float(branch._planes.max()) == 1.0


# what will not do -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "net"), [("sd-turbo", "sd-control"), ("sdxl", "sd-control"), ("sd", "sdxl-control")]
)
def test_one_of_another_family_is_named_before_any_weights_are_read(
    home: Path, family: str, net: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untouched(*_: object, **__: object) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr("diffusers.UNet2DConditionModel.from_pretrained", untouched)
    monkeypatch.setattr("diffusers.ControlNetModel.from_pretrained", untouched)
    with pytest.raises(ModelLoadError, match=f"{net} is a ControlNet for text of") as it:
        open_model(home, family, net)
    assert "\n" not in str(it.value)


def test_one_for_another_unet_of_the_same_text_is_named(home: Path, tmp_path: Path) -> None:
    config = json.loads((home / "sd-control" / "config.json").read_text())
    config["block_out_channels"] = [32, 128]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match=r"another U-Net \(block_out_channels"):
        open_checkpoint(
            ModelRequest(str(home / "sd"), 64, 64, "cpu", guides=Guides(str(tmp_path)))
        )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "it has no config.json"),
        ("{", "damaged"),
        (json.dumps({"_class_name": "UNet2DConditionModel"}), "no ControlNetModel"),
        ("like sd", "the ControlNet cannot be loaded"),
    ],
)
def test_a_folder_that_holds_none_is_one_line(
    home: Path, tmp_path: Path, content: str | None, words: str
) -> None:
    if content == "like sd":  # the weights are a pickle, or missing
        content = (home / "sd-control" / "config.json").read_text()
        (tmp_path / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelLoadError, match=words) as caught:
        open_checkpoint(
            ModelRequest(str(home / "sd"), 64, 64, "cpu", guides=Guides(str(tmp_path)))
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", ["ember", "null"])
def test_a_model_that_takes_none_says_so_and_what_steers_it_instead(model: str) -> None:
    check_guides(Guides(), model)
    check_guides(Guides("folder"), "some/checkpoint")
    with pytest.raises(ModelLoadError, match=f"{model} is none.*--structure alone"):
        check_guides(Guides("folder"), model)
