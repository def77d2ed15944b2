"""One finished picture from one sound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.audio.decode import SoundReader
from engine.clock import ManualClock
from engine.compose.composer import Composer
from engine.compose.still import read_still
from engine.conditioning.encodings import AdapterShelf
from engine.conditioning.raw_encoding import SILENCE_RMS, loudness_rms
from engine.conditioning.sound_embedding import SoundMoment
from engine.contact_sheet import write_sheet
from engine.diffusion.loop import DiffusionLoop
from engine.errors import AudioFileError, ModelLoadError, UsageError
from engine.export.sound_look import (
    USUAL_SCALE,
    check_sound,
    sound_given,
    sound_params,
    unread_words,
    usual_mix,
)
from engine.mailbox import Latest
from engine.messages import ControlState, Float32, Picture, PromptWeight, Travel
from engine.params import defaults
from engine.protocols import ImageModel
from engine.registry import DEFAULT_MODEL, DEFAULT_VAE, ModelRequest, find_model, load_factory
from engine.runtime import limits
from engine.semantic.adapters import open_adapter
from engine.semantic.bank import Bank, open_bank
from engine.semantic.listener_names import DEFAULT_LISTENER
from engine.semantic.listeners import open_listener
from engine.semantic.stage import SemanticStage
from engine.sound_choices import ADAPTER_ENCODINGS, RAW_ENCODINGS, unread_by

SEMANTIC = "semantic"
"""The encoding by words: what the listener hears is said."""
QUIET_PROMPT = "a calm dark sea under a starry sky"
"""What is painted where neither words nor sound say anything."""
_SEMANTIC_WINDOW_S = 2.0
_RAW_WINDOW_S = 1.5
_STEP_S = 0.05
_CANDIDATES = 8
"""So many of the loudest windows are listened to for the most telling one, and as many others."""
_BLOCK = 65_536
_REPAINTS = 4
"""Model calls over an init image, which one call would hardly leave."""
_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """What to paint from which sound."""

    audio: Path
    output: Path
    prompt: str = ""
    encoding: str = SEMANTIC
    """`semantic`, or one of `engine.messages.SOUND_ENCODINGS`."""
    checkpoint: Path | None = None
    scale: str | None = None
    mix: float | None = None
    """None: only sound where there is no prompt, else half and half."""
    bend: float = 0.0
    start_s: float | None = None
    """None: where the sound is loudest."""
    seed: int = 0
    model: str = DEFAULT_MODEL
    width: int = 512
    height: int = 512
    init_image: Path | None = None
    strength: float | None = None
    listener: str = DEFAULT_LISTENER
    labels: Path | None = None
    device_compute: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    vae: str = DEFAULT_VAE


@dataclass(frozen=True, slots=True)
class PictureReport:
    """What was painted."""

    path: Path
    encoding: str
    scale: str | None
    """Of raw encodings."""
    mix: float
    """What the sound counted at last: 0 where it is silent."""
    start_s: float
    heard: str | None
    """The label that was likeliest; None for raw encodings, and where nothing was heard."""
    prompt: str
    """The words that were painted, beside or instead of the sound."""
    notice: str = ""
    """One line on what the user should know; empty when all is well."""


def paint_sound(settings: PictureSettings) -> PictureReport:
    """Paint and write the picture. Raises `EngineError`.

    Silence is painted from the prompt alone, and the notice says so.
    """
    _check(settings)
    mix = settings.mix
    if mix is None:
        mix = usual_mix(settings.encoding, settings.checkpoint, told=bool(settings.prompt))
    heard: _Heard | None = None
    with SoundReader(settings.audio) as reader:
        if settings.encoding == SEMANTIC:
            sound, start_s, heard = _most_telling(reader, settings)
        else:
            asked_s = settings.start_s
            named = settings.encoding in ADAPTER_ENCODINGS  # so that a mishearing is known
            window_s = _SEMANTIC_WINDOW_S if named else _RAW_WINDOW_S
            start_s = loudest_s(reader, window_s)[0] if asked_s is None else asked_s
            sound = _window(reader, start_s, window_s)
            if named:
                heard = _most_telling(reader, replace(settings, start_s=start_s))[2]
        notices = [reader.note] if reader.note else []
    without = "the picture is painted from the prompt alone"
    if loudness_rms(sound.samples) < SILENCE_RMS:
        notices.append(f"{settings.audio.name} is silent at {start_s:.1f} s: {without}")
        mix = 0.0
    elif settings.encoding == SEMANTIC and heard is None:
        notices.append(f"{settings.audio.name} holds nothing that the bank knows: {without}")
        mix = 0.0
    scale = settings.scale or USUAL_SCALE if settings.encoding in RAW_ENCODINGS else None
    said = heard if settings.encoding == SEMANTIC else None
    prompts = _prompts(settings.prompt, said, mix)
    unread = _paint(settings, prompts or (PromptWeight(QUIET_PROMPT, 1.0),), sound, mix)
    notices += _unread_options(settings, unread)
    if not prompts and mix < 1.0:
        prompts = (PromptWeight(QUIET_PROMPT, 1.0),)
    return PictureReport(
        settings.output, settings.encoding, scale, mix, start_s,
        None if heard is None or not mix else heard.label,
        " + ".join(part.text for part in prompts), "; ".join(notices),
    )  # fmt: skip


def loudest_s(reader: SoundReader, window_s: float, count: int = 1) -> list[float]:
    """Where the windows with the most energy begin, the loudest first.

    They overlap by half at most. Reads all of the sound; keeps a number per 50 ms of it.
    """
    step = max(1, round(_STEP_S * reader.sample_rate))
    energies: list[float] = []
    rest = np.zeros(0, np.float32)
    while len(block := reader.read(_BLOCK)):
        samples = np.concatenate([rest, block.mean(axis=1)])
        whole = len(samples) // step * step
        energies += (samples[:whole].reshape(-1, step) ** 2).sum(axis=1).tolist()
        rest = samples[whole:]
    steps = round(window_s / _STEP_S)
    if len(energies) <= steps:
        return [0.0]
    sums = np.concatenate([[0.0], np.cumsum(energies)])
    windows = sums[steps:] - sums[:-steps]
    found: list[float] = []
    while len(found) < count and windows.max() >= 0.0:
        # Of windows alike but for rounding the first: a steady sound is heard from its beginning.
        place = int(np.argmax(windows >= windows.max() * (1.0 - 1e-6)))
        found.append(place * _STEP_S)
        windows[max(0, place - steps // 2) : place + steps // 2] = -1.0
    return found


@dataclass(frozen=True, slots=True)
class _Heard:
    """The label that was likeliest, how likely, and what it lets be painted."""

    label: str
    probability: float
    prompt: str


def _prompts(words: str, heard: _Heard | None, mix: float) -> tuple[PromptWeight, ...]:
    """What is said: the user's words, and with `semantic` those of what is heard."""
    if heard is None:
        return (PromptWeight(words, 1.0),) if words else ()
    parts = PromptWeight(words, 1.0 - mix), PromptWeight(heard.prompt, mix)
    said = [part for part in parts if part.text and part.weight > 0.0]
    total = sum(part.weight for part in said)
    return tuple(PromptWeight(part.text, part.weight / total) for part in said)


