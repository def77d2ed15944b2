from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from engine.errors import ModelLoadError
from engine.messages import AudioFeatures, Float32
from engine.protocols import Listener
from engine.semantic.bank import Bank, Label
from engine.semantic.descriptors import DESCRIPTORS, describe
from engine.semantic.report import listen
from engine.semantic.stage import SemanticStage, SemanticStream
from tests.signals import noise

RATE_HZ = 8_000
BANK = Bank((Label("red", ("red",), "a red flower"), Label("blue", ("blue",), "a blue lake")))
AXES = {"red": np.array([1.0, 0.0, 0.0]), "blue": np.array([0.0, 1.0, 0.0])}
NEITHER = np.array([0.0, 0.0, 1.0], np.float32)


def features(**changes: float) -> AudioFeatures:
    values: dict[str, object] = {
        "sample_index": 8_000, "sample_rate": RATE_HZ, "level_db": -20.0, "peak": 0.5,
        "silent": False, "band_level": np.full(6, 0.6, np.float32),
        "band_hit": np.full(6, 0.1, np.float32), "band_presence": np.full(6, 0.2, np.float32),
        "onset_strength": 0.0, "onset_count": 0, "centroid": 0.4, "flatness": 0.05,
        "tempo_bpm": 0.0, "tempo_confidence": 0.0, "beat_count": 0, "beat_phase": 0.0,
    }  # fmt: skip
    return AudioFeatures(**(values | changes))  # type: ignore[arg-type]


class ScriptedListener:
    """Hears what the time of the window's end says."""

    name = "scripted"
    window_s = 1.0
    step_s = 0.5
    temperature = 0.1
    least_cosine = 0.3
    warning = ""

    def __init__(self, script: Callable[[float], Float32 | None]) -> None:
        self._script = script
        self.asked = 0
        self.closed = False

    def load(self) -> None:
        pass

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        return np.stack([AXES[text] for text in texts]).astype(np.float32)

    def hear(self, samples: Float32, sample_rate: int) -> Float32 | None:
        self.asked += 1
        direction = self._script(self.step_s * self.asked)
        return None if direction is None else direction.astype(np.float32)

    def close(self) -> None:
        self.closed = True


def states(listener: Listener | None, seconds: float, blocks: Sequence[int] = (800,)):
    stream = SemanticStream(SemanticStage(listener, BANK), RATE_HZ)
    samples = noise(seconds, RATE_HZ)[:, None]
    heard = features()
    found = []
    place = index = 0
    while place < len(samples):
        size = blocks[index % len(blocks)]
        found += stream.push(samples[place : place + size], heard)
        place, index = place + size, index + 1
    return found


def red_then_blue(time_s: float) -> Float32:
    return AXES["red" if time_s <= 6.0 else "blue"]


def test_the_right_label_is_held_within_two_seconds_and_switched_once():
    found = states(ScriptedListener(red_then_blue), 12.0)
    held = {state.sample_index / RATE_HZ: state.label for state in found}
    assert held[2.0] == 0
    assert held[8.0] == 1
    assert found[-1].switch_count == 2  # to red, to blue
    assert found[-1].prompt == "a blue lake"
    assert found[-1].listener == "scripted"
    assert sum(found[-1].probabilities) == pytest.approx(1.0, abs=1e-4)


def test_a_listener_that_wavers_does_not_make_the_label_waver():
    def wavering(time_s: float) -> Float32:
        return AXES["red" if round(2.0 * time_s) % 2 else "blue"]

    assert states(ScriptedListener(wavering), 60.0)[-1].switch_count <= 2


def test_the_states_do_not_depend_on_the_cut_of_the_blocks():
    whole, cut = (
        states(ScriptedListener(red_then_blue), 9.0, blocks)
        for blocks in ((72_000,), (1, 4096, 37, 800))
    )
    assert whole == cut


