from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.framer import Framer, hop_length
from tests.signals import in_blocks, noise


def hops_of(framer: Framer, blocks: list[np.ndarray]) -> list[tuple[int, np.ndarray]]:
    return [(index, framer.newest(700).copy()) for b in blocks for index in framer.push(b)]


@pytest.mark.parametrize("size", [1, 64, 65, 480, 512, 4096])
def test_hops_do_not_depend_on_the_blocks(size: int) -> None:
    samples = noise(0.2, 48_000)
    whole = hops_of(Framer(512, 700), [samples])
    split = hops_of(Framer(512, 700), in_blocks(samples, size))
    assert [index for index, _ in split] == [index for index, _ in whole]
    for (_, ours), (_, theirs) in zip(split, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_newest_samples_end_with_the_hop() -> None:
    samples = np.arange(1000, dtype=np.float32) / 1000.0
    framer = Framer(100, 250)
    for index in framer.push(samples):
        newest = framer.newest(min(index, 250))
        np.testing.assert_array_equal(newest, samples[index - newest.size : index])


def test_both_channels_are_averaged_and_the_peak_is_of_either() -> None:
    block = np.tile(np.array([[0.8, 0.2]], np.float32), (10, 1))
    framer = Framer(10, 10)
    assert list(framer.push(block)) == [10]
    np.testing.assert_allclose(framer.newest(10), 0.5)
    assert framer.peak == pytest.approx(0.8)


def test_samples_that_are_not_numbers_become_zero() -> None:
    framer = Framer(4, 4)
    list(framer.push(np.array([np.nan, np.inf, -np.inf, 0.5], np.float32)))
    np.testing.assert_array_equal(framer.newest(4), [0.0, 0.0, 0.0, 0.5])


def test_three_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(5, 3\)"):
        list(Framer(4, 4).push(np.zeros((5, 3), np.float32)))


@pytest.mark.parametrize(
    ("sample_rate", "hop"), [(8000, 85), (44100, 470), (48000, 512), (192000, 2048)]
)
def test_a_hop_lasts_the_same_at_every_rate(sample_rate: int, hop: int) -> None:
    assert hop_length(sample_rate) == hop
