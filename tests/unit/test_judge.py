"""The judge: what it learns from, what it measures, and weights that are whole or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import ModelLoadError, ScoreError, TrainingError
from engine.scoring.frechet import frechet_distance, mean_pairwise_distance
from engine.scoring.judge import (
    MODEL_FILE,
    PLAIN,
    REFERENCE_FILE,
    UNSTYLED,
    Judge,
    Reference,
    judge_folder,
    load_judge,
    save_judge,
    to_input,
)
from engine.scoring.judge_network import JudgeConfig, JudgeNetwork, count_parameters
from engine.training.ember.dataset import PictureFile
from engine.training.ember.judge import JudgePlan, JudgeTrainer, look_at_held_out
from engine.training.ember.judge_pictures import (
    STORED_PX,
    JudgeFile,
    JudgeSource,
    labelled,
    scenes_of,
    shrink_pictures,
    style_indices,
    styles_of,
    wear,
)
from engine.training.ember.judge_stage import run_judge
from engine.training.ember.stages import STAGES
from engine.training.ember.styles.gallery import STYLE, STYLED, STYLES

TINY = (4, 6, 8, 8)
STRIPES, DISCS = "stripes", "discs"


def _pictures(scene: str, count: int, side: int, seed: int) -> np.ndarray:
    """Two kinds of picture that anybody can tell apart, in any colours."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    out = np.empty((count, side, side, 3), np.uint8)
    for picture in out:
        if scene == STRIPES:
            shape = np.sin(2 * np.pi * (rng.uniform(5, 7) * y + rng.random())) > 0
        else:
            shape = np.hypot(x - rng.uniform(0.4, 0.6), y - rng.uniform(0.4, 0.6)) < 0.25
        low, high = rng.integers(0, 90, 3), rng.integers(150, 256, 3)
        picture[:] = np.where(shape[..., None], high, low)
    return out


def _files(count: int = 24, side: int = 64) -> list[PictureFile]:
    return [
        PictureFile(name, "square", _pictures(name, count, side, seed), {})
        for seed, name in enumerate((DISCS, STRIPES))
    ]


def _judge(styles: tuple[str, ...] = ()) -> Judge:
    torch.manual_seed(0)
    network = JudgeNetwork(JudgeConfig((DISCS, STRIPES), styles, TINY))
    rng = np.random.default_rng(0)
    reference = Reference(
        rng.random((8, TINY[-1])).astype(np.float16).astype(np.float32),
        np.arange(8, dtype=np.int64) % 2,
        np.full(8, UNSTYLED if not styles else 0, np.int64),
    )
    return Judge(network.half().float(), reference)


def _save(folder: Path, judge: Judge) -> None:
    save_judge(folder, judge._network, judge.reference, {"scene_accuracy": 0.5})


def test_the_shipped_size_is_small_and_sees_128_pixels() -> None:
    network = JudgeNetwork(JudgeConfig(tuple(f"scene {k}" for k in range(68)))).eval()
    assert count_parameters(network) < 1_500_000
    seen = to_input(_pictures(DISCS, 2, 96, 0)[:, :, :80])
    assert seen.shape == (2, 3, 128, 128)
    assert -1 <= float(seen.min()) < float(seen.max()) <= 1
    with torch.inference_mode():
        scenes, styles = network(seen)
    assert scenes.shape == (2, 68)
    assert styles is None


def test_a_saved_judge_thinks_the_same_after_loading(tmp_path: Path) -> None:
    judge = _judge((PLAIN, "ink"))
    _save(tmp_path, judge)
    again = load_judge(tmp_path)
    pictures = np.concatenate([_pictures(name, 4, 64, 9) for name in (DISCS, STRIPES)])
    first, second = judge.look(pictures), again.look(pictures)
    np.testing.assert_array_equal(first.features, second.features)
    np.testing.assert_array_equal(first.scenes, second.scenes)
    assert first.styles is not None
    assert second.styles is not None
    np.testing.assert_array_equal(first.styles, second.styles)
    np.testing.assert_array_equal(judge.reference.features, again.reference.features)
    assert again.scenes == (DISCS, STRIPES)
    assert again.styles == (PLAIN, "ink")


@pytest.mark.parametrize("name", [MODEL_FILE, REFERENCE_FILE, "judge.json"])
def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path, name: str) -> None:
    _save(tmp_path, _judge())
    (tmp_path / name).unlink()
    with pytest.raises(ModelLoadError, match=rf"{name} cannot be read.*git checkout"):
        load_judge(tmp_path)


