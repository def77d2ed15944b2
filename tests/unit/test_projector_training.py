"""The projector learns from small made-up sounds and pictures in AudioCaps' layout."""

from __future__ import annotations

import dataclasses
import math
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from engine.conditioning.adapter_file import card_of
from engine.conditioning.projector.encoding import open_projector
from engine.conditioning.projector.network import Hearing, projector
from engine.conditioning.projector.plan import plan_for
from engine.conditioning.projector.projector_file import load_projector
from engine.conditioning.sound_embedding import SoundMoment, TargetSpec
from engine.errors import ModelLoadError, TrainingError
from engine.semantic.sound_vectors import open_sound_views
from engine.training.projector import losses
from engine.training.projector.dataset import read_pairs
from engine.training.projector.encoders import moments
from engine.training.projector.examples import hear
from engine.training.projector.plan import STAGE_PLANS, StagePlan
from engine.training.projector.stage import ProjectorRequest, projector_file, run_projector
from tests.checkpoints import write_clap, write_sd
from tests.sound_pairs import RATE_HZ, sound_of, write_folder

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

needs_accelerate = pytest.mark.skipif(
    find_spec("accelerate") is None, reason="pip install 'sonolume[training]'"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_folder(tmp_path_factory.mktemp("pairs"))
    return write_folder(folder, count=8, split="val", first=100)


def short(stage: int, steps: int, **changes: float) -> StagePlan:
    plan = dataclasses.replace(STAGE_PLANS[stage], steps=steps, accumulate=1, learning_rate=1e-3)
    return dataclasses.replace(plan, **changes)


def unheard(line: str) -> None:
    raise AssertionError(line)


def rows(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_the_stages_are_as_long_as_published() -> None:
    found = [(p.steps, p.learning_rate, p.batch, p.accumulate, p.clip_norm)
             for p in STAGE_PLANS.values()]  # fmt: skip
    assert found == [
        (3000, 1e-4, 8, 2, 1.0), (2000, 5e-5, 4, 4, 1.0), (1000, 1e-5, 2, 8, 0.5),
    ]  # fmt: skip
    assert STAGE_PLANS[2].rate(1999) == 5e-5
    assert STAGE_PLANS[3].rate(0) == 1e-5
    assert STAGE_PLANS[3].rate(1000) == pytest.approx(1e-6)


def test_contrast_is_ln_b_by_chance_and_falls_where_pairs_agree() -> None:
    texts = torch.eye(6)
    assert float(losses.info_nce(torch.ones(6, 6), texts)) == pytest.approx(math.log(6))
    assert losses.chance(6) == math.log(6)
    assert float(losses.info_nce(texts, texts)) < 1e-4
    twice = torch.cat((texts[:3], texts[:3]))
    same = torch.cat((torch.eye(3), torch.eye(3)), 1).repeat(2, 1).bool()
    assert float(losses.info_nce(twice, twice, same)) < 1e-3
    assert float(losses.info_nce(twice, twice)) == pytest.approx(math.log(2), abs=1e-3)


def test_early_rows_of_a_long_prompt_say_the_most() -> None:
    weights = losses.early_rows(77, torch.device("cpu"))
    assert float(weights.mean()) == pytest.approx(1.0)
    assert bool((weights.diff() < 0).all())
    rows_of = torch.zeros(1, 77, 4)
    first, last = rows_of.clone(), rows_of.clone()
    first[:, 0], last[:, -1] = 1.0, 1.0
    early = losses.row_error(first, rows_of, weights)
    assert float(early) > 10.0 * float(losses.row_error(last, rows_of, weights))


def test_tokens_at_right_angles_have_no_error_and_equal_ones_the_most() -> None:
    assert float(losses.orthogonality(torch.eye(10)[None])) < 1e-12
    assert float(losses.orthogonality(torch.ones(1, 10, 4))) == pytest.approx(0.9)


def test_entropy_is_largest_where_no_token_has_a_level() -> None:
    even = torch.full((1, 10, 3), 1 / 3)
    sure = torch.eye(3)[[0] * 5 + [1] * 3 + [2] * 2][None]
    assert float(losses.entropy(even)) == pytest.approx(math.log(3), abs=1e-5)
    assert float(losses.entropy(sure)) == pytest.approx(0.0, abs=1e-5)
    assert float(losses.prior_divergence(sure)) == pytest.approx(0.0, abs=1e-6)
    assert float(losses.prior_divergence(even)) > 0.05


def test_two_hearings_agree_or_do_not() -> None:
    rows_of = torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(0))
    assert float(losses.disagreement(rows_of, 3.0 * rows_of)) == pytest.approx(0.0, abs=1e-6)
    assert float(losses.disagreement(rows_of, -rows_of)) == pytest.approx(2.0)


def test_pairs_that_lack_something_are_listed_skipped_and_counted(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "d", count=8)
    (folder / "train" / "audio" / "2.wav").unlink()
    (folder / "train" / "frames" / "5.png").unlink()
    (folder / "train" / "audio" / "6.wav").write_bytes(b"RIFF no sound")
    heard_only = read_pairs(folder, "train", frames=False)
    assert len(heard_only.found) == 7
    pairs = read_pairs(folder, "train", frames=True)
    examples, whole = hear(pairs, open_sound_views("ear"), tmp_path / "views.npz")
    assert [pair.id for pair in examples.pairs] == ["0", "1", "3", "4", "7"]
    line = whole.write_missing(tmp_path / "missing.csv")
    assert line.startswith("3 of 8 pairs are not whole and left out: 2 (audio), 5 (frame), 6 (")
    assert rows(tmp_path / "missing.csv")[:2] == ["id,missing", "2,audio"]
    again, _ = hear(pairs, open_sound_views("ear"), tmp_path / "views.npz")
    np.testing.assert_array_equal(again.views, examples.views)
    assert again.pairs == examples.pairs


@pytest.mark.parametrize("name", ["77", "abc_30", "abc"])
def test_the_official_table_finds_sounds_by_all_their_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "train" / "audio").mkdir(parents=True)
    soundfile.write(
        tmp_path / "train" / "audio" / f"{name}.wav", np.zeros(RATE_HZ, np.float32), RATE_HZ
    )
    (tmp_path / "train.csv").write_text(
        "audiocap_id,youtube_id,start_time,caption\n77,abc,30,A dog barks\n78,xyz,0,Rain falls\n"
    )
    pairs = read_pairs(tmp_path, "train", frames=False)
    assert [(pair.id, pair.caption) for pair in pairs.found] == [("77", "A dog barks")]
    assert [(row.id, row.what) for row in pairs.missing] == [("78", "audio")]