def _most_telling(
    reader: SoundReader, settings: PictureSettings
) -> tuple[SoundMoment, float, _Heard | None]:
    """Of some windows the one that is surest to be something; or the one asked for."""
    bank = open_bank(settings.labels)
    listener = open_listener(settings.listener, settings.device_compute, patient=True)
    stage = SemanticStage(listener, bank)
    best: tuple[SoundMoment, float, _Heard | None] | None = None
    try:
        for start_s in _candidates_s(reader, settings.start_s):
            sound = _window(reader, start_s, _SEMANTIC_WINDOW_S)
            heard = _what_is_heard(stage, bank, sound)
            before = best[2] if best is not None else None
            surer = heard is not None and (
                before is None or heard.probability > before.probability
            )
            if best is None or surer:
                best = sound, start_s, heard
    finally:
        stage.close()
    assert best is not None, "there is a window"
    return best


def _candidates_s(reader: SoundReader, start_s: float | None) -> list[float]:
    """Where to listen: where it is loudest, and here and there."""
    if start_s is not None:
        return [start_s]
    loudest = loudest_s(reader, _SEMANTIC_WINDOW_S, _CANDIDATES)
    last_s = max(0.0, reader.duration_s - _SEMANTIC_WINDOW_S)
    return [*loudest, *np.linspace(last_s, 0.0, _CANDIDATES).tolist()]


def _window(reader: SoundReader, start_s: float, window_s: float) -> SoundMoment:
    if start_s > 0.0 and start_s >= reader.duration_s:
        raise AudioFileError(
            f"{reader.path.name} is {reader.duration_s:.1f} s long, so nothing is heard at "
            f"{start_s:.1f} s: give an earlier --start"
        )
    reader.seek(round(start_s * reader.sample_rate))
    wanted, blocks = round(window_s * reader.sample_rate), []
    while wanted > 0 and len(block := reader.read(min(wanted, _BLOCK))):
        blocks.append(block.mean(axis=1))
        wanted -= len(block)
    samples: Float32 = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return SoundMoment(np.asarray(samples, np.float32), reader.sample_rate)