def test_the_window_ends_at_the_step_and_is_as_long_as_asked():
    lengths: list[int] = []

    class Measuring(ScriptedListener):
        def hear(self, samples: Float32, sample_rate: int) -> Float32 | None:
            lengths.append(len(samples))
            return super().hear(samples, sample_rate)

    states(Measuring(red_then_blue), 4.0, (333,))
    assert lengths == [4000] + [8000] * 7


def test_silence_stands_still_and_lets_go_after_seconds():
    stage = SemanticStage(ScriptedListener(red_then_blue), BANK)
    loud, quiet = noise(1.0, RATE_HZ), np.zeros(RATE_HZ, np.float32)
    for step in range(1, 7):
        before = stage.step(loud, RATE_HZ, 4000 * step)
    first = stage.step(quiet, RATE_HZ, 4000 * 7)
    assert (first.label, first.probabilities) == (before.label, before.probabilities)
    for step in range(8, 16):
        last = stage.step(quiet, RATE_HZ, 4000 * step)
    assert last.label == -1
    assert last.prompt == ""
    assert last.probabilities == (0.0, 0.0)


def test_a_pause_does_not_make_the_next_sound_count_for_more():
    names = iter(["red"] * 6 + ["blue"] + ["red"] * 4)
    stage = SemanticStage(ScriptedListener(lambda _: AXES[next(names)]), BANK)
    labels = []
    for step in range(1, 17):
        sound = noise(1.0, RATE_HZ) if step <= 6 or step > 11 else np.zeros(RATE_HZ, np.float32)
        labels.append(stage.step(sound, RATE_HZ, 4000 * step).label)
    assert labels[1:] == [0] * 15


def test_a_file_that_nothing_is_known_of_keeps_the_labels_of_its_bank():
    blocks = [noise(1.0, RATE_HZ)[:, None] for _ in range(8)]
    heard = listen(blocks, RATE_HZ, ScriptedListener(lambda _: NEITHER), BANK)
    assert heard.labels == BANK.names
    assert {state.labels for state in heard.states} == {BANK.names}
    assert {state.label for state in heard.states} == {-1}


def test_what_the_listener_does_not_know_is_described_after_a_while():
    found = states(ScriptedListener(lambda _: NEITHER), 12.0)
    assert found[2].listener == "scripted"
    assert found[2].label == -1
    assert found[-1].listener == "descriptors"
    assert found[-1].labels == DESCRIPTORS.names
    assert found[-1].prompt in {label.prompt for label in DESCRIPTORS.labels}


def test_without_a_listener_there_are_descriptors():
    found = states(None, 6.0)
    assert {state.listener for state in found} == {"descriptors"}
    assert found[-1].label >= 0


def test_a_listener_that_answers_seldom_counts_for_the_time_between_its_answers():
    def seldom(time_s: float) -> Float32 | None:
        return red_then_blue(time_s) if time_s % 2.0 == 0.0 else None

    found = states(ScriptedListener(seldom), 14.0)
    assert found[-1].listener == "scripted"
    assert found[-1].label == 1
    assert found[-1].switch_count == 2


def test_a_listener_that_fails_is_one_message_and_descriptors_go_on(
    caplog: pytest.LogCaptureFixture,
):
    def failing(time_s: float) -> Float32:
        if time_s > 3.0:
            raise ModelLoadError("the listener is gone: start again")
        return AXES["red"]

    listener = ScriptedListener(failing)
    stage = SemanticStage(listener, BANK)
    for step in range(1, 12):
        state = stage.step(noise(1.0, RATE_HZ), RATE_HZ, 4000 * step, features())
    assert stage.message == "the listener is gone: start again"
    assert listener.closed
    assert len(caplog.messages) == 1
    assert state.listener == "descriptors"


def test_descriptors_follow_the_sound():
    names = DESCRIPTORS.names

    def best(**changes: float) -> str:
        return names[int(describe(features(**changes)).argmax())]

    assert best(centroid=0.05, flatness=0.001) == "deep"
    assert best(centroid=0.9, flatness=0.001) == "bright"
    assert best(centroid=0.5, flatness=0.6) == "noisy"
    assert describe(features(centroid=float("nan"))).sum() == pytest.approx(1.0)
