"""What the window shows, as frozen values: made from an `EngineStatus`, compared, then shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from engine.messages import EngineStatus, Phase, SemanticState

SEEN_SHARE = 0.01


class SignalState(Enum):
    """What the meters say about the sound; silence and a missing device are never confused."""

    NO_DEVICE = "no device"
    WAITING = "waiting"
    PAUSED = "paused"
    SILENT = "silent"
    LIVE = "live"


class Health(Enum):
    """How a running show does at this moment, in one word."""

    GOOD = "running"
    STUTTERS = "stutters"
    """Well below the asked output rate."""
    LAGS = "lags"
    """The model paints too slowly to follow the music."""


@dataclass(frozen=True, slots=True)
class Message:
    """One line for the message bar; empty text hides it.

    An error stays until it is dismissed or resolved, a notice goes by itself.
    """

    text: str
    level: Literal["error", "notice"] = "error"


@dataclass(frozen=True, slots=True)
class Recent:
    """Rates of the last seconds, losses of the last minute; the start does not count."""

    health: Health = Health.GOOD
    output_fps: float = 0.0
    ai_fps: float = 0.0
    frames: int = 0
    dropped: int = 0
    overflows: int = 0
    longest_gap_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of the status line, rounded to what is shown."""

    phase: Phase = Phase.STARTING
    health: Health = Health.GOOD
    model: str = ""
    ai_fps: float = 0.0
    output_fps: float = 0.0
    asked_fps: float = 0.0
    latency_ms: float = 0.0
    longest_gap_ms: float = 0.0
    """Of the last minute, as are the two below."""
    dropped: int = 0
    overflows: int = 0
    drops_show: bool = False
    """More than one frame in a hundred was lost: fewer nobody sees."""
    dropped_ever: int = 0


@dataclass(frozen=True, slots=True)
class PanicState:
    """Which of the holding buttons are down."""

    frozen: bool = False
    blackout: bool = False
    still: bool = False


@dataclass(frozen=True, slots=True)
class PromptState:
    """The prompts the picture is made from right now."""

    texts: tuple[str, ...] = ()
    """The current one, and the next one while the walk goes on."""
    weights: tuple[float, ...] = ()
    index: int = 0
    model: str = ""
    unknown_words: tuple[tuple[str, str], ...] = ()
    words_left_out: int = 0
    """At the end of the newest prompt."""
    heard: str = ""
    """What the sound is about, for people; empty while nothing known is heard."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """Which model paints, and which one is being opened."""

    asked: str = ""
    """Name, folder or hub id of the one that paints."""
    opening: str = ""
    """Empty when none is."""


LEAST_SAID = 0.25
"""Below this probability a label is no news; one is taken up from 0.3 on."""


def heard_text(semantic: SemanticState | None) -> str:
    """Say in a few words what is heard, tens of percent: more would flicker.

    A label that is held on although it is hardly likely any more is not said.
    """
    if semantic is None or semantic.label < 0:
        return ""
    if semantic.probabilities[semantic.label] < LEAST_SAID:
        return ""
    share = round(10.0 * semantic.probabilities[semantic.label]) * 10
    return f"Hears {semantic.labels[semantic.label]}, {share} %"


def signal_state(status: EngineStatus) -> SignalState:
    """Tell what the meters should say."""
    source = status.source
    if source.kind == "none" and status.phase in (Phase.STARTING, Phase.LOADING):
        return SignalState.WAITING
    if not source.connected:
        return SignalState.NO_DEVICE
    if not source.playing:
        return SignalState.PAUSED
    if status.features is None:
        return SignalState.WAITING
    return SignalState.SILENT if status.features.silent else SignalState.LIVE


def figures(status: EngineStatus, recent: Recent, asked_fps: float) -> Figures:
    """Round an engine's figures to what is shown."""
    return Figures(
        phase=status.phase,
        health=recent.health,
        model=status.model_opening.rpartition("/")[2] or status.model,
        ai_fps=round(recent.ai_fps, 1),
        output_fps=round(recent.output_fps, 1),
        asked_fps=asked_fps,
        latency_ms=float(round(status.latency_ms)),
        longest_gap_ms=float(round(recent.longest_gap_ms)),
        dropped=recent.dropped,
        overflows=recent.overflows,
        drops_show=recent.dropped > SEEN_SHARE * (recent.frames + recent.dropped),
        dropped_ever=status.dropped,
    )
