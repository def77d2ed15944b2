from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.cli import main
from engine.errors import LimitError, TrainingError
from engine.semantic.embedded import EmbeddedListener
from engine.synthesis.sounds.catalogue import SOUNDS
from engine.training.listener import stage
from engine.training.listener.batches import WindowSource
from engine.training.listener.clips import FOLDS, ClipTable, prepare_clips, taught_bank
from engine.training.listener.stage import ListenerRequest, run_listener
from tests.signals import noise, sine

RATE_HZ = 16_000
COLUMNS = (
    "file", "category", "fold", "licence", "licence_url", "author", "title", "source_url",
    "freesound_id",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like ESC-10's: two clips per fold, a hiss for rain and a whine for a chainsaw."""
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for fold in range(1, FOLDS + 1):
        for category, sound in (("rain", noise(1.0, RATE_HZ, seed=fold)),
                                ("chainsaw", sine(200.0 + fold, 1.0, RATE_HZ))):  # fmt: skip
            name = f"{fold}-{category}.wav"
            soundfile.write(folder / name, sound, RATE_HZ)
            licence = "CC-BY 3.0" if fold == 1 else "CC0 1.0"
            rows.append((name, category, fold, licence, "http://x", f"author {fold}",
                         f"title | {category}", f"http://y/{name}", fold))  # fmt: skip
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return folder


@pytest.fixture(scope="module", autouse=True)
def few_sounds():
    """Two sounds that are quickly made stand for all."""
    few = {name: SOUNDS[name] for name in ("clock", "birds")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.training.listener.clips.SOUNDS", few)
        yield


@pytest.fixture(scope="module")
def clips(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("work") / "clips.npz"
    prepare_clips(data, cache, seed=0, per_sound=1)
    return cache


def read(clips: Path) -> ClipTable:
    return prepare_clips(Path(), clips, seed=0, per_sound=1)  # made before: only read


def request(data: Path, clips: Path, out_dir: Path, **changes: object) -> ListenerRequest:
    out_dir.mkdir(exist_ok=True)
    (out_dir / "clips.npz").write_bytes(clips.read_bytes())
    return ListenerRequest(data, out_dir, 1.0, quick=True, **changes)  # type: ignore[arg-type]


def test_training_writes_a_folder_that_the_listener_reads(data, clips, tmp_path):
    figures = run_listener(request(data, clips, tmp_path / "a"))
    folder = tmp_path / "a" / "listener"
    assert set(figures) >= {"recorded windows", "recorded clips", "rain windows"}
    assert set(figures) >= {"recorded, refused ones wrong windows", "nothing refused clips"}
    listener = EmbeddedListener(folder)
    listener.load()
    heard = listener.hear(noise(2.0, RATE_HZ), RATE_HZ)
    assert heard is not None
    assert np.linalg.norm(heard) == pytest.approx(1.0, abs=1e-4)
    named = (folder / "ATTRIBUTIONS.md").read_text("utf-8")
    assert named.count("author 1") == 2
    assert "author 2" not in named  # CC0
    assert "title / rain" in named
    card = (folder / "README.md").read_text("utf-8")
    assert "Fold 4 was left out" in card
    assert "| recorded |" in card
    assert (tmp_path / "a" / "fold4.csv").exists()
    assert (tmp_path / "a" / "listener_held_out.csv").read_text().startswith("figure,value")
    run_listener(request(data, clips, tmp_path / "a", fold=0))
    card = (folder / "README.md").read_text("utf-8")
    assert "learned from all folds" in card
    assert "| recorded |" in card  # the figures of the run before


def test_the_same_seed_gives_the_same_weights_and_another_one_others(data, clips, tmp_path):
    weights = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run_listener(request(data, clips, tmp_path / name, seed=seed, fold=0))
        weights.append((tmp_path / name / "listener" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_windows_are_pictures_of_known_labels_whose_shares_sum_to_one(data, clips):
    table = prepare_clips(data, clips, seed=0, per_sound=1)
    batch = WindowSource(table, len(taught_bank().labels)).batch(np.random.default_rng(3), 64)
    assert batch.levels.min() >= 0.0
    assert batch.levels.max() <= 1.0
    assert np.isfinite(batch.levels).all()
    assert np.allclose(batch.shares.sum(axis=1), 1.0, atol=1e-5)


def test_the_fold_that_is_tested_on_is_not_learned_from(data, clips, tmp_path, monkeypatch):
    seen: list[ClipTable] = []

    class Watched(WindowSource):
        def __init__(self, table: ClipTable, labels: int, often: Collection[int]) -> None:
            seen.append(table)
            super().__init__(table, labels, often)

    monkeypatch.setattr(stage, "WindowSource", Watched)
    run_listener(request(data, clips, tmp_path / "a", fold=2))
    assert 2 not in seen[0].fold
    assert set(seen[0].fold) == {1, 3, 4}


def test_what_has_no_label_is_asked_to_be_even_over_all(clips: Path):
    table, labels = read(clips), len(taught_bank().labels)
    assert (table.label == labels).sum() == 5
    source = WindowSource(table.chosen(table.label != taught_bank().names.index("rain")), labels)
    shares = source.batch(np.random.default_rng(0), 400).shares
    assert 0.08 < np.mean(np.ptp(shares, axis=1) < 1e-6) < 0.2


def test_labels_that_are_asked_for_often_are_drawn_more(clips: Path):
    table, labels = read(clips), len(taught_bank().labels)
    clock = taught_bank().names.index("clock")
    seldom, often = (
        WindowSource(table, labels, names).batch(np.random.default_rng(0), 400).shares[:, clock]
        for names in ((), (clock,))
    )
    assert often.mean() > 1.2 * seldom.mean()


def test_training_goes_on_where_it_stopped(data, clips, tmp_path):
    asked = request(data, clips, tmp_path / "a", fold=0)
    run_listener(asked)
    first = (tmp_path / "a" / "listener" / "model.safetensors").read_bytes()
    run_listener(request(data, clips, tmp_path / "a", fold=0, resume=True))
    assert (tmp_path / "a" / "listener" / "model.safetensors").read_bytes() == first
    rows = (tmp_path / "a" / "all.csv").read_text()
    assert rows == "" or rows.count("step") == 1


def test_what_is_missing_is_one_line(tmp_path, data, capsys):
    with pytest.raises(TrainingError, match="no table of clips"):
        run_listener(ListenerRequest(tmp_path, tmp_path / "w", 1.0, quick=True))
    with pytest.raises(LimitError, match="no fold 7"):
        run_listener(ListenerRequest(data, tmp_path / "w", 1.0, fold=7))
    assert main(["train", "listener"]) == 2
    assert "--data" in capsys.readouterr().err