@pytest.mark.parametrize("name", [MODEL_FILE, REFERENCE_FILE])
def test_a_flipped_bit_is_named_with_the_remedy(tmp_path: Path, name: str) -> None:
    _save(tmp_path, _judge())
    data = bytearray((tmp_path / name).read_bytes())
    data[-5] ^= 1
    (tmp_path / name).write_bytes(bytes(data))
    with pytest.raises(ModelLoadError, match=rf"{name} .* is damaged.*git checkout"):
        load_judge(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is damaged"),
        ("[]", "format version None"),
        ('{"format_version": 99}', "format version 99"),
        ('{"format_version": 1, "widths": [4]}', "does not say what it can judge"),
    ],
)
def test_a_broken_index_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    _save(tmp_path, _judge())
    (tmp_path / "judge.json").write_text(text)
    with pytest.raises(ModelLoadError, match=said) as raised:
        load_judge(tmp_path)
    assert "\n" not in str(raised.value)


def test_weights_of_another_layout_are_refused(tmp_path: Path) -> None:
    _save(tmp_path, _judge())
    index = json.loads((tmp_path / "judge.json").read_text())
    (tmp_path / "judge.json").write_text(json.dumps(index | {"scenes": ["one", "two", "three"]}))
    with pytest.raises(ModelLoadError, match="another layout"):
        load_judge(tmp_path)


def test_the_shipped_judge_is_small_and_right_about_what_was_painted() -> None:
    assert sum(path.stat().st_size for path in judge_folder().glob("*.*")) < 3_000_000
    judge = load_judge(judge_folder())
    found = judge.look_again(judge.reference.features).scenes
    assert (found == judge.reference.scenes).mean() > 0.95


def test_the_frechet_distance_of_known_gaussians_is_the_formula() -> None:
    rng = np.random.default_rng(2)
    scale, offset = np.array([1.0, 2.0, 0.5]), np.array([3.0, 0.0, 0.0])
    first = rng.standard_normal((40_000, 3))
    second = rng.standard_normal((40_000, 3)) * scale + offset
    expected = 9.0 + ((scale - 1.0) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=0.02)
    assert frechet_distance(first, first) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first))


def test_the_frechet_distance_sees_turned_covariances() -> None:
    rng = np.random.default_rng(3)
    flat = rng.standard_normal((20_000, 2)) * (2.0, 0.0)
    turned = flat[:, ::-1]
    # Tr(C1) + Tr(C2): the covariances have no overlap at all.
    assert frechet_distance(flat, turned) == pytest.approx(8.0, rel=0.05)


def test_distances_need_two_pictures() -> None:
    one = np.zeros((1, 3), np.float32)
    with pytest.raises(ScoreError, match="at least 2"):
        frechet_distance(one, np.zeros((5, 3)))
    with pytest.raises(ScoreError, match="at least 2"):
        mean_pairwise_distance(one)


def test_the_mean_pairwise_distance_is_over_all_pairs() -> None:
    corners = np.array([[0, 0], [3, 4], [0, 0]], np.float32)
    assert mean_pairwise_distance(corners) == pytest.approx(10 / 3)


def test_styled_and_plain_files_of_one_scene_are_one_scene() -> None:
    plain, _ = _files(4)
    names = list(STYLES)
    values = {STYLE.name: [(k + 0.5) / len(names) for k in (2, 0, 5, 2)]}
    styled = replace(plain, scene=DISCS + STYLED, values=values)
    files = labelled([plain, styled])
    assert scenes_of(files) == (DISCS,)
    assert files[0].styles == (PLAIN,) * 4
    assert files[1].styles == (names[2], names[0], names[5], names[2])
    assert files[0].name != files[1].name
    styles = styles_of(files)
    assert set(styles) == {PLAIN, names[0], names[2], names[5]}
    assert [styles[k] for k in style_indices(files[1], styles)] == list(files[1].styles)


def test_a_data_set_without_styles_makes_no_second_head() -> None:
    files = labelled(_files(4))
    assert styles_of(files) == ()
    assert style_indices(files[0], ()).tolist() == [UNSTYLED] * 4


def test_wear_keeps_the_picture_and_never_its_pixels() -> None:
    stored = _pictures(DISCS, 1, STORED_PX, 3)[0]
    views = [wear(stored, np.random.default_rng(seed)) for seed in range(24)]
    for view in views:
        assert view.shape == (128, 128, 3)
        assert view.dtype == np.uint8
        middle, corner = view[54:74, 54:74].mean(), view[:8, :8].mean()
        assert middle > corner + 20  # still a bright disc on dark ground
    assert len({view.tobytes() for view in views}) == len(views)
    again = wear(stored, np.random.default_rng(5))
    np.testing.assert_array_equal(again, views[5])


def _source(folder: Path, files: list[JudgeFile]) -> JudgeSource:
    shrunk = shrink_pictures(files, folder)
    return JudgeSource(files, shrunk, scenes_of(files), styles_of(files), seed=1)


def test_every_training_picture_comes_once_per_round_and_no_other(tmp_path: Path) -> None:
    marked = np.zeros((24, 32, 32, 3), np.uint8)
    marked += np.arange(24, dtype=np.uint8)[:, None, None, None] * 10
    files = labelled([PictureFile(DISCS, "square", marked, {})])
    source = _source(tmp_path, files)
    assert len(source) == 22  # two of 24 are held out
    places = [source._place(index)[1] for index in range(44)]
    rows = set(range(24)) - {11, 23}
    assert set(places[:22]) == rows == set(places[22:])
    assert places[:22] != places[22:]


