from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.conditioning.adapter_file import AdapterCard, card_metadata, card_of
from engine.conditioning.sound_embedding import TargetSpec
from engine.errors import ModelLoadError

CARD = AdapterCard("mapper", "ear", 384, TargetSpec(8, 256, 256), "ember", {"hidden": [512]})


def written(path: Path, metadata: dict[str, str]) -> Path:
    save_file({"w": np.zeros(3, np.float32)}, path, metadata=metadata)
    return path


def test_a_card_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assert card_of(written(tmp_path / "a.safetensors", card_metadata(CARD))) == CARD


def test_a_file_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="does not say what it was trained for"):
        card_of(written(tmp_path / "a.safetensors", {}))


def test_a_card_of_another_version_is_refused(tmp_path: Path) -> None:
    metadata = {k: v.replace('"format_version": 1', '"format_version": 9')
                for k, v in card_metadata(CARD).items()}  # fmt: skip
    with pytest.raises(ModelLoadError, match="format version 9"):
        card_of(written(tmp_path / "a.safetensors", metadata))


def test_a_damaged_card_is_refused(tmp_path: Path) -> None:
    broken = {"sonolume.adapter": '{"format_version": 1, "target": {}}'}
    with pytest.raises(ModelLoadError, match="is damaged"):
        card_of(written(tmp_path / "a.safetensors", broken))


def test_another_front_end_is_refused_with_both_names(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"hears ear \(384 numbers\).*clap \(512\)"):
        CARD.check("clap", 512, CARD.target, tmp_path)


def test_another_prompt_space_is_refused_with_both_shapes(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"8 x 256 \+ 256.*77 x 768"):
        CARD.check("ear", 384, TargetSpec(77, 768), tmp_path)


def test_what_fits_is_taken(tmp_path: Path) -> None:
    CARD.check("ear", 384, TargetSpec(8, 256, 256), tmp_path)
