"""Training of mappers: they learn, stop, go on to the bit, and their files paint with ember."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from app.cli import main
from engine.conditioning.adapter_file import card_of
from engine.conditioning.mapper_embedding import EmbeddingMapper
from engine.conditioning.mapper_file import load_mapper
from engine.conditioning.mapper_shape import default_shape
from engine.conditioning.sound_embedding import SoundMoment, TargetSpec
from engine.conditioning.vggish_file import FILE_NAME
from engine.diffusion.bundle import PromptEmbedding
from engine.diffusion.fresh import denoised_once
from engine.diffusion.noise_level import on_device
from engine.errors import TrainingError
from engine.registry import ModelRequest, find_model, load_factory
from engine.semantic.mapper_hearing import hearing_mapper
from engine.training.mapper.caption_lessons import read_captions
from engine.training.mapper.course import held_out_split
from engine.training.mapper.figures import mapper_figures
from engine.training.mapper.fit import FitPlan, MapperTrainer, fit, ridge, set_scalings
from engine.training.mapper.lessons import Lessons, text_lessons
from engine.training.sound_datasets.pairs import SoundPair
from tests.checkpoints import write_clap, write_sd, write_sdxl
from tests.signals import noise, sine
from tests.unit.test_vggish import write_vggish

RATE = 16_000
EMBER, SMALL = TargetSpec(8, 256, 256), TargetSpec(3, 4, 2)
BRIEF = ["--budget", "0.0001", "--threads", "1", "--device-compute", "cpu"]
"""Minutes: one epoch."""


def linear_course(seed: int = 0) -> tuple[Lessons, Lessons, torch.Tensor]:
    """300 random vectors and the prompts that a fixed linear map makes of them."""
    rng = np.random.default_rng(seed)
    heard = rng.normal(size=(300, 8)).astype(np.float32)
    prompts = 3.0 + heard @ rng.normal(size=(8, 14)).astype(np.float32)
    lessons = text_lessons(heard, np.arange(300))
    learned, checked = (
        Lessons(heard[rows], lessons.prompt[rows], lessons.whole[rows])
        for rows in (slice(0, 250), slice(250, 300))
    )
    return learned, checked, torch.from_numpy(prompts)


def trainer_of(seed: int = 0, **plan: float) -> MapperTrainer:
    learned, checked, prompts = linear_course()
    torch.manual_seed(1)
    mapper = EmbeddingMapper(8, SMALL, default_shape("v2d", SMALL, "ear"))
    set_scalings(mapper, learned, prompts)
    made = FitPlan(**{"budget_min": 60.0, "batch": 50, **plan})
    return MapperTrainer(mapper, learned, checked, prompts, made, seed=seed)


def test_a_mapper_learns_a_linear_map(tmp_path: Path) -> None:
    trainer = trainer_of(max_epochs=16, learning_rate=2e-3)
    fit(trainer, tmp_path / "run.safetensors", {}, resume=False)
    _, checked, prompts = linear_course()
    with torch.inference_mode():
        written = trainer.take_best()(torch.from_numpy(checked.heard)).numpy()
    right = prompts[checked.prompt].numpy()
    figures = mapper_figures(written, right, right)
    assert figures["cosine"] > 0.95
    assert figures["centred_cosine"] > 0.95
    assert figures["retrieval_at_1"] > 0.9
    with (tmp_path / "run.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 16
    assert losses[-1] < 0.5 * losses[0]


def test_ridge_regression_finds_a_linear_map_and_what_never_changes() -> None:
    learned, checked, prompts = linear_course()
    prompts[:, 5] = 7.0
    plain = EmbeddingMapper(8, SMALL, default_shape("linear", SMALL, "ear"))
    set_scalings(plain, learned, prompts)
    with torch.inference_mode():
        written = ridge(plain, learned, checked, prompts)(torch.from_numpy(checked.heard))
    torch.testing.assert_close(written, prompts[checked.prompt], atol=0.05, rtol=0.0)
    assert torch.equal(written[:, 5], torch.full((50,), 7.0))


def test_training_goes_on_to_the_bit(tmp_path: Path) -> None:
    whole, first, second = (trainer_of(max_epochs=n) for n in (4, 2, 4))
    fit(whole, tmp_path / "whole.safetensors", {}, resume=False)
    fit(first, tmp_path / "part.safetensors", {}, resume=False)
    fit(second, tmp_path / "part.safetensors", {}, resume=True)
    assert (tmp_path / "whole.csv").read_text().count("\n") == 5
    assert (tmp_path / "part.csv").read_text().count("\n") == 5
    expected, found = whole.take_best().state_dict(), second.take_best().state_dict()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    with pytest.raises(TrainingError, match="of another run"):
        trainer_of().restore(tmp_path / "part.safetensors", {"seed": 1})


def test_training_stops_when_it_gets_no_better(tmp_path: Path) -> None:
    trainer = trainer_of(max_epochs=50, patience=3, learning_rate=0.0)
    trainer.state.decay = 0.0
    fit(trainer, tmp_path / "run.safetensors", {}, resume=False)
    assert trainer.epochs == 4
    assert trainer.best_epoch == 1


def test_prompts_that_are_all_the_same_teach_nothing() -> None:
    learned, _, prompts = linear_course()
    mapper = EmbeddingMapper(8, SMALL, default_shape("v2d", SMALL, "ear"))
    with pytest.raises(TrainingError, match="nothing to learn"):
        set_scalings(mapper, learned, torch.ones_like(prompts))


def test_what_is_held_out_follows_the_datasets_own_folds() -> None:
    def pairs(*folds: str) -> list[SoundPair]:
        return [SoundPair(Path(f"{i}"), "c", str(i), fold) for i, fold in enumerate(folds)]

    assert held_out_split(pairs("1", "2", "4"), 4, 0)[1] == "fold 4"
    assert held_out_split(pairs("train", "val", "test"), 4, 0)[1] == "test"
    assert held_out_split(pairs("train", "val"), 4, 0)[1] == "val"
    assert held_out_split(pairs("", "", ""), 4, 0)[1] == "a fifth of the recordings"
    nothing, name = held_out_split(pairs("1", "2"), 0, 0)
    assert (nothing.held_out, name) == ((), "none")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings a fold: hiss is rain, a low hum a helicopter, a whine a chainsaw."""
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for fold in (1, 2, 3, 4):
        for take, (category, sound) in enumerate((
            ("rain", noise(2.5, RATE, seed=fold)),
            ("helicopter", sine(60.0 + fold, 2.5, RATE)),
            ("chainsaw", sine(3_000.0 + 50 * fold, 2.5, RATE)),
        )):  # fmt: skip
            name = f"{fold}-{10 * fold + take}-A.wav"
            soundfile.write(folder / name, sound, RATE)
            rows.append((name, category, fold))
    rows += [("gone.wav", "rain", 1), ("broken.wav", "rain", 1)]
    (folder / "broken.wav").write_bytes(b"no sound at all")
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "category", "fold"), *rows])
    return folder


