"""The listener that ships, on sounds that it was not trained with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.cli import main
from engine.analysis.analyzer import Analyzer
from engine.bench.open_set import measure
from engine.bench.strange_sounds import STRANGE
from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.semantic.bank import Bank, Label, default_bank
from engine.semantic.descriptors import DESCRIPTORS
from engine.semantic.embedded import EmbeddedListener
from engine.semantic.lines import line_share
from engine.semantic.listener_names import DESCRIPTORS_ALONE
from engine.semantic.report import listen
from engine.semantic.stage import SemanticStage, SemanticStream, label_directions
from engine.synthesis.filters import low_pass
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.pads import pad_chord
from engine.synthesis.sounds.catalogue import SOUNDS
from tests.signals import noise, sine

UNSEEN = 77_000


@pytest.fixture(scope="module")
def listener() -> EmbeddedListener:
    loaded = EmbeddedListener()
    loaded.load()
    return loaded


def sound(name: str, seconds: float, seed: int = UNSEEN) -> Float32:
    return SOUNDS[name](np.random.default_rng(seed), seconds)


def cosines(listener: EmbeddedListener, samples: Float32, texts: list[str]) -> np.ndarray:
    heard = listener.hear(samples, SAMPLE_RATE_HZ)
    assert heard is not None
    return listener.embed_texts(texts) @ heard


@pytest.mark.parametrize("name", ["drums", "bells", "birds", "thunder", "piano", "voice"])
def test_what_is_heard_is_called_by_its_name(listener: EmbeddedListener, name: str):
    bank = default_bank()
    found = listen([sound(name, 5.0)[:, None]], SAMPLE_RATE_HZ, EmbeddedListener(), bank)
    assert bank.names[found.states[-1].label] == name


@pytest.mark.parametrize("detune_cents", [0.0, 9.0])
@pytest.mark.parametrize("root", [36, 43])
def test_low_chords_of_saws_are_no_helicopter(
    listener: EmbeddedListener, root: int, detune_cents: float
):
    bank = default_bank()
    directions = label_directions(listener, bank)
    rng = np.random.default_rng(UNSEEN)
    for cut_hz in (400.0, 1600.0, 16_000.0):
        for third in (3, 4):
            chord = [root, root + third, root + 7]
            pad = pad_chord(chord, 3.0, rng, attack_s=1.0, detune_cents=detune_cents)
            window = low_pass(pad.mean(axis=1), cut_hz)[SAMPLE_RATE_HZ // 2 :][
                : 2 * SAMPLE_RATE_HZ
            ]
            heard = directions @ listener.hear(window, SAMPLE_RATE_HZ)
            best = bank.names[int(heard.argmax())]
            assert best != "helicopter" or heard.max() < listener.least_cosine, (cut_hz, third)


def test_a_helicopter_stays_one(listener: EmbeddedListener):
    bank = default_bank()
    directions = label_directions(listener, bank)
    for seed in range(UNSEEN, UNSEEN + 4):
        heard = directions @ listener.hear(sound("helicopter", 2.0, seed), SAMPLE_RATE_HZ)
        assert bank.names[int(heard.argmax())] == "helicopter"


def test_chords_are_lines_and_noise_is_none():
    chord = sum(sine(pitch_hz, 2.0, SAMPLE_RATE_HZ) for pitch_hz in (65.4, 82.4, 98.0))
    hiss = noise(2.0, SAMPLE_RATE_HZ)
    assert line_share(chord, SAMPLE_RATE_HZ) > 0.9
    assert line_share(hiss, SAMPLE_RATE_HZ) < 0.1
    assert 0.2 < line_share(chord + 4.0 * hiss, SAMPLE_RATE_HZ) < 0.95
    assert line_share(chord[:1000], SAMPLE_RATE_HZ) == 0.0


def test_most_strange_sounds_are_none_of_the_labels_and_voices_are_voices():
    strange, voices = measure()
    assert strange["named"] < 0.4
    assert max(voices["heard"], key=voices["heard"].get) == "voice"
    assert voices["heard"]["voice"] > 0.6


@pytest.mark.parametrize("name", ["alarm", "dialling"])
def test_descriptors_speak_of_what_the_listener_does_not_know(name: str):
    samples = STRANGE[name](np.random.default_rng(UNSEEN), 8.0)
    analyzer = Analyzer(SAMPLE_RATE_HZ)
    stream = SemanticStream(SemanticStage(EmbeddedListener(), default_bank()), SAMPLE_RATE_HZ)
    states = []
    for start in range(0, len(samples), 4096):
        block = samples[start : start + 4096, None]
        features = analyzer.push(block)
        states += stream.push(block, features[-1] if features else None)
    stream.close()
    assert states[-1].listener == DESCRIPTORS_ALONE
    assert states[-1].prompt in [label.prompt for label in DESCRIPTORS.labels]


def test_pads_and_drums_are_told_apart_within_two_seconds():
    bank = default_bank()
    track = np.concatenate([sound("pads", 6.0), sound("drums", 6.0)])
    found = listen([track[:, None]], SAMPLE_RATE_HZ, EmbeddedListener(), bank)
    held = [bank.names[state.label] for state in found.states if state.label >= 0]
    at_s = dict(zip(found.times_s, (s.label for s in found.states), strict=True))
    assert bank.names[at_s[2.0]] == "synthesiser"
    assert bank.names[at_s[8.0]] == "drums"
    assert held == sorted(held, reverse=True)  # one switch, and never back


def test_words_that_nobody_trained_are_understood(listener: EmbeddedListener):
    thunder = sound("thunder", 2.0)
    texts = ["a storm at sea", "a village wedding", "a jazz club", "an office"]
    assert cosines(listener, thunder, texts).argmax() == 0


def test_a_bank_of_the_users_own_steers_by_its_own_words():
    bank = Bank(
        (
            Label("weather", ("a storm at sea",), "a stormy sea"),
            Label("tower", ("the bells of a cathedral",), "a church on a hill"),
            Label("club", ("a drummer at a festival",), "a rave"),
        )
    )
    for name, label in (("thunder", 0), ("bells", 1), ("drums", 2)):
        found = listen([sound(name, 4.0)[:, None]], SAMPLE_RATE_HZ, EmbeddedListener(), bank)
        assert found.states[-1].label == label
        assert found.states[-1].prompt == bank.labels[label].prompt


@pytest.mark.parametrize("rate_hz", [16_000, 48_000, 96_000])
def test_the_sample_rate_hardly_matters(listener: EmbeddedListener, rate_hz: int):
    import soxr

    drums = sound("drums", 2.0)
    here = listener.hear(drums, SAMPLE_RATE_HZ)
    there = listener.hear(soxr.resample(drums, SAMPLE_RATE_HZ, rate_hz), rate_hz)
    assert here is not None
    assert there is not None
    assert float(here @ there) > 0.8


def test_the_same_sound_is_heard_the_same_and_its_gain_does_not_matter(listener):
    bells = sound("bells", 2.0)
    first, again, quiet = (
        listener.hear(samples, SAMPLE_RATE_HZ) for samples in (bells, bells, 0.1 * bells)
    )
    assert np.array_equal(first, again)
    assert np.abs(first - quiet).max() < 1e-3


def test_damaged_weights_are_one_line(tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelLoadError, match="install Sonolume again"):
        EmbeddedListener(tmp_path).load()


def test_listening_needs_no_torch():
    program = (
        "import sys; from engine.semantic.embedded import EmbeddedListener; "
        "EmbeddedListener().load(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_listen_prints_json_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "drums.wav"
    soundfile.write(path, sound("drums", 4.0), SAMPLE_RATE_HZ)
    assert main(["listen", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(said) >= {"labels", "times_s", "probabilities", "listener"}
    assert said["listener"] == "embedded"
    assert len(said["times_s"]) == len(said["probabilities"]) == 8
    assert all(len(row) == len(said["labels"]) for row in said["probabilities"])
    assert main(["listen", str(path)]) == 0
    assert "drums" in capsys.readouterr().out


def test_a_broken_bank_is_one_line_and_exit_1(tmp_path: Path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text('[[labels]]\nlabel = "x"\n')
    assert main(["listen", "demo", "--labels", str(path)]) == 1
    assert capsys.readouterr().err.startswith("sonolume: mine.toml")
