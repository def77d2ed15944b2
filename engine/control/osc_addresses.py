"""Every OSC address that is understood or sent, what it does, and the page that says so."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engine.commands import (
    FASTEST_BY_HAND_BPM,
    SLOWEST_BY_HAND_BPM,
    Blackout,
    Command,
    DoubleTempo,
    Freeze,
    HalveTempo,
    LoadPreset,
    NextPrompt,
    NudgeTempo,
    RestartPicture,
    SelectModel,
    SelectStructure,
    SetParam,
    SetPrompt,
    SetTempo,
    StartRecording,
    Still,
    StopRecording,
    TapTempo,
    structure_choice,
)
from engine.conditioning.adapter_choice import adapter_choice
from engine.errors import CommandError, ModelLoadError
from engine.messages import BAND_EDGES_HZ, BAND_NAMES, LANE_NAMES
from engine.params import PARAMS, ParamSpec

PREFIX = "/sonolume/"
FARTHEST_NUDGE = 0.5
LONGEST_PROMPT = 2000
BAND_VALUES: tuple[str, ...] = ("level", "hit", "presence")
TEXTURE_VALUES: Mapping[str, str] = MappingProxyType(
    {
        "rolloff": "how far up the sound reaches",
        "flux": "how fast the sound changes",
        "crest": "peak over RMS, 0..20 dB",
        "width": "stereo width, 0 is mono",
        "percussive": "strokes against tones",
    }
)
"""Those sent of `Texture`, each 0..1, and what it says."""

Reading = tuple[Command | None, str]
"""What a message asks for (None: nothing), and one line worth logging, or an empty one."""


@dataclass(frozen=True, slots=True)
class AddressSpec:
    """One address that is understood."""

    address: str
    argument: str
    """For people: type and range."""
    help: str
    read: Callable[[tuple[Any, ...]], Reading]
    low: float | None = None
    """The range of a number; None for texts and triggers."""
    high: float | None = None


_SEE_ALL = "; `sonolume osc` lists them all"


def interpret(address: str, arguments: tuple[Any, ...]) -> Reading:
    """Return the command that a message stands for, and what to say about it once."""
    spec = ADDRESSES.get(address)
    if spec is None:
        # What all addresses begin with would make any two of them alike.
        names = [known.removeprefix(PREFIX) for known in ADDRESSES]
        close = difflib.get_close_matches(address.removeprefix(PREFIX), names, n=1, cutoff=0.6)
        nearest = f"; did you mean {PREFIX}{close[0]}?" if close else _SEE_ALL
        return None, f"no OSC address {address}{nearest}"
    command, note = spec.read(arguments)
    return command, f"{address}: {note}" if note else ""


def number_of(value: Any) -> float | None:
    """Return int, float, bool or numeric string as a finite float, anything else as None."""
    try:
        number = float(value) if isinstance(value, (bool, int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def address_page() -> str:
    """Return the page that `sonolume osc` prints: Markdown, generated from the tables."""
    lines = [
        "# OSC addresses",
        "",
        "The argument is only the value. Integers, floats, booleans and numeric strings are all",
        "taken; out of range is clamped. A trigger fires on anything but 0, or without an",
        "argument, and ignores the release. Bundles are played at their time tag.",
        "",
        "## In (default port 9000 on 127.0.0.1)",
        "",
        "| address | argument | does |",
        "|---|---|---|",
    ]
    lines += [f"| `{s.address}` | {s.argument} | {s.help} |" for s in ADDRESSES.values()]
    lines += [
        "",
        "## Out (`--osc-out HOST:PORT`, at most 60 a second per address, only on change)",
        "",
        "| address | argument | says |",
        "|---|---|---|",
    ]
    lines += [f"| `{address}` | {argument} | {says} |" for address, argument, says in _outgoing()]
    return "\n".join(lines) + "\n"


def address_table() -> dict[str, list[dict[str, object]]]:
    """Return the same as plain data: the addresses `in`, with ranges, and those `out`."""
    incoming: list[dict[str, object]] = [
        {"address": s.address, "argument": s.argument, "low": s.low, "high": s.high,
         "help": s.help}
        for s in ADDRESSES.values()
    ]  # fmt: skip
    outgoing: list[dict[str, object]] = [
        {"address": address, "argument": argument, "help": says}
        for address, argument, says in _outgoing()
    ]
    return {"in": incoming, "out": outgoing}


def band_address(band: str, value: str) -> str:
    """Address of one value of one band."""
    return f"{PREFIX}audio/{band}/{value}"


def lane_address(lane: str) -> str:
    """Address of the strokes of one lane."""
    return f"{PREFIX}lane/{lane}"


def texture_address(value: str) -> str:
    """Address of one value of the texture."""
    return f"{PREFIX}texture/{value}"


def _outgoing() -> list[tuple[str, str, str]]:
    rows = []
    meanings = ("how loud against the last 45 s", "a rise right now", "how much in the last 2 s")
    for band, (low_hz, high_hz) in zip(BAND_NAMES, BAND_EDGES_HZ, strict=True):
        for value, meaning in zip(BAND_VALUES, meanings, strict=True):
            says = f"{low_hz:g}-{high_hz:g} Hz: {meaning}"
            rows.append((band_address(band, value), "float 0..1", says))
    rows += [
        (lane_address(lane), "int", f"strokes of the {lane} since the start, one message each")
        for lane in LANE_NAMES
    ]
    rows += [(texture_address(name), "float 0..1", says) for name, says in TEXTURE_VALUES.items()]
    rows += [
        (texture_address("loudness"), "float", "momentary loudness, LUFS, down to -120"),
        (f"{PREFIX}beat", "int", "beats since the start, one message per beat"),
        (f"{PREFIX}tempo/bpm", "float", "beats per minute, 0 while unknown"),
        (f"{PREFIX}tempo/phase", "float 0..1", "0 on the beat, rising until the next"),
        (f"{PREFIX}tempo/confidence", "float 0..1", "how sure the tempo is"),
        (f"{PREFIX}tonal/key", "string", "like D minor; empty while unknown"),
        (f"{PREFIX}tonal/pitch_hz", "float", "pitch of the leading voice, the last one heard"),
        (f"{PREFIX}tonal/pitch_confidence", "float 0..1", "0 where nothing has a pitch"),
        (f"{PREFIX}structure/section", "int", "the part of the music, 0 the first; -1 unknown"),
        (f"{PREFIX}structure/drop", "int", "drops since the start, one message per drop"),
        (f"{PREFIX}structure/build", "float 0..1", "how surely the music is building up"),
        (f"{PREFIX}semantic/<label>", "float 0..1", "how likely the sound is about this label"),
        (f"{PREFIX}<group>/<name>", "float", "every parameter, when it changes"),
    ]
    return rows


def _parameter(spec: ParamSpec) -> AddressSpec:
    def read(arguments: tuple[Any, ...]) -> Reading:
        value = number_of(arguments[0]) if arguments else None
        if value is None:
            return None, f"needs a number, got {_shown(arguments)}"
        allowed = spec.clamp(value)
        outside = not spec.low <= value <= spec.high
        note = f"{value:g} is outside {spec.low:g}..{spec.high:g}, clamped" if outside else ""
        return SetParam(spec.name, allowed), note

    kind = "int" if spec.integer else "float"
    argument = f"{kind} {spec.low:g}..{spec.high:g} {spec.unit}".rstrip()
    return AddressSpec(PREFIX + spec.name, argument, spec.help, read, spec.low, spec.high)


def _trigger(name: str, command: Command, explanation: str) -> AddressSpec:
    def read(arguments: tuple[Any, ...]) -> Reading:
        # Nothing, a nil and the word that Max spells a bang with are all a press.
        if not arguments or arguments[0] is None or arguments[0] == "bang":
            return command, ""
        value = number_of(arguments[0])
        if value is None:
            return None, f"needs 1 or nothing, got {_shown(arguments)}"
        return (command if value else None), ""

    return AddressSpec(PREFIX + name, "trigger", explanation, read)


def _state(name: str, make: Callable[[bool], Command], explanation: str) -> AddressSpec:
    def read(arguments: tuple[Any, ...]) -> Reading:
        value = number_of(arguments[0]) if arguments else None
        if value is None:
            return None, f"needs 1 or 0, got {_shown(arguments)}"
        return make(value != 0.0), ""

    return AddressSpec(PREFIX + name, "1 or 0", explanation, read, 0.0, 1.0)


def _text(name: str, make: Callable[[str], Command], explanation: str) -> AddressSpec:
    def read(arguments: tuple[Any, ...]) -> Reading:
        text = arguments[0].strip() if arguments and isinstance(arguments[0], str) else ""
        if not text:
            return None, f"needs a text, got {_shown(arguments)}"
        if len(text) > LONGEST_PROMPT:
            note = f"a text of {len(text)} characters, cut to {LONGEST_PROMPT}"
            return make(text[:LONGEST_PROMPT]), note
        return make(text), ""

    return AddressSpec(PREFIX + name, "string", explanation, read)


def _tempo() -> AddressSpec:
    def read(arguments: tuple[Any, ...]) -> Reading:
        value = number_of(arguments[0]) if arguments else None
        if value is None:
            return None, f"needs a number, got {_shown(arguments)}"
        bpm = min(max(value, SLOWEST_BY_HAND_BPM), FASTEST_BY_HAND_BPM) if value > 0.0 else 0.0
        outside = bpm != value
        note = (
            f"{value:g} is outside {SLOWEST_BY_HAND_BPM:g}..{FASTEST_BY_HAND_BPM:g}, clamped"
            if outside
            else ""
        )
        return SetTempo(bpm), note

    argument = f"float {SLOWEST_BY_HAND_BPM:g}..{FASTEST_BY_HAND_BPM:g}, or 0"
    explanation = "Fixes the tempo, beats per minute; 0 gives it back to the tracker."
    address = f"{PREFIX}tempo/bpm"
    return AddressSpec(
        address, argument, explanation, read, SLOWEST_BY_HAND_BPM, FASTEST_BY_HAND_BPM
    )


def _nudge() -> AddressSpec:
    def read(arguments: tuple[Any, ...]) -> Reading:
        value = number_of(arguments[0]) if arguments else None
        if value is None:
            return None, f"needs a number, got {_shown(arguments)}"
        beats = min(max(value, -FARTHEST_NUDGE), FARTHEST_NUDGE)
        outside = beats != value
        note = f"{value:g} is outside -{FARTHEST_NUDGE:g}..{FARTHEST_NUDGE:g}, clamped"
        return NudgeTempo(beats), note if outside else ""

    argument = f"float -{FARTHEST_NUDGE:g}..{FARTHEST_NUDGE:g} beats"
    explanation = "Lets the beat come earlier by this share of a beat, below 0 later."
    address = f"{PREFIX}tempo/nudge"
    return AddressSpec(address, argument, explanation, read, -FARTHEST_NUDGE, FARTHEST_NUDGE)


def _structure() -> AddressSpec:
    def read(arguments: tuple[Any, ...]) -> Reading:
        spec = arguments[0].strip() if arguments and isinstance(arguments[0], str) else ""
        if not spec:
            return None, f"needs a text, got {_shown(arguments)}"
        try:
            return SelectStructure(structure_choice(spec)), ""
        except CommandError as error:
            return None, str(error)

    explanation = "What steers the shapes: image:PATH, video:PATH, camera, camera:N or none."
    return AddressSpec(f"{PREFIX}structure/source", "string", explanation, read)


def _adapter() -> AddressSpec:
    def read(arguments: tuple[Any, ...]) -> Reading:
        text = arguments[0].strip() if arguments and isinstance(arguments[0], str) else ""
        if not text:
            return None, f"needs a text, got {_shown(arguments)}"
        try:
            return adapter_choice(text), ""
        except ModelLoadError as error:
            return None, str(error)

    explanation = (
        "Loads a trained projector or mapper from its file, a path; the words projector and "
        "mapper alone bring back those that ship."
    )
    return AddressSpec(f"{PREFIX}sound/load", "string", explanation, read)


def _recording(on: bool) -> Command:
    return StartRecording() if on else StopRecording()


def _shown(arguments: tuple[Any, ...]) -> str:
    return repr(arguments[0])[:40] if arguments else "nothing"


_LOADS_PRESET = "Loads a preset by name or path; the next show still opens with its own."
_LOADS_MODEL = (
    "Loads a model by a name of `sonolume models list`, folder, file or hub id (fetched before); "
    "what paints goes on meanwhile, and stays where it cannot be opened."
)

ADDRESSES: Mapping[str, AddressSpec] = MappingProxyType(
    {
        spec.address: spec
        for spec in (
            *(_parameter(spec) for spec in PARAMS.values()),
            _text("prompt/text", SetPrompt, "Goes to this prompt."),
            _trigger("prompt/next", NextPrompt(), "Goes to the preset's next prompt."),
            _text("preset/load", LoadPreset, _LOADS_PRESET),
            _text("model/load", SelectModel, _LOADS_MODEL),
            _structure(),
            _adapter(),
            _trigger("tempo/tap", TapTempo(), "A tap of the finger, on the beat."),
            _tempo(),
            _nudge(),
            _trigger("tempo/half", HalveTempo(), "Counts half as many beats."),
            _trigger("tempo/double", DoubleTempo(), "Counts twice as many beats."),
            _state("record", _recording, "Starts and stops recording."),
            _state("panic/freeze", Freeze, "Holds the picture."),
            _state("panic/black", Blackout, "Black output, at once."),
            _state("panic/still", Still, "Shows the shipped still."),
            _trigger("panic/restart", RestartPicture(), "Forgets the picture, paints anew."),
        )
    }
)
"""Address -> what it does."""