def _what_is_heard(stage: SemanticStage, bank: Bank, sound: SoundMoment) -> _Heard | None:
    """The likeliest label of the bank; None where it is none of them."""
    stage.begin_anew()
    state = stage.step(sound.samples, sound.sample_rate, len(sound.samples))
    if not any(state.probabilities):
        return None
    best = int(np.argmax(state.probabilities))
    label = state.labels[best]
    prompts = {each.label: each.prompt for each in bank.labels}
    return _Heard(label, state.probabilities[best], prompts.get(label, label))


def _paint(
    settings: PictureSettings, prompts: tuple[PromptWeight, ...], sound: SoundMoment, mix: float
) -> tuple[str, ...]:
    """Paint and write; return which parameters of sound nothing read."""
    values = defaults() | {"diffusion/seed": float(settings.seed)}
    if settings.encoding != SEMANTIC:
        values |= sound_params(settings.encoding, settings.scale, mix, settings.bend)
    if settings.init_image is not None:
        values["diffusion/steps"] = float(_REPAINTS)
    if settings.strength is not None:
        values["diffusion/strength"] = settings.strength
    control = ControlState(0, 0.0, 0.0, values, Travel(), prompts, 0, 0, 0.0, silent=False)
    adapters = {} if settings.checkpoint is None else {settings.encoding: settings.checkpoint}
    pictures: Latest[Picture] = Latest()
    loop = DiffusionLoop(
        Latest(), pictures, ManualClock(),
        sound_at=lambda control, window_s, step_s: ((sound, 1.0),),
        adapters=AdapterShelf(adapters, open_adapter),
    )  # fmt: skip
    try:
        loop.open_now(lambda: _open_model(settings))
        picture = loop.step(control)
        problem = loop.sound_message or ("" if picture is not None else loop.message)
        unread = loop.sound.unread
    finally:
        loop.close()
    if picture is None or problem:
        raise ModelLoadError(problem)
    black = np.zeros((settings.height, settings.width, 3), np.uint8)
    composer = Composer(settings.width, settings.height, black)
    write_sheet(settings.output, composer.compose(picture, control, time_s=0.0, dt_s=1.0))
    return unread_by(SEMANTIC) if settings.encoding == SEMANTIC else unread


def _unread_options(settings: PictureSettings, unread: tuple[str, ...]) -> list[str]:
    """One line for every option that was given and changed nothing."""
    words = unread_words(sound_given(settings.scale, settings.bend), unread)
    lines = [words] if words else []
    if settings.encoding == SEMANTIC and settings.mix and not settings.prompt:
        lines.append(f"--mix {settings.mix:g} changes nothing: there is no --prompt to mix with")
    if settings.encoding in RAW_ENCODINGS:
        for flag, given in (
            ("--listener", settings.listener != DEFAULT_LISTENER), ("--labels", settings.labels),
        ):  # fmt: skip
            if given:
                lines.append(f"{flag} changes nothing: nobody listens with {settings.encoding}")
    return lines


def _open_model(settings: PictureSettings) -> ImageModel:
    request = ModelRequest(
        settings.model, settings.width, settings.height, settings.device_compute,
        settings.dtype, settings.threads, vae=settings.vae,
    )  # fmt: skip
    model: ImageModel = load_factory(find_model(settings.model))(request)
    if settings.init_image is not None:
        start_from = getattr(model, "start_from", None)
        if start_from is None:
            raise ModelLoadError(f"{model.name} cannot begin with a picture: leave --init-image")
        start_from(read_still(settings.init_image))
    return model


def _check(settings: PictureSettings) -> None:
    limits.check_size(settings.width, settings.height)
    limits.check_param("diffusion/seed", settings.seed)
    limits.check_param("diffusion/strength", settings.strength)
    limits.check_param("sound/mix", settings.mix)
    limits.check_param("sound/bend", settings.bend)
    limits.check_threads(settings.threads)
    if settings.start_s is not None:
        limits.check_start(settings.start_s)
    if settings.prompt:
        limits.check_prompts([settings.prompt])
    if settings.strength is not None and settings.init_image is None:
        raise UsageError("--strength says how much of an init image is painted anew: give one")
    if settings.output.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{settings.output} is no picture's name: end it in .png or .jpg")
    check_sound(settings.encoding, settings.checkpoint)
    find_model(settings.model)
