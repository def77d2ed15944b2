from __future__ import annotations

import threading

from engine.mailbox import Fifo, Latest


def test_a_newer_value_replaces_the_older() -> None:
    slot: Latest[int] = Latest()
    assert slot.get() is None
    slot.put(1)
    slot.put(2)
    assert slot.get() == 2
    assert slot.version == 2


def test_a_waiter_gets_what_it_has_not_seen_and_its_version() -> None:
    slot: Latest[int] = Latest(5)
    assert slot.wait(0, timeout_s=30.0) == (5, 1)
    assert slot.wait(1, timeout_s=0.0) == (5, 1)
    putter = threading.Thread(target=lambda: slot.put(6))
    putter.start()
    assert slot.wait(1, timeout_s=30.0) == (6, 2)
    putter.join()


def test_a_full_fifo_drops_the_new_item_and_counts_it() -> None:
    fifo: Fifo[int] = Fifo(2)
    assert [fifo.put(item) for item in (1, 2, 3)] == [True, True, False]
    assert fifo.dropped == 1
    assert [fifo.get(0.0), fifo.get(0.0), fifo.get(0.0)] == [1, 2, None]


def test_a_closed_fifo_gives_what_it_holds_and_takes_no_more() -> None:
    fifo: Fifo[int] = Fifo(4)
    fifo.put(1)
    fifo.close()
    assert not fifo.put(2)
    assert fifo.get(30.0) == 1
    assert fifo.get(30.0) is None


def test_closing_wakes_a_reader_that_waits() -> None:
    fifo: Fifo[int] = Fifo(4)
    got: list[int | None] = []
    reader = threading.Thread(target=lambda: got.append(fifo.get(30.0)))
    reader.start()
    fifo.close()
    reader.join(10.0)
    assert got == [None]


def test_draining_takes_everything_in_order() -> None:
    fifo: Fifo[int] = Fifo(4)
    for item in range(3):
        fifo.put(item)
    assert fifo.drain() == [0, 1, 2]
    assert len(fifo) == 0
