from __future__ import annotations

from app.message_board import NOTICE_S, READ_S, MessageBoard
from app.snapshots import Message

NOTHING = Message("")
LOST = Message("the microphone is gone")
FULL = Message("the disk is full")
RECORDED = Message("Recorded 6.3 s to a.mp4", "notice")
FINISHING = Message("Finishing the recording a.mp4", "notice")


def test_a_notice_goes_by_itself_and_an_error_does_not() -> None:
    board = MessageBoard()
    board.put("source", LOST, 10.0)
    board.say(RECORDED, 10.0)
    board.step(10.0 + NOTICE_S - 0.1)
    assert (board.error, board.notice) == (LOST, RECORDED)
    board.step(10.0 + NOTICE_S)
    assert (board.error, board.notice) == (LOST, NOTHING)
    board.step(3600.0)
    assert board.error == LOST


def test_the_next_action_takes_a_notice_away_that_could_be_read() -> None:
    board = MessageBoard()
    board.say(RECORDED, 10.0)
    board.act(10.0 + READ_S - 0.1)
    assert board.notice == RECORDED
    board.act(10.0 + READ_S)
    assert board.notice == NOTHING


def test_an_action_leaves_errors_alone() -> None:
    board = MessageBoard()
    board.put("engine", FULL, 10.0)
    board.act(30.0)
    assert board.error == FULL


def test_an_error_leaves_with_its_cause() -> None:
    board = MessageBoard()
    board.put("engine", FULL, 10.0)
    board.put("engine", NOTHING, 20.0)
    assert board.error == NOTHING


def test_what_was_replaced_does_not_come_back() -> None:
    board = MessageBoard()
    board.put("source", LOST, 10.0)
    board.put("engine", FULL, 11.0)
    assert board.error == FULL
    board.put("engine", NOTHING, 12.0)
    board.put("source", LOST, 13.0)
    assert board.error == NOTHING


def test_what_two_origins_say_is_one_message() -> None:
    board = MessageBoard()
    board.put("engine", FULL, 10.0)
    board.put("source", LOST, 11.0)
    board.put("engine", LOST, 12.0)  # the engine passes on what the source says
    board.dismiss("error")
    board.put("engine", FULL, 13.0)
    board.put("engine", LOST, 14.0)
    assert board.error == NOTHING
    board.put("engine", NOTHING, 15.0)
    board.put("source", NOTHING, 15.0)
    board.put("source", LOST, 16.0)
    assert board.error == LOST  # it has gone once more, which is news


def test_a_notice_replaces_a_notice_and_never_an_error() -> None:
    board = MessageBoard()
    board.put("source", LOST, 10.0)
    board.put("record", FINISHING, 11.0)
    board.put("record", NOTHING, 12.0)
    assert (board.error, board.notice) == (LOST, NOTHING)
    board.say(RECORDED, 12.0)
    assert (board.error, board.notice) == (LOST, RECORDED)


def test_an_answer_of_the_window_shows_each_time_it_is_given() -> None:
    board = MessageBoard()
    board.say(FULL, 10.0)
    board.dismiss("error")
    board.say(FULL, 11.0)
    assert board.error == FULL
    board.say(NOTHING, 12.0)
    assert board.error == NOTHING
