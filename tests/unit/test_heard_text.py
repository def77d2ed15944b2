from __future__ import annotations

from app.snapshots import heard_text
from engine.messages import SemanticState


def state(share: float, label: int = 0) -> SemanticState:
    return SemanticState(0, "embedded", ("rain", "fire"), (share, 1.0 - share), label=label)


def test_the_window_says_what_is_heard_and_how_surely():
    assert heard_text(state(0.78)) == "Hears rain, 80 %"


def test_it_does_not_flicker_with_every_percent():
    assert heard_text(state(0.79)) == heard_text(state(0.82))


def test_nothing_heard_is_nothing_said():
    assert heard_text(None) == ""
    assert heard_text(state(0.04)) == ""
    assert heard_text(state(0.24)) == ""
    assert heard_text(state(0.26)) == "Hears rain, 30 %"
    assert heard_text(state(0.78, label=-1)) == ""
