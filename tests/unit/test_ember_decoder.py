"""The decoder stage makes pictures crisper and leaves the latents alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.training.ember.autoencoder import load_autoencoder
from engine.training.ember.dataset import CropSource, open_pictures
from engine.training.ember.decoder import DecoderPlan, DecoderTrainer, PatchCritic, edges
from engine.training.ember.decoder_stage import held_out_crispness, run_decoder, sharpened
from engine.training.ember.stages import STAGES


def _run(stage: str, folder: Path, *, resume: bool = False) -> None:
    STAGES[stage](folder, budget_min=1, resume=resume, device="cpu", seed=3, threads=1, quick=True)


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decoder")
    for stage in ("scenes", "autoencoder"):
        _run(stage, folder)
    return folder


def _trainer(folder: Path, plan: DecoderPlan) -> DecoderTrainer:
    files = open_pictures(folder / "pictures")
    network = load_autoencoder(folder / "autoencoder.safetensors")[1]
    source = CropSource(files, plan.crop_px, seed=0)
    return DecoderTrainer(network, source, plan, device="cpu", seed=5)


def test_training_moves_the_decoder_and_nothing_else(painted: Path) -> None:
    before = load_autoencoder(painted / "autoencoder.safetensors")[1].state_dict()
    trainer = _trainer(painted, DecoderPlan(1, batch=2, crop_px=64, critic_alone=0))
    for share in (0.1, 0.2):
        trainer.step(share)
    for key, value in trainer.autoencoder.state_dict().items():
        assert torch.equal(value, before[key]) == (not key.startswith("decoder")), key


def test_the_error_falls_on_one_batch(painted: Path) -> None:
    trainer = _trainer(painted, DecoderPlan(1, batch=2, crop_px=64, warm_up=1, critic_weight=0))
    errors = []
    for _ in range(25):
        errors.append(trainer.step(0.1)["error"])
        trainer.state.step = 0  # the same batch again: others differ more than training does
    assert errors[-1] < 0.9 * errors[0]


def test_the_critic_is_heard_only_after_it_has_learnt(painted: Path) -> None:
    plans = [
        DecoderPlan(1, batch=2, crop_px=64, critic_alone=2, critic_weight=weight)
        for weight in (0.0, 5.0)
    ]
    deaf, hearing = (_trainer(painted, plan) for plan in plans)
    for equal in (True, True, False):
        for trainer in (deaf, hearing):
            trainer.step(0.1)
        weights = [trainer.autoencoder.decoder.state_dict() for trainer in (deaf, hearing)]
        same = all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
        assert same == equal


def test_the_critic_learns_to_tell_painted_from_decoded(painted: Path) -> None:
    plan = DecoderPlan(1, batch=4, crop_px=64, learning_rate=0, critic_rate=2e-3)
    trainer = _trainer(painted, plan)
    losses = [trainer.step(0.1)["critic_loss"] for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.7 * losses[0]


def test_the_critic_judges_every_place_and_hears_the_latents() -> None:
    torch.manual_seed(0)
    critic = PatchCritic()
    pictures, latents = torch.randn(2, 3, 64, 96), torch.randn(2, 16, 4, 6)
    fine, coarse = critic(pictures, latents)
    assert fine.shape == (2, 1, 8, 12)
    assert coarse.shape == (2, 1, 4, 6)
    assert not torch.equal(critic(pictures, latents.flip(0))[1], coarse)


def test_a_resumed_run_reaches_the_same_weights(painted: Path, tmp_path: Path) -> None:
    plan = DecoderPlan(1, batch=2, crop_px=64, critic_alone=0, warm_up=1)
    whole, half, again = (_trainer(painted, plan) for _ in range(3))
    for share in (0.1, 0.5, 0.9):
        whole.step(share)
    half.step(0.1)
    half.save(tmp_path / "decoder.safetensors")
    again.restore(tmp_path / "decoder.safetensors")
    for share in (0.5, 0.9):
        again.step(share)
    for key, value in whole.autoencoder.decoder.state_dict().items():
        torch.testing.assert_close(again.autoencoder.decoder.state_dict()[key], value)


def test_edges_grow_with_contrast_and_are_lost_in_blur() -> None:
    stripes = (torch.arange(32) % 4 < 2).float().expand(1, 3, 32, 32)
    assert float(edges(2 * stripes)) == pytest.approx(2 * float(edges(stripes)))
    blurred = torch.nn.functional.avg_pool2d(stripes, 3, stride=1, padding=1)
    assert edges(blurred) < 0.8 * edges(stripes)
    assert float(edges(torch.zeros(1, 3, 8, 8))) == 0


def test_the_stage_leaves_a_decoder_that_is_exported_and_its_figures(painted: Path) -> None:
    assert torch.equal(
        sharpened(painted).decoder.state_dict()["out.weight"],
        load_autoencoder(painted / "autoencoder.safetensors")[1].decoder.state_dict()[
            "out.weight"
        ],
    )
    run_decoder(painted, budget_min=1, resume=False, device="cpu", seed=1, threads=1, quick=True)
    rows = (painted / "decoder_held_out.csv").read_text().splitlines()
    assert rows[0] == "decoder,kind,psnr_db,edges"
    assert len(rows) == 7  # before and after, of plain, styled and composed pictures
    assert list((painted / "sheets").glob("decoder_*.png"))
    kinds = [row["kind"] for row in held_out_crispness(
        sharpened(painted), open_pictures(painted / "pictures"), "cpu"
    )]  # fmt: skip
    assert sorted(map(str, kinds)) == ["composed", "plain", "styled"]
