from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from app.cli import main
from engine.conditioning.adapter_file import card_of
from engine.diffusion.models.ember.bundle import ember_folder
from engine.diffusion.models.ember.weights import load_ember
from engine.errors import TrainingError
from engine.scoring.sound_heads import heads_metadata, load_heads
from engine.synthesis.sounds.catalogue import SOUNDS
from engine.training.ember.sights import OWN_SCENE, SIGHTS, lay_sight
from engine.training.sights.pictures import open_sights
from engine.training.sights.sounds import SoundTable
from engine.training.sights.stage import STAGES, SightsRequest
from engine.training.sights.trainer import HELD_OUT_FOLD, SightPlan, SightTrainer
from engine.training.sights.where import SIGHT_OF, region
from tests.signals import noise, sine

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for fold in range(1, 5):
        for category, sound in (("rain", noise(1.0, RATE_HZ, seed=fold)),
                                ("rooster", sine(500.0 + fold, 1.0, RATE_HZ))):  # fmt: skip
            name = f"{fold}-{category}.wav"
            soundfile.write(folder / name, sound, RATE_HZ)
            rows.append((name, category, fold, "CC0 1.0", "author"))
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "category", "fold", "licence", "author"), *rows])
    return folder


@pytest.fixture(scope="module", autouse=True)
def few_sounds():
    few = {name: SOUNDS[name] for name in ("clock", "birds")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.training.listener.clips.SOUNDS", few)
        yield


def table(labels: tuple[str, ...], fold: int = 1) -> SoundTable:
    """Each label's sound is a vector of its own."""
    rng = np.random.default_rng(0)
    count = 4 * len(labels)
    views = np.repeat(rng.standard_normal((len(labels), 3, 384)), 4, axis=0).astype(np.float32)
    named = [label for label in labels for _ in range(4)]
    folds = np.full(count, fold)
    return SoundTable(views, named, folds, np.ones(count, bool), np.arange(count))


def test_all_stages_run_and_leave_what_ships(data: Path, tmp_path: Path) -> None:
    request = SightsRequest(data, tmp_path, 1.0, quick=True)
    for stage in STAGES.values():
        stage(request)
    card = card_of(tmp_path / "sound" / "ember.safetensors")
    assert (card.kind, card.encoder, card.family) == ("projector", "ear", "ember")
    assert card.figures["steps"] == 3.0
    heads = load_heads(tmp_path / "sound" / "heads.safetensors")
    sights = open_sights(tmp_path / "sights.npz")
    assert heads.sound_ranks(sights.features, sights.labels[0]).shape == (len(sights.labels),)


def test_the_adapter_comes_nearer_to_its_teacher() -> None:
    ember = load_ember(ember_folder(), "cpu", torch.float32)
    plan = SightPlan(1.0, max_steps=30, batch=3, batch_large=1, warm_up=3, halved_share=1.0)
    trainer = SightTrainer(ember, table(("fire",)), plan, seed=0)
    shares = [trainer.step(step / 60)["of_all"] for step in range(30)]
    assert np.mean(shares[-5:]) < 0.75 * np.mean(shares[:5])


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    def made() -> SightTrainer:
        ember = load_ember(ember_folder(), "cpu", torch.float32)
        return SightTrainer(ember, table(("fire", "rain")), plan, seed=1)

    plan = SightPlan(1.0, max_steps=4, batch=2, batch_large=1)
    whole = made()
    for step in range(4):
        whole.step(step / 4)
    first = made()
    for step in range(2):
        first.step(step / 4)
    first.save(tmp_path / "a.safetensors")
    second = made()
    second.restore(tmp_path / "a.safetensors")
    for step in range(2, 4):
        second.step(step / 4)
    for one, two in zip(whole.adapter.parameters(), second.adapter.parameters(), strict=True):
        assert torch.equal(one, two)


def test_clips_of_the_held_out_fold_are_never_heard() -> None:
    ember = load_ember(ember_folder(), "cpu", torch.float32)
    with pytest.raises(TrainingError, match="no clip of any sound"):
        SightTrainer(ember, table(("fire",), HELD_OUT_FOLD), SightPlan(1.0), seed=0)


def test_every_sound_with_a_sight_changes_the_picture_and_leaves_some_of_it() -> None:
    generator = torch.Generator().manual_seed(0)
    scene = torch.rand(1, 3, 64, 64, generator=generator) * 0.3
    for label in OWN_SCENE:
        whole = lay_sight(label, scene.clone(), torch.Generator().manual_seed(1))
        assert whole.shape == scene.shape
        assert bool(torch.isfinite(whole).all())
        assert float((whole - scene).abs().mean()) > 1e-3, label
    assert set(SIGHTS) < set(OWN_SCENE) == set(SIGHT_OF)


@pytest.mark.parametrize("where", sorted({sight.where for sight in SIGHT_OF.values()}))
def test_regions_are_shares_and_leave_room_for_the_scene(where: str) -> None:
    share = region(where, 16, 24)
    assert share.shape == (16, 24)
    assert 0.0 <= float(share.min()) <= float(share.max()) <= 1.0
    assert 0.2 < float(share.mean()) < 0.8


def test_heads_rank_what_they_were_given(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    eye = np.eye(3, dtype=np.float32)
    tensors = {"mean": np.zeros(3, np.float32), "spread": np.ones(3, np.float32)}
    for what in ("sounds", "scenes"):
        tensors |= {f"{what}.weight": eye, f"{what}.bias": np.zeros(3, np.float32)}
    path = tmp_path / "heads.safetensors"
    save_file(tensors, path, metadata=heads_metadata(("a", "b", "c"), ("x", "y", "z")))
    heads = load_heads(path)
    features = np.array([[3.0, 2.0, 1.0]], np.float32)
    assert [int(heads.sound_ranks(features, name)[0]) for name in "abc"] == [0, 1, 2]
    assert int(heads.scene_ranks(features, "z")[0]) == 2


def test_the_command_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "sights", "--stage", "adapter"]) == 2
    assert "--data DIR" in capsys.readouterr().err
    assert main(["train", "sights"]) == 2
    assert "--stage pictures|heads|adapter" in capsys.readouterr().err
