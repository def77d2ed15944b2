from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
import torch

from engine.diffusion.bundle import PromptEmbedding
from engine.diffusion.prompt_store import PromptStore

CPU = torch.device("cpu")


def embedding(seed: int = 0, dtype: torch.dtype = torch.float32) -> PromptEmbedding:
    generator = torch.Generator().manual_seed(seed)
    return PromptEmbedding(
        torch.randn(1, 77, 32, generator=generator).to(dtype),
        torch.randn(1, 16, generator=generator).to(dtype),
        torch.ones(1, 77, dtype=torch.long),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_prompt_comes_back_to_the_last_bit(tmp_path: Path, dtype: torch.dtype) -> None:
    kept = embedding(dtype=dtype)
    PromptStore(tmp_path).add("a" * 64, kept)
    found = PromptStore(tmp_path).get("a" * 64, CPU)
    assert found is not None
    for name in ("tokens", "pooled", "mask"):
        assert torch.equal(getattr(found, name), getattr(kept, name))
    assert PromptStore(tmp_path).get("b" * 64, CPU) is None
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("damage", ["cut", "empty", "words", "one bit", "zeros at the end"])
def test_a_damaged_file_is_as_good_as_none_and_is_replaced(tmp_path: Path, damage: str) -> None:
    store = PromptStore(tmp_path)
    store.add("a", embedding())
    path = next(tmp_path.iterdir())
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:middle],
            "empty": b"",
            "words": b"not weights",
            "one bit": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "zeros at the end": whole[:-4096] + bytes(4096),
        }[damage]
    )
    assert store.get("a", CPU) is None
    store.add("a", embedding())
    assert store.get("a", CPU) is not None


def test_the_folder_stays_bounded_and_keeps_what_was_read_last(tmp_path: Path) -> None:
    PromptStore(tmp_path).add("0", embedding())
    size = next(tmp_path.iterdir()).stat().st_size
    store = PromptStore(tmp_path, most_bytes=5 * size + size // 2)
    for k in range(1, 5):
        store.add(str(k), embedding(k))
    for k, path in enumerate(sorted(tmp_path.iterdir())):
        os.utime(path, ns=(k, k))
    assert store.get("0", CPU) is not None  # read: now the newest
    store.add("5", embedding(5))
    left = {path.stem for path in tmp_path.iterdir()}
    assert {"0", "5"} <= left
    assert not left & {"1"}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5.5 * size


@pytest.mark.parametrize("why", ["a file is in the way", "the disk is full"])
def test_where_nothing_can_be_kept_it_says_so_once_and_goes_on(
    tmp_path: Path, why: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "prompts"
    if why == "a file is in the way":
        folder.write_text("")
    else:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("engine.diffusion.prompt_store.save_file", full)
    store = PromptStore(folder)
    with caplog.at_level(logging.INFO):
        for k in range(3):
            store.add(str(k), embedding())
    assert len([r for r in caplog.records if "not kept" in r.message]) == 1
    assert store.get("0", CPU) is None
