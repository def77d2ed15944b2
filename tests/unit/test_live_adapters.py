from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.conditioning.adapter_file import AdapterCard, card_metadata
from engine.conditioning.encodings import AdapterShelf
from engine.conditioning.sound_embedding import SoundMoment, TargetSpec
from engine.errors import ModelLoadError
from engine.semantic.adapters import open_live_adapter

EMBER = TargetSpec(8, 256, 256)
RATE_HZ = 44_100


def hiss(seed: int) -> SoundMoment:
    rng = np.random.default_rng(seed)
    return SoundMoment((0.1 * rng.standard_normal(2 * RATE_HZ)).astype(np.float32), RATE_HZ)


def test_what_hears_clap_is_not_opened_in_a_show(tmp_path: Path) -> None:
    path = tmp_path / "slow.safetensors"
    card = AdapterCard("projector", "clap", 512, EMBER, "ember")
    save_file({"w": np.zeros(1, np.float32)}, path, metadata=card_metadata(card))
    with pytest.raises(ModelLoadError, match="would stop the painting"):
        open_live_adapter("projector", path, EMBER)


@pytest.mark.parametrize("name", ["projector", "mapper"])
def test_the_adapters_that_ship_hear_by_themselves_and_nothing_in_silence(name: str) -> None:
    path = AdapterShelf().file_of(name, "ember")
    assert path is not None
    encoding = open_live_adapter(name, path, EMBER)
    found = encoding.embed(hiss(0))
    assert found is not None
    assert found.tokens.shape == (8, 256)
    assert found.pooled is not None
    assert encoding.step_s == 0.5
    silence = SoundMoment(np.zeros(2 * RATE_HZ, np.float32), RATE_HZ)
    assert encoding.embed(silence) is None


def test_other_models_have_no_adapter_that_ships() -> None:
    assert AdapterShelf().file_of("projector", "sd-turbo") is None
    own = Path("mine.safetensors")
    assert AdapterShelf({"projector": own}).file_of("projector", "ember") == own