def test_a_folder_that_is_none_is_refused_with_its_layout(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no table of captions.*AudioCaps"):
        read_pairs(tmp_path, "train", frames=False)
    (tmp_path / "train.csv").write_text("id,text\n1,a\n")
    with pytest.raises(TrainingError, match="no column audiocap_id"):
        read_pairs(tmp_path, "train", frames=False)
    (tmp_path / "metadata.json").write_text('{"samples": [{"caption": "a"}]}')
    with pytest.raises(TrainingError, match="is damaged"):
        read_pairs(tmp_path, "train", frames=False)
    (tmp_path / "metadata.json").write_text('{"samples": [{"id": 1, "caption": "a"}]}')
    with pytest.raises(TrainingError, match=r"no sounds with captions in its split .*\(1 rows"):
        read_pairs(tmp_path, "train", frames=False)


def test_a_long_clip_has_a_moment_for_every_window() -> None:
    encoder = open_sound_views("ear")
    rng = np.random.default_rng(0)
    assert moments(encoder, sound_of(0, rng, 6.5), RATE_HZ).shape == (3, 3, 384)
    assert moments(encoder, sound_of(0, rng, 0.5), RATE_HZ).shape == (1, 3, 384)


def test_clap_hears_too_and_is_never_random(tmp_path: Path) -> None:
    write_clap(tmp_path / "clap")
    encoder = open_sound_views("clap", tmp_path / "clap")
    views = moments(encoder, sound_of(1, np.random.default_rng(0)), RATE_HZ)
    assert views.shape == (1, 3, 48)
    with pytest.raises(ModelLoadError, match="no listener"):
        open_sound_views("clap", tmp_path / "nothing")
    with pytest.raises(ModelLoadError, match="not on this machine: fetch it once"):
        open_sound_views("clap", Path("laion/clap-htsat-never-fetched"))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """Stage 1 against ember's own words."""
    work = tmp_path_factory.mktemp("work")
    request = ProjectorRequest(data, work, short(1, 60))
    return work, run_projector(request, unheard)


@needs_accelerate
def test_stage_1_overfits_and_unheard_sounds_find_their_captions(
    trained: tuple[Path, dict[str, float]],
) -> None:
    work, figures = trained
    assert figures["last_loss"] < 0.25 * figures["first_loss"]
    assert figures["val_right"] > figures["val_wrong"] + 0.3
    assert figures["val_top_1"] >= 0.75
    table = rows(work / "stage1.csv")
    assert table[0] == "step,loss,info_nce,row_error"
    assert [line.split(",")[0] for line in table[1:]] == ["10", "20", "30", "40", "50", "60"]
    assert float(table[-1].split(",")[2]) < math.log(8)


@needs_accelerate
def test_the_file_says_what_it_is_and_speaks_to_ember(
    trained: tuple[Path, dict[str, float]],
) -> None:
    path = projector_file(trained[0], 1)
    card = card_of(path)
    assert (card.kind, card.encoder, card.input_width, card.family) == (
        "projector", "ear", 384, "ember",
    )  # fmt: skip
    assert card.target == TargetSpec(8, 256, 256)
    assert card.figures["pairs"] == 12
    encoding = open_projector(path, card.target, "ear")
    sound = sound_of(2, np.random.default_rng(7))
    views = tuple(open_sound_views("ear").views(sound, RATE_HZ))
    found = encoding.embed(SoundMoment(sound, RATE_HZ, "ear", views))
    assert found is not None
    assert np.linalg.norm(found.tokens, axis=1).mean() == pytest.approx(
        card.settings["norm"], rel=1e-4
    )


@needs_accelerate
def test_interrupted_training_goes_on_to_the_last_bit(
    data: Path, trained: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    request = ProjectorRequest(data, tmp_path, short(1, 60), budget_min=1e-9)
    lines: list[str] = []
    run_projector(request, lines.append)
    assert "stopped at step 1 of 60" in lines[-1]
    on = dataclasses.replace(request, resume=True)
    run_projector(on, lines.append)
    run_projector(dataclasses.replace(on, budget_min=60.0), lines.append)
    _, whole = load_projector(projector_file(trained[0], 1))
    _, parts = load_projector(projector_file(tmp_path, 1))
    for (name, one), (_, other) in zip(
        whole.state_dict().items(), parts.state_dict().items(), strict=True
    ):
        assert torch.equal(one, other), name


@needs_accelerate
def test_going_on_with_another_training_is_refused(data: Path, tmp_path: Path) -> None:
    run_projector(ProjectorRequest(data, tmp_path, short(1, 2)), unheard)
    other = ProjectorRequest(data, tmp_path, short(1, 2, seed=1), resume=True)
    with pytest.raises(TrainingError, match="seed 0, now it is 1"):
        run_projector(other, unheard)


@needs_accelerate
def test_stages_2_and_3_learn_from_pictures_through_frozen_ember(
    data: Path, trained: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    (tmp_path / "projector-stage1.safetensors").write_bytes(
        projector_file(trained[0], 1).read_bytes()
    )
    second = run_projector(ProjectorRequest(data, tmp_path, short(2, 24, batch=4)), unheard)
    assert second["last_loss"] < second["first_loss"]
    assert second["val_right"] > second["val_wrong"]
    third = run_projector(ProjectorRequest(data, tmp_path, short(3, 3)), unheard)
    assert third["steps"] == 3
    _, before = load_projector(projector_file(tmp_path, 2))
    _, after = load_projector(projector_file(tmp_path, 3))
    moved = {
        name.split(".")[0] + "." + name.split(".")[1]
        for (name, one), other in zip(
            before.state_dict().items(), after.state_dict().values(), strict=True
        )
        if not torch.equal(one, other)
    }
    assert moved == {
        "generator.out_proj", "generator.out_norm",
        "pooled_head.0", "pooled_head.2", "pooled_head.3",
    }  # fmt: skip


def test_without_accelerate_the_remedy_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(TrainingError, match=r"needs accelerate.*sonolume\[training\]"):
        run_projector(ProjectorRequest(data, tmp_path, short(1, 1)), unheard)


@needs_accelerate
def test_a_later_stage_needs_the_earlier_one(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="run --stage 1 first"):
        run_projector(ProjectorRequest(data, tmp_path, short(2, 1)), unheard)


@needs_accelerate
@pytest.mark.parametrize(("decomposer", "insertion"), [("soft", "gated"), ("rigid", "bend")])
def test_a_checkpoint_of_stable_diffusion_learns_to_hear(
    data: Path, tmp_path: Path, decomposer: str, insertion: str
) -> None:
    folder = write_sd(tmp_path / "sd", width=32)
    first = ProjectorRequest(
        data,
        tmp_path / "w",
        short(1, 12),
        target=str(folder),
        decomposer=decomposer,
        insertion=insertion,
    )
    aligned = run_projector(first, unheard)
    assert aligned["last_loss"] < aligned["first_loss"]
    second = dataclasses.replace(first, plan=short(2, 20))
    run_projector(second, unheard)
    path = projector_file(tmp_path / "w", 2)
    card = card_of(path)
    assert (card.target, card.settings["norm"]) == (TargetSpec(77, 32), 60.0)
    from engine.diffusion.models.components import Components
    from engine.diffusion.models.sound_hearing import open_sound_hearing

    unet = Components(folder, torch.device("cpu"), torch.float32).network(
        "unet", "UNet2DConditionModel"
    )
    moved = open_sound_hearing(path, unet).named_tensors()
    places = [name for name in moved if name.endswith(("gate_adapter", "alpha"))]
    begin = 0.1 if insertion == "gated" else 0.0
    assert len(places) == 3  # blocks in the middle and up; stages
    assert all(float(moved[name]) != pytest.approx(begin, abs=1e-7) for name in places)


@needs_accelerate
def test_a_target_that_is_not_there_is_named(data: Path, tmp_path: Path) -> None:
    request = ProjectorRequest(data, tmp_path, short(1, 1), target=str(tmp_path / "no"))
    with pytest.raises(TrainingError, match="no model folder"):
        run_projector(request, unheard)


def test_the_decomposition_is_of_three_sounds_not_of_one() -> None:
    """Hum and clicks together: the click goes to the foreground's view."""
    rng = np.random.default_rng(3)
    encoder = open_sound_views("ear")
    hum, clicks = sound_of(0, rng), sound_of(1, rng)
    mixed = np.stack(encoder.views(hum + clicks, RATE_HZ))
    torch.manual_seed(0)
    network = projector(plan_for(384, TargetSpec(8, 256, 256))).eval().requires_grad_(False)
    apart = network(torch.from_numpy(mixed)[None], Hearing()).levels
    alike = network(torch.from_numpy(mixed.mean(axis=0)).expand(1, 3, -1), Hearing()).levels
    assert apart is not None
    assert alike is not None
    assert not np.allclose(mixed[0], mixed[1])
    assert not torch.allclose(apart.memory, alike.memory, atol=1e-3)