def trained(work: Path, *words: object, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    command = ["train", "mapper", "--work", work, "--json", *BRIEF, *words]
    assert main([str(word) for word in command]) == 0
    answer: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


@pytest.mark.parametrize("network", ["v2d", "wide", "residual", "sequence", "linear"])
def test_every_published_network_learns_to_speak_ember_and_paints(
    network: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = trained(tmp_path, "--data", data, "--network", network, capsys=capsys)
    missing = answer["missing"]
    assert isinstance(missing, list)
    assert missing[0] == f"missing: {data / 'gone.wav'}"
    assert missing[1] == "1 of 14 pairs are missing and were skipped"
    assert missing[-1] == "1 clips cannot be read and were skipped"
    path = tmp_path / "mapper.safetensors"
    card = card_of(path)
    assert (card.encoder, card.input_width, card.family) == ("ear", 384, "ember")
    assert card.target == EMBER
    assert card.figures["held_out"] == "fold 4"
    assert card.figures["missing"] == 2
    assert set(card.figures["mapper, clips"]) == {
        "mse", "cosine", "combined", "centred_cosine", "retrieval_at_1",
    }  # fmt: skip
    encoding = hearing_mapper(path, EMBER)
    model = load_factory(find_model("ember"))(ModelRequest("ember", 128, 128, "cpu", threads=1))
    level = on_device(model.bundle.noise_level(1.0), torch.device("cpu"))
    start = torch.randn(model.bundle.latent_shape(128, 128), generator=torch.manual_seed(0))
    pictures = []
    with torch.inference_mode():
        for sound in (noise(2.5, RATE, seed=9), sine(65.0, 2.5, RATE)):
            found = encoding.embed(SoundMoment(sound.astype(np.float32), RATE))
            assert found is not None
            assert found.pooled is not None
            tokens, pooled = (torch.from_numpy(x)[None] for x in (found.tokens, found.pooled))
            prompt = PromptEmbedding(tokens, pooled)
            pictures.append(denoised_once(model.bundle, start, level, prompt, 1.0))
    model.close()
    assert torch.isfinite(pictures[0]).all()
    assert (pictures[0] - pictures[1]).abs().max() > 1e-3


def test_held_out_sounds_are_named_by_their_prompts(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A straight line is enough for hiss, hum and whine of a fold that was never heard."""
    answer = trained(tmp_path, "--data", data, "--network", "linear", capsys=capsys)
    figures = answer["figures"]
    assert isinstance(figures, dict)
    assert figures["mapper, clips"]["retrieval_at_1"] == 1.0
    assert figures["mapper, clips"]["centred_cosine"] > 0.8


def test_what_was_heard_is_kept_for_the_next_run(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first = trained(tmp_path, "--data", data, "--network", "linear", capsys=capsys)
    monkeypatch.setattr("engine.semantic.sound_vectors.EarVectors.sequence", None)
    again = trained(tmp_path, "--data", data, "--network", "linear", capsys=capsys)
    assert again["figures"] == first["figures"]
    assert again["missing"] == first["missing"]


@pytest.mark.parametrize("encoder", ["vggish", "vggish-quantised"])
def test_vggish_drives_ember_once_its_weights_are_there(
    encoder: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = write_vggish(tmp_path / FILE_NAME)
    trained(tmp_path, "--data", data, "--encoder", encoder, "--weights", weights, capsys=capsys)
    path = tmp_path / "mapper.safetensors"
    assert card_of(path).encoder == encoder
    assert card_of(path).input_width == 128
    encoding = hearing_mapper(path, EMBER, weights)
    sound = SoundMoment(noise(1.0, RATE).astype(np.float32), RATE)
    assert encoding.embed(sound) is not None


def test_sd_and_sdxl_are_spoken_to_by_the_same_mapper(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for write, spec, family in (
        (write_sd, TargetSpec(77, 32), "SD, text 32"),
        (write_sdxl, TargetSpec(77, 64, 32), "SDXL"),
    ):
        folder = write(tmp_path / family)
        trained(tmp_path, "--data", data, "--target", folder, capsys=capsys)
        mapper, card = load_mapper(tmp_path / "mapper.safetensors")
        assert (card.target, card.family) == (spec, family)
        with torch.inference_mode():
            tokens, pooled = mapper.prompts(mapper(torch.randn(2, 384)))
        assert tokens.shape == (2, 77, spec.width)
        assert torch.equal(tokens[0, 0], tokens[1, 0])  # the first row is every prompt's
        assert (pooled is None) == (spec.pooled_width == 0)


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clap(tmp_path_factory.mktemp("clap"))


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    things = ("a dog", "rain", "a bell", "the sea", "a train")
    places = ("at night", "in the snow", "by the shore", "in a city", "far away", "at noon")
    path = tmp_path / "captions.txt"
    path.write_text("\n".join(f"{thing} {place}" for thing in things for place in places) + "\n\n")
    return path


def test_captions_alone_teach_a_mapper_that_sounds_drive(
    clap: Path, captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from engine.synthesis.sounds.catalogue import SOUNDS

    few = {name: SOUNDS[name] for name in ("rain", "bells")}
    monkeypatch.setattr("engine.training.mapper.caption_lessons.SOUNDS", few)
    words = ("--encoder", "clap", "--weights", clap, "--captions", captions)
    answer = trained(tmp_path, *words, capsys=capsys)
    assert set(answer["figures"]) == {"mapper, captions", "ridge, captions"}
    mapper, card = load_mapper(tmp_path / "mapper.safetensors")
    assert (card.encoder, card.input_width, card.figures["captions"]) == ("clap", 48, 30)
    assert card.figures["gap_from"] == "synthesised sounds"
    assert float(mapper.gap.norm()) == pytest.approx(card.figures["gap"], abs=1e-3)
    assert float(mapper.gap.norm()) > 0.1
    sound = SoundMoment(noise(10.0, RATE).astype(np.float32), RATE)
    assert hearing_mapper(tmp_path / "mapper.safetensors", EMBER, clap).embed(sound) is not None


def test_clips_measure_what_captions_taught(
    clap: Path, captions: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--encoder", "clap", "--weights", clap, "--captions", captions, "--data", data)
    answer = trained(tmp_path, *words, "--network", "linear", capsys=capsys)
    assert {"mapper, clips", "mapper, captions"} <= set(answer["figures"])
    assert card_of(tmp_path / "mapper.safetensors").figures["gap_from"] == "clips"


def test_captions_are_distinct_lines_and_too_few_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("a  dog\n\na dog \n" + "\n".join(f"thing {i}" for i in range(19)))
    assert len(read_captions(path)) == 20
    path.write_text("a dog\nrain\n")
    with pytest.raises(TrainingError, match="2 different captions: at least 20"):
        read_captions(path)
    with pytest.raises(TrainingError, match="cannot be read as text"):
        read_captions(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "--data DIR, or from captions alone, --captions FILE"),
        (["--captions", "c.txt"], 2, "--encoder clap"),
        (["--data", "{data}", "--stage", "x"], 2, "leave out --stage"),
        (["--data", "{data}", "--fold", "-1"], 2, "there is no fold -1"),
        (["--data", "{data}", "--fold", "9"], 1, "there is no fold '9' to hold out"),
        (["--data", "{data}", "--encoder", "clap", "--weights", "{data}"], 1, "hf download"),
        (["--data", "{data}", "--encoder", "vggish", "--weights", "{data}"], 1, "torchvggish"),
        (["--data", "{data}", "--target", "null"], 1, "null has no prompts"),
        (["--data", "{data}", "--target", "no-such-model"], 2, "no model 'no-such-model'"),
        (["--data", "nowhere"], 1, "nowhere is no folder"),
        (["--data", "{data}", "--format", "esc50"], 1, "esc50.csv cannot be read as a table"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_with_the_remedy(
    words: list[str], code: int, said: str, data: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = [word.format(data=data) for word in words]
    assert main(["train", "mapper", "--work", str(tmp_path), *BRIEF, *given]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_resuming_another_run_is_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path, "--data", data, capsys=capsys)
    trained(tmp_path, "--data", data, "--resume", capsys=capsys)
    command = ["train", "mapper", "--work", str(tmp_path), *BRIEF, "--data", str(data)]
    assert main([*command, "--resume", "--seed", "3"]) == 1
    assert "is of another run" in capsys.readouterr().err


def test_a_damaged_cache_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vectors.npz").write_bytes(b"PK broken")
    assert main(["train", "mapper", "--work", str(tmp_path), *BRIEF, "--data", str(data)]) == 1
    assert "vectors.npz is damaged: delete it" in capsys.readouterr().err


def test_vggish_is_converted_by_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from engine.conditioning.vggish_file import NETWORK_PICKLE, load_vggish
    from engine.conditioning.vggish_network import VggishNetwork

    torch.save(VggishNetwork(4).state_dict(), tmp_path / NETWORK_PICKLE)
    work = tmp_path / "out"
    assert main(["train", "vggish", "--data", str(tmp_path), "--work", str(work)]) == 0
    assert capsys.readouterr().out.strip() == str(work / FILE_NAME)
    assert load_vggish(work / FILE_NAME)[1] is None
    assert main(["train", "vggish"]) == 2
    assert "--data DIR" in capsys.readouterr().err


def test_noise_keeps_directions_directions() -> None:
    learned, checked, prompts = linear_course()
    shape = default_shape("v2d", SMALL, "clap")
    mapper = EmbeddingMapper(8, SMALL, shape)
    set_scalings(mapper, learned, prompts)
    plan = FitPlan(1.0, noise=0.1)
    trainer = MapperTrainer(mapper, learned, checked, prompts, plan, seed=0)
    unit = torch.nn.functional.normalize(torch.randn(5, 8), dim=1)
    moved = trainer._noisy(unit)
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(5))
    assert not torch.equal(moved, unit)
    still = MapperTrainer(mapper, learned, checked, prompts, replace(plan, noise=0.0), seed=0)
    assert torch.equal(still._noisy(unit), unit)
