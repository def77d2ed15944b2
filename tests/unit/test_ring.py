from __future__ import annotations

import threading

import numpy as np
import pytest

from engine.errors import OverrunError
from engine.ring import SampleRing


def numbered(first: int, count: int) -> np.ndarray:
    """Every sample says its own index, exactly (float32 counts to 2^24)."""
    return np.repeat(np.arange(first, first + count, dtype=np.float32)[:, None], 2, axis=1)


@pytest.mark.parametrize("block", [1, 3, 64, 100])
def test_what_was_pushed_is_read_back_at_its_index(block: int) -> None:
    ring = SampleRing(100)
    for first in range(0, 300, block):
        ring.push(numbered(first, block))
    start = ring.written - 100
    np.testing.assert_array_equal(ring.read(start, 100), numbered(start, 100))


def test_a_block_larger_than_the_ring_leaves_its_newest_part() -> None:
    ring = SampleRing(10)
    ring.push(numbered(0, 35))
    assert ring.written == 35
    np.testing.assert_array_equal(ring.read(25, 10), numbered(25, 10))


def test_samples_not_yet_written_are_refused() -> None:
    ring = SampleRing(10)
    ring.push(numbered(0, 5))
    with pytest.raises(ValueError, match=r"3\.\.6 of 5"):
        ring.read(3, 3)


def test_overwritten_samples_are_an_overrun() -> None:
    ring = SampleRing(10)
    ring.push(numbered(0, 15))
    with pytest.raises(OverrunError):
        ring.read(4, 5)
    assert ring.read(5, 5)[0, 0] == 5.0


def test_a_window_longer_than_the_ring_is_an_overrun() -> None:
    ring = SampleRing(10)
    ring.push(numbered(0, 40))
    with pytest.raises(OverrunError):
        ring.read(10, 20)


def test_a_window_is_whole_or_refused_never_torn() -> None:
    ring = SampleRing(512)
    stop = threading.Event()

    def write() -> None:
        first = 0
        while not stop.is_set() and first < 8_000_000:
            ring.push(numbered(first, 37))
            first += 37

    writer = threading.Thread(target=write)
    writer.start()
    whole = 0
    try:
        while whole < 500:
            start = max(0, ring.written - 500)
            count = min(400, ring.written - start)
            try:
                window = ring.read(start, count)
            except OverrunError:
                continue
            np.testing.assert_array_equal(window, numbered(start, count))
            whole += 1
    finally:
        stop.set()
        writer.join()


def test_waiting_ends_when_the_sample_is_there_and_not_before() -> None:
    ring = SampleRing(100)
    assert not ring.wait(1, timeout_s=0.0)
    pusher = threading.Thread(target=lambda: ring.push(numbered(0, 20)))
    pusher.start()
    assert ring.wait(20, timeout_s=30.0)
    pusher.join()
    assert ring.written == 20
