from __future__ import annotations

import dataclasses
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.diffusion.bundle import PromptEmbedding
from engine.diffusion.prompt_job import PlainLane
from engine.diffusion.prompt_store import PromptStore
from engine.diffusion.prompts import CAPACITY, WORK_SHARE, PromptBank
from engine.messages import PromptWeight
from tests.states import control

SLICES = 10
SLICE_S = 0.01
PICTURE_S = 0.1


class FakeBundle:
    """Takes ten slices of 10 ms to encode a prompt; the tokens tell which prompt it was."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.now_s = 0.0
        self.encoded: list[str] = []

    def time(self) -> float:
        return self.now_s

    def encode_prompt(self, text: str) -> PromptEmbedding:
        raise AssertionError(f"{text} in one go")

    def encoding(self, text: str) -> Generator[None, None, PromptEmbedding]:
        for _ in range(SLICES):
            self.now_s += SLICE_S
            yield
        self.encoded.append(text)
        generator = torch.Generator().manual_seed(sum(text.encode()))
        return PromptEmbedding(
            torch.randn(1, 4, 8, generator=generator), torch.randn(1, 6, generator=generator)
        )

    def text_key(self, text: str) -> str:
        return text.encode().hex()


@pytest.fixture
def bundle() -> FakeBundle:
    return FakeBundle()


def bank_of(bundle: FakeBundle, folder: Path, *, live: bool = True) -> PromptBank:
    return PromptBank(bundle, live=live, store=PromptStore(folder), now=bundle.time)  # type: ignore[arg-type]


def state(*prompts: tuple[str, float], upcoming: tuple[str, ...] = ()):
    return dataclasses.replace(control(prompts=prompts), upcoming=upcoming)


def paint(bank: PromptBank, bundle: FakeBundle, picture_s: float, **kinds) -> tuple[Tensor, float]:
    """One picture: returns the tokens it was painted with and how long the bank took."""
    before_s = bundle.now_s
    prompt = bank.step(state(*kinds["prompts"], upcoming=kinds.get("upcoming", ())))
    took_s = bundle.now_s - before_s
    bundle.now_s += picture_s
    return prompt.tokens.clone(), took_s


def test_a_prompt_that_nobody_foresaw_never_takes_more_than_its_share_of_a_picture(
    bundle: FakeBundle, tmp_path: Path
) -> None:
    bank = bank_of(bundle, tmp_path)
    for _ in range(5):
        first, _ = paint(bank, bundle, PICTURE_S, prompts=(("a", 1.0),))
    waited = []
    for _ in range(20):
        tokens, took_s = paint(bank, bundle, PICTURE_S, prompts=(("b", 1.0),))
        waited.append((torch.equal(tokens, first), took_s))
    assert max(took_s for _, took_s in waited) <= WORK_SHARE * PICTURE_S + SLICE_S + 1e-9
    assert [old for old, _ in waited[:3]] == [True] * 3  # the old blend is kept until then
    assert not any(old for old, _ in waited[4:])
    assert sum(took_s for _, took_s in waited) == pytest.approx(SLICES * SLICE_S)


def test_upcoming_prompts_are_ready_when_their_turn_comes(
    bundle: FakeBundle, tmp_path: Path
) -> None:
    bank = bank_of(bundle, tmp_path)
    for _ in range(20):
        paint(bank, bundle, PICTURE_S, prompts=(("a", 1.0),), upcoming=("b", "c"))
    assert bundle.encoded == ["a", "b", "c"]
    tokens, took_s = paint(bank, bundle, PICTURE_S, prompts=(("a", 0.5), ("b", 0.5)))
    assert took_s == 0.0
    assert not torch.equal(tokens, bundle_tokens(bank, "a"))


def bundle_tokens(bank: PromptBank, text: str) -> Tensor:
    return bank.blend([PromptWeight(text, 1.0)], 0).tokens.clone()


def test_what_is_painted_now_comes_before_what_is_upcoming(
    bundle: FakeBundle, tmp_path: Path
) -> None:
    bank = bank_of(bundle, tmp_path)
    for _ in range(3):
        paint(bank, bundle, PICTURE_S, prompts=(("a", 1.0),), upcoming=("later",))
    for _ in range(12):
        paint(bank, bundle, PICTURE_S, prompts=(("now", 1.0),), upcoming=("later",))
    assert bundle.encoded == ["a", "now", "later"]


def test_an_export_waits_for_every_prompt_and_for_nothing_else(
    bundle: FakeBundle, tmp_path: Path
) -> None:
    bank = bank_of(bundle, tmp_path, live=False)
    paint(bank, bundle, PICTURE_S, prompts=(("a", 1.0),), upcoming=("c",))
    mixed, _ = paint(bank, bundle, PICTURE_S, prompts=(("a", 0.5), ("b", 0.5)), upcoming=("c",))
    assert bundle.encoded == ["a", "b"]
    other = bank_of(FakeBundle(), tmp_path / "other", live=False)
    weights = [PromptWeight("a", 0.5), PromptWeight("b", 0.5)]
    assert torch.equal(mixed, other.blend(weights, 0).tokens)


def test_prompts_come_back_from_the_disk_to_the_last_bit(
    bundle: FakeBundle, tmp_path: Path
) -> None:
    weights = [PromptWeight("a", 0.4), PromptWeight("b", 0.6)]
    first = bank_of(bundle, tmp_path).blend(weights, 1)
    assert bundle.encoded == ["a", "b"]
    again = FakeBundle()
    second = bank_of(again, tmp_path).blend(weights, 1)
    assert again.encoded == []
    assert torch.equal(first.tokens, second.tokens)
    assert first.pooled is not None
    assert second.pooled is not None
    assert torch.equal(first.pooled, second.pooled)


def test_blends_stay_in_one_place_and_parts_that_do_not_count_are_left_out(
    bundle: FakeBundle, tmp_path: Path
) -> None:
    bank = bank_of(bundle, tmp_path)
    one = bank.blend([PromptWeight("a", 1.0), PromptWeight("never", 1e-5)], 0)
    assert bundle.encoded == ["a"]
    where = one.tokens.data_ptr()
    pure = one.tokens.clone()
    two = bank.blend([PromptWeight("a", 0.5), PromptWeight("b", 0.5)], 0)
    assert two.tokens.data_ptr() == where
    assert len(two.parts) == 2
    assert two.factors is not None
    exact = sum(
        factor[:, None] * part.tokens for factor, part in zip(two.factors, two.parts, strict=True)
    )
    torch.testing.assert_close(two.tokens, exact)
    assert not torch.equal(two.tokens, pure)
    assert bank.blend([PromptWeight("a", 0.5), PromptWeight("b", 0.5)], 0) is two


def test_the_bank_forgets_the_oldest_and_all_when_the_encoder_changed(
    bundle: FakeBundle, tmp_path: Path
) -> None:
    bank = bank_of(bundle, tmp_path)
    for k in range(CAPACITY + 1):
        bank.blend([PromptWeight(f"prompt {k}", 1.0)], 0)
    assert not bank.ready("prompt 0")
    assert bank.ready("prompt 1")
    bank.forget()
    assert not bank.ready("prompt 1")


class SlowLane(PlainLane):
    """A device that is not done until it has been asked three times."""

    def __init__(self) -> None:
        self.asked = 0
        self.handed_over = 0

    def work(self) -> AbstractContextManager[object]:
        return nullcontext()

    def hand_over(self, embedding: PromptEmbedding) -> None:
        self.handed_over += 1

    def done(self) -> bool:
        self.asked += 1
        return self.asked > 3


def test_nobody_waits_for_a_device_that_is_still_encoding(
    bundle: FakeBundle, tmp_path: Path
) -> None:
    bank = bank_of(bundle, tmp_path)
    for _ in range(2):
        first, _ = paint(bank, bundle, 10.0, prompts=(("a", 1.0),))
    lane = bank._lane = SlowLane()
    old = [
        torch.equal(paint(bank, bundle, 10.0, prompts=(("b", 1.0),))[0], first) for _ in range(6)
    ]
    assert old == [True, True, True, False, False, False]
    assert lane.asked == 4
    assert lane.handed_over == 1
