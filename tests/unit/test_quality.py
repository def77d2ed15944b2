"""The figures of `sonolume bench ember --quality`, with a painter whose pictures are known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.bench.area import BenchRequest
from engine.bench.negation import figures as negation_figures
from engine.bench.negation import negation_of
from engine.bench.orders import STEPS, Order, orders_for, paint
from engine.bench.quality import figures, quality, quality_of, reachable
from engine.diffusion.bundle import PromptEmbedding
from engine.diffusion.noise_level import NoiseLevel
from engine.errors import LimitError
from engine.scoring.held_out_phrases import (
    FOREIGN_PHRASES,
    FOREIGN_STYLES,
    HELD_OUT_PHRASES,
    HELD_OUT_STYLES,
    NEGATIONS,
)
from engine.scoring.judge import PLAIN, UNSTYLED, Judge, Reference
from engine.scoring.judge_network import JudgeConfig, JudgeNetwork

SCENES = ("aurora", "dog", "sunset")
STYLED = (PLAIN, "neon", "noir")


class _EchoBundle:
    """Paints its noise, moved a little by every call; counts what it is asked."""

    device = torch.device("cpu")
    natural_guidance = 1.5

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.calls: list[tuple[float, float]] = []

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        return (1, 3, height // 16, width // 16)

    def encode_prompt(self, text: str) -> PromptEmbedding:
        if text:  # the empty prompt is guidance's own
            self.prompts.append(text)
        return PromptEmbedding(torch.zeros(1, 1, 1))

    def hold(self, *prompts: PromptEmbedding) -> None:
        pass

    def noise_level(self, strength: float) -> NoiseLevel[float]:
        return NoiseLevel(1.0 - strength, strength, strength)

    def denoised(
        self, noisy: torch.Tensor, level: NoiseLevel[torch.Tensor], prompt: PromptEmbedding,
        guidance: torch.Tensor | None,
    ) -> torch.Tensor:  # fmt: skip
        self.calls.append((float(level.time), 1.0 if guidance is None else float(guidance)))
        return 0.5 * noisy

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        return latent.repeat_interleave(16, 2).repeat_interleave(16, 3)


def _sure_judge(styles: tuple[str, ...] = ()) -> Judge:
    """Reads scene and style off the features: number k is the largest for scene k."""
    torch.manual_seed(0)
    network = JudgeNetwork(JudgeConfig(SCENES, styles, (4, 4, 4, 8)))
    with torch.no_grad():
        network.scene_head.weight.copy_(torch.eye(8)[: len(SCENES)])
        network.scene_head.bias.zero_()
        if network.style_head is not None:
            network.style_head.weight.copy_(torch.eye(8)[4 : 4 + len(styles)])
            network.style_head.bias.zero_()
    scenes = np.repeat(np.arange(3), 10)
    known = np.zeros(30, np.int64) if styles else np.full(30, UNSTYLED)
    return Judge(network, Reference(_features(scenes, known, seed=1), scenes, known))


def _features(scenes: np.ndarray, styles: np.ndarray, *, seed: int) -> np.ndarray:
    """Features that are read as these scenes and styles, spread by 0.1."""
    means = 3.0 * (np.eye(8)[scenes] + np.eye(8)[4 + np.maximum(styles, 0)])
    noise = np.random.default_rng(seed).normal(0, 0.1, means.shape)
    return (means + noise).astype(np.float32)


def _indices(orders: list[Order], styles: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    scenes = np.array([SCENES.index(order.scene) for order in orders])
    named = [styles.index(order.style or PLAIN) if styles else UNSTYLED for order in orders]
    return scenes, np.array(named)


def test_orders_use_all_phrasings_in_turn_with_noise_of_their_own() -> None:
    orders = orders_for(SCENES, (), 4, seed=0)
    assert [order.prompt for order in orders[:4]] == [*HELD_OUT_PHRASES["aurora"]] * 2
    assert [order.prompt for order in orders[12:14]] == [*FOREIGN_PHRASES["aurora"]]
    assert [order.kind for order in orders] == ["plain"] * 12 + ["foreign"] * 6
    assert len({order.seed for order in orders}) == len(orders)
    assert orders == orders_for(SCENES, (), 4, seed=0)
    assert orders != orders_for(SCENES, (), 4, seed=1)
    more = orders_for(SCENES, (), 6, seed=0)
    assert [order for order in more if order in orders] == orders


def test_orders_leave_out_what_has_no_held_out_phrasing() -> None:
    orders = orders_for(("dog", "unheard of"), (PLAIN, "noir"), 4, seed=0)
    assert {order.scene for order in orders} == {"dog"}
    styled = [order for order in orders if order.style is not None]
    assert {order.style for order in styled} == {"noir"}
    expected = {
        styles["noir"].format(phrase)
        for styles in (HELD_OUT_STYLES, FOREIGN_STYLES)
        for phrase in HELD_OUT_PHRASES["dog"]
    }
    assert {order.prompt for order in styled} == expected


def test_painting_takes_one_call_for_every_noise() -> None:
    bundle = _EchoBundle()
    noise = torch.full((1, 3, 2, 2), 0.8)
    prompt = PromptEmbedding(torch.zeros(1, 1, 1))
    once = paint(bundle, [noise], prompt)
    assert bundle.calls == [(1.0, 1.5)]
    assert once.shape == (32, 32, 3)
    assert (once == round((0.4 + 1) * 127.5)).all()
    bundle.calls.clear()
    often = paint(bundle, [noise, noise, noise, noise], prompt)
    assert bundle.calls == [(1.0, 1.5), (0.75, 1.5), (0.625, 1.5), (0.5, 1.5)]
    assert (often != once).all()


def test_pictures_like_the_painted_ones_get_the_best_figures() -> None:
    judge = _sure_judge(STYLED)
    orders = orders_for(SCENES, STYLED, 10, seed=0)
    scenes, styles = _indices(orders, STYLED)
    good = figures(judge, orders, _features(scenes, styles, seed=2))
    assert good["accuracy"] == 1.0
    assert good["style_accuracy"] == 1.0
    assert good["frechet"] < 0.2
    assert good["diversity"] == pytest.approx(1.0, abs=0.1)
    assert [row["taken_for"] for row in good["scenes"]] == [None] * 3


def test_a_wrong_scene_lowers_its_accuracy_and_is_named() -> None:
    judge = _sure_judge()
    orders = orders_for(SCENES, (), 8, seed=0)
    scenes, styles = _indices(orders, ())
    shown = np.where(scenes == 1, 2, scenes)  # every dog is painted as a sunset
    bad = figures(judge, orders, _features(shown, styles, seed=2))
    right = figures(judge, orders, _features(scenes, styles, seed=2))
    assert bad["accuracy"] == bad["foreign_accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    rows = {row["scene"]: row for row in bad["scenes"]}
    assert rows["dog"]["accuracy"] == 0.0
    assert rows["dog"]["taken_for"] == "sunset"
    assert bad["frechet"] > 5 * right["frechet"]
    assert bad["style_accuracy"] is None


def test_a_forgotten_style_lowers_the_style_accuracy_only() -> None:
    judge = _sure_judge(STYLED)
    orders = orders_for(SCENES, STYLED, 4, seed=0)
    scenes, styles = _indices(orders, STYLED)
    plain = figures(judge, orders, _features(scenes, np.zeros_like(styles), seed=2))
    assert plain["style_accuracy"] == 0.0
    assert plain["accuracy"] == 1.0


def test_compositions_the_other_way_round_are_counted_by_themselves() -> None:
    names = ("flames above waves", "waves above flames", "whale in nebula")
    judge = _sure_judge()
    network = JudgeNetwork(JudgeConfig(names, (), (4, 4, 4, 8)))
    with torch.no_grad():
        network.scene_head.weight.copy_(torch.eye(8)[:3])
        network.scene_head.bias.zero_()
    judge = Judge(network, judge.reference)
    orders = [Order("", name, None, k, "composition") for k, name in enumerate(names * 2)]
    orders += [Order("", names[0], None, k) for k in range(4)]
    found = np.array([0, 0, 2, 0, 1, 0, 0, 0, 0, 0])
    result = figures(judge, orders, _features(found, np.zeros(10, np.int64), seed=2))
    assert result["order_accuracy"] == 0.75
    assert result["composition_accuracy"] == pytest.approx(4 / 6, abs=1e-3)


def test_the_same_picture_again_and_again_has_no_diversity() -> None:
    judge = _sure_judge()
    orders = orders_for(SCENES, (), 6, seed=0)
    scenes, styles = _indices(orders, ())
    varied = _features(scenes, styles, seed=2)
    by_scene = {order.scene: k for k, order in reversed(list(enumerate(orders)))}
    same = varied[[by_scene[order.scene] for order in orders]]
    assert figures(judge, orders, same)["diversity"] == 0.0
    wider = varied.mean(0) + 2.0 * (varied - varied.mean(0))
    assert figures(judge, orders, wider)["diversity"] == pytest.approx(2.0, abs=0.3)


def test_what_is_reachable_comes_from_the_painted_pictures() -> None:
    best = reachable(_sure_judge(STYLED))
    assert best["accuracy"] == 1.0
    assert best["style_accuracy"] == 1.0
    assert best["frechet"] < 0.5
    assert best["pictures"] == 30


def test_results_have_the_names_of_the_contract_and_depend_on_the_seed_only(
    tmp_path: Path,
) -> None:
    judge = _sure_judge()
    bundle = _EchoBundle()
    results = quality_of(bundle, (64, 32), judge, pictures=4, seed=3, sheets=tmp_path)
    names = [result["name"] for result in results]
    assert names == [*(f"ember/quality/{steps}" for steps in STEPS), "ember/quality/painted"]
    for result in results:
        assert {"accuracy", "style_accuracy", "frechet", "diversity"} <= set(result)
    assert len(bundle.calls) == 18 * sum(STEPS)
    assert bundle.prompts == [order.prompt for order in orders_for(SCENES, (), 4, seed=3)]
    assert quality_of(_EchoBundle(), (64, 32), judge, pictures=4, seed=3) == results
    assert quality_of(_EchoBundle(), (64, 32), judge, pictures=4, seed=4) != results
    sheets = {path.name for path in tmp_path.iterdir()}
    assert sheets == {f"quality_{steps}.png" for steps in STEPS}


def test_too_few_pictures_are_refused_before_anything_is_loaded() -> None:
    with pytest.raises(LimitError, match="at least 4"):
        quality(BenchRequest(), pictures=3)


class _Painter(_EchoBundle):
    """Paints bright where it hears a thing, dark where it does not; denials as it is told."""

    def __init__(self, denied: float) -> None:
        super().__init__()
        self._denied = denied

    def encode_prompt(self, text: str) -> PromptEmbedding:
        if not text:
            return PromptEmbedding(torch.zeros(1, 1, 1))
        place = next(prompts.index(text) for prompts in NEGATIONS if text in prompts)
        return PromptEmbedding(torch.tensor([[[(0.9, self._denied, -0.9)[place]]]]))

    def denoised(
        self, noisy: torch.Tensor, level: NoiseLevel[torch.Tensor], prompt: PromptEmbedding,
        guidance: torch.Tensor | None,
    ) -> torch.Tensor:  # fmt: skip
        return prompt.tokens[:1].reshape(1, 1, 1, 1) + 0.0 * noisy


@pytest.mark.parametrize(("denied", "share"), [(-0.7, 1.0), (0.7, 0.0)])
def test_a_denial_is_obeyed_where_it_paints_as_if_the_thing_were_not_spoken_of(
    denied: float, share: float
) -> None:
    torch.manual_seed(1)
    judge = Judge(JudgeNetwork(JudgeConfig(SCENES, (), (4, 4, 4, 8))), _sure_judge().reference)
    result = negation_of(_Painter(denied), (32, 32), judge, pictures=2, seed=0)
    assert result["name"] == "ember/quality/negation"
    assert {result[f"accuracy_{steps}"] for steps in STEPS} == {share}
    assert len(result["denials"]) == len(NEGATIONS)


def test_every_denial_has_a_share_of_its_own() -> None:
    obeyed = [k < 3 for k in range(2 * len(NEGATIONS))]
    rows = negation_figures({1: obeyed}, 2)["denials"]
    assert [row["accuracy_1"] for row in rows[:3]] == [1.0, 0.5, 0.0]
    assert rows[0]["prompt"] == NEGATIONS[0][1]


def test_every_denial_names_what_the_first_prompt_shows_and_the_third_does_not() -> None:
    assert len({prompt for prompts in NEGATIONS for prompt in prompts}) >= 2 * len(NEGATIONS)
    for present, denied, absent in NEGATIONS:
        assert re.search(r"\b(no|not|nobody|never|without)\b", denied), denied
        assert not re.search(r"\b(no|not|nobody|never|without)\b", f"{present} {absent}")
        named = {word.strip(",").removesuffix("s") for word in denied.split()}
        assert {word.removesuffix("s") for word in present.split()} & named