def test_a_batch_depends_on_the_step_only(tmp_path: Path) -> None:
    files = labelled(_files())
    one, two = (_source(tmp_path, files) for _ in range(2))
    one.batch(0, 8)
    for first, second in zip(one.batch(7, 8), two.batch(7, 8), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert not torch.equal(one.batch(7, 8)[0], two.batch(8, 8)[0])


def _trainer(folder: Path, plan: JudgePlan) -> JudgeTrainer:
    files = labelled(_files())
    config = JudgeConfig(scenes_of(files), (), TINY)
    return JudgeTrainer(config, _source(folder, files), plan, device="cpu", seed=4)


def test_it_learns_to_tell_held_out_pictures_apart(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path, JudgePlan(1, batch=16, learning_rate=0.02, warm_up=1))
    losses = [trainer.step(0.0)["scene_loss"] for _ in range(50)]
    assert np.mean(losses[-5:]) < 0.4 * losses[0]
    network = trainer.averaged()
    judge = Judge(network, look_at_held_out(network, labelled(_files())))
    found = judge.look_again(judge.reference.features).scenes
    np.testing.assert_array_equal(found, judge.reference.scenes)
    fresh = np.concatenate([_pictures(name, 6, 200, 77) for name in judge.scenes])
    np.testing.assert_array_equal(judge.look(fresh).scenes, [0] * 6 + [1] * 6)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    plan = JudgePlan(1, batch=4)
    whole = _trainer(tmp_path, plan)
    for _ in range(4):
        whole.step(0.5)
    first = _trainer(tmp_path, plan)
    for _ in range(2):
        first.step(0.5)
    first.save(tmp_path / "judge.safetensors")
    second = _trainer(tmp_path, plan)
    second.restore(tmp_path / "judge.safetensors")
    for _ in range(2):
        second.step(0.5)
    for key, value in whole.state.averaged_state().items():
        torch.testing.assert_close(second.state.averaged_state()[key], value, rtol=0, atol=0)


def test_a_checkpoint_of_other_scenes_is_refused(tmp_path: Path) -> None:
    plan = JudgePlan(1, batch=4)
    trainer = _trainer(tmp_path, plan)
    trainer.save(tmp_path / "judge.safetensors")
    files = [replace(file, scene=name) for file, name in zip(_files(), "ab", strict=True)]
    config = JudgeConfig(("a", "b"), (), TINY)
    source = _source(tmp_path / "other", labelled(files))
    other = JudgeTrainer(config, source, plan, device="cpu", seed=4)
    with pytest.raises(TrainingError, match="other scenes"):
        other.restore(tmp_path / "judge.safetensors")


def test_the_stage_leaves_a_judge_that_loads_with_figures(tmp_path: Path) -> None:
    assert STAGES["judge"] is run_judge
    names = list(STYLES)
    for file in _files():
        _write(tmp_path / "pictures_halved", file)
        styles = [(k % 3 + 0.5) / len(names) for k in range(12)]
        part = replace(file, scene=file.scene + STYLED, pictures=file.pictures[:12])
        _write(tmp_path / "pictures_halved", replace(part, values={STYLE.name: styles}))
    run_judge(tmp_path, budget_min=1, resume=False, device="cpu", seed=3, threads=1, quick=True)
    judge = load_judge(tmp_path / "judge")
    assert judge.scenes == (DISCS, STRIPES)
    assert set(judge.styles) == {PLAIN, *names[:3]}
    assert len(judge.reference.features) == 2 * (2 + 1)
    figures = json.loads((tmp_path / "judge" / "judge.json").read_text())["figures"]
    assert figures["held_out_pictures"] == 6
    assert 0 <= figures["scene_accuracy"] <= 1
    assert 0 <= figures["scene_accuracy_worn"] <= 1
    assert 0 <= figures["style_accuracy"] <= 1
    assert figures["training_steps"] == 4
    assert "2\nscenes, 4 styles" in (tmp_path / "judge" / "README.md").read_text()
    assert (tmp_path / "sheets" / "judge.png").exists()
    assert (tmp_path / "judge_held_out.csv").read_text().startswith("scene,accuracy\ndiscs,")


def test_the_stage_without_pictures_says_which_one_comes_first(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="scenes"):
        run_judge(
            tmp_path, budget_min=1, resume=False, device="cpu", seed=3, threads=1, quick=True
        )


def _write(folder: Path, file: PictureFile) -> None:
    folder.mkdir(exist_ok=True)
    np.save(folder / f"{file.scene}-{file.shape}.npy", file.pictures)
    (folder / f"{file.scene}-{file.shape}.json").write_text(json.dumps(dict(file.values)))
