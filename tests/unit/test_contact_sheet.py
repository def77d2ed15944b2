from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.contact_sheet import Cell, contact_sheet, write_sheet
from engine.errors import SinkError
from engine.export.prompt_sheet import prompt_sheet
from engine.registry import ModelRequest
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.sheets_stage import run_sheets
from engine.training.ember.showcase import SHOWCASES
from engine.training.ember.styles.gallery import STYLES


def white(height: int, width: int) -> Cell:
    return Cell(np.full((height, width, 3), 255, np.uint8))


def test_a_contact_sheet_places_wide_and_tall_pictures_in_square_cells() -> None:
    sheet = contact_sheet([white(40, 80), white(40, 80), white(80, 40)], columns=2, cell_px=20)
    assert sheet.shape == (42, 42, 3)
    assert sheet[10, 5].tolist() == [255, 255, 255]
    assert sheet[2, 5].max() < 40  # above the wide picture
    assert sheet[32, 2].max() < 40  # beside the tall picture
    assert sheet[32, 30].max() < 40  # no second picture in this row


def test_names_stand_below_their_pictures() -> None:
    bare = contact_sheet([white(40, 40)], columns=1, cell_px=40)
    named = contact_sheet([Cell(white(40, 40).pixels, "moon")], columns=1, cell_px=40)
    assert named.shape[0] > bare.shape[0]
    np.testing.assert_array_equal(named[:40], bare)
    assert named[41:].max() > 100


def test_a_sheet_comes_back_from_its_file(tmp_path: Path) -> None:
    sheet = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    path = write_sheet(tmp_path / "new" / "sheet.png", sheet)
    np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], sheet)
    (tmp_path / "file").touch()
    with pytest.raises((SinkError, OSError)):
        write_sheet(tmp_path / "file" / "sheet.png", sheet)


def test_the_sheet_of_a_model_has_one_fresh_picture_per_prompt() -> None:
    request = ModelRequest("null", 64, 64, "cpu", "float32", 1)
    prompts = [("one", "a sunset"), ("two", "a forest"), ("three", "a cat")]
    sheet = prompt_sheet(request, prompts, columns=2, cell_px=64)
    assert sheet.shape[1] == 130
    assert sheet[:64, :64].std() > 0.0
    assert not np.array_equal(sheet[:64, :64], sheet[:64, 66:])


def test_the_showcase_has_every_scene_and_every_style() -> None:
    assert [name for name, _ in SHOWCASES["scenes"].prompts] == list(SCENES)
    assert {name for name, _ in SHOWCASES["styles"].prompts} == set(STYLES)


def test_the_stage_sheets_paints_without_a_data_set(tmp_path: Path) -> None:
    run_sheets(tmp_path, budget_min=1.0, resume=False, device="cpu", seed=0, threads=1, quick=True)
    for name in ("painters", "painters_styles", "painters_compositions"):
        sheet = cv2.imread(str(tmp_path / "sheets" / f"{name}.png"))
        assert sheet is not None
        assert sheet.shape[1] > 1500
        assert sheet.std() > 10.0


def test_a_spent_budget_leaves_a_sheet_of_what_was_painted(tmp_path: Path) -> None:
    run_sheets(tmp_path, budget_min=0.0, resume=False, device="cpu", seed=0, threads=1, quick=True)
    sheet = cv2.imread(str(tmp_path / "sheets" / "painters.png"))
    assert sheet is not None
    assert sheet.shape[0] < 200
