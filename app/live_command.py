"""`sonolume live`: the window (or, headless, the same show without one)."""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import signal
import sys
import threading
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from platformdirs import user_cache_path

from app.adapter_arguments import chosen_adapters
from app.display import check_display
from app.lora_argument import chosen_loras
from app.structure_arguments import as_guides
from engine.clock import MonotonicClock
from engine.commands import SetVolume, SourceChoice
from engine.diffusion.models.lora_fit import check_loras_run
from engine.errors import (
    AudioFileError,
    CommandError,
    PresetError,
    SinkError,
    UsageError,
)
from engine.presets import DEFAULT_PRESET
from engine.registry import DEFAULT_MODEL, check_guides, find_model
from engine.runtime import limits
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from engine.semantic.listeners import check_listener
from engine.threads import Worker

if TYPE_CHECKING:
    from app.settings import Settings, SettingsStore
    from engine.audio.device import DeviceInfo
    from engine.control.osc import OscServer
    from engine.messages import SourceStatus

logger = logging.getLogger(__name__)

OSC_OUT_HZ = 60.0
LOOK_S = 0.25
LAST_PICTURE = "last_picture.jpg"


def run(options: argparse.Namespace) -> int:
    """Run the show until the window closes, `--seconds` pass, or Ctrl-C."""
    from app.settings import SettingsStore

    _check(options)
    if not options.headless:
        check_display()
        # Its start aborts the program where another thread imports at the same time: "libshiboken
        # /signature: could not initialize part 2", once in 200 starts of this machine.
        import shiboken6  # noqa: F401
    store = SettingsStore()
    engine = _open_engine(options, store)
    server, sender = None, None
    announcer = Worker("control", lambda stop: _announce(engine, stop))
    try:
        server = _open_osc(options, engine)
        sender = _open_osc_out(options, engine)
        engine.start()
        if options.announce:
            announcer.start()
        if options.headless:
            code = _run_headless(engine, options.seconds)
        else:
            from app.main_window import run_window

            code = run_window(
                engine, settings=store, list_devices=_inputs, seconds=options.seconds,
                painted=(lambda: _print_event("window")) if options.announce else None,
            )  # fmt: skip
        report = engine.report()
        _keep_last_picture(engine)
        _say_finishing(engine)
    finally:
        announcer.stop()
        engine.close()
        if server is not None:
            server.close()
        if sender is not None:
            sender.stop()
    _add_recording(report, engine)
    unpainted = engine.why_unpainted()
    if options.headless and unpainted:
        print(f"sonolume: {unpainted}", file=sys.stderr)
    if options.json:
        print(json.dumps(report))
    return code or (_failed(options, report, engine) if options.headless else 0)


def _failed(options: argparse.Namespace, report: dict[str, object], engine: Engine) -> int:
    """Return 1 where what was asked for by name did not happen; without a window nobody saw."""
    status = engine.status()
    other_model = options.model is not None and status.model_asked not in (
        "",
        engine.model_wanted,  # OSC may have asked for another one since
    )
    no_model = bool(status.model_problem) and not status.model_asked
    unrecorded = options.record is not None and report["record"] is None
    unsteered = options.structure.kind != "none" and report["structure"] == "none"
    unworn = bool(options.lora) and not status.loras
    unheard = bool(options.device) and not engine.heard_any_source
    unhearing = bool(options.projector or options.mapper) and bool(status.sound.message)
    missed = (other_model, no_model, unrecorded, unsteered, unworn, unheard, unhearing)
    return 1 if any(missed) else 0


def _say_finishing(engine: Engine) -> None:
    record = engine.status().record
    if record is not None:
        print(f"sonolume: finishing the recording {record.path}", file=sys.stderr, flush=True)


def _add_recording(report: dict[str, object], engine: Engine) -> None:
    """Put what is known only when the recording is a whole file into the figures."""
    status = engine.status()
    if status.recorded is not None:
        report["record"] = asdict(status.recorded)
        line = f"recorded {status.recorded.seconds:.1f} s to {status.recorded.path}"
        print(f"sonolume: {line}", file=sys.stderr)
    if status.message and status.message != report["message"]:
        report["message"] = status.message


def _check(options: argparse.Namespace) -> None:
    """Refuse before anything opens what no show can do. The rest is said while it runs."""
    limits.check_size(*options.size)
    limits.check_fps(options.fps)
    limits.check_seconds(options.seconds)
    find_model(options.model or DEFAULT_MODEL)
    check_listener(options.listener)
    if options.record is not None:
        _check_record(options.record, options.size, options.fps)


def _check_record(path: Path, size: tuple[int, int], fps: float) -> None:
    from engine.sinks.recorder import WORST_QUALITY, check_movie

    check_movie(path, size, Fraction(fps).limit_denominator(1001), WORST_QUALITY)
    if not path.parent.is_dir():
        raise SinkError(
            f"cannot record to {path}: the folder {path.parent} does not exist; create it"
        )
    if not os.access(path.parent, os.W_OK):
        raise SinkError(
            f"cannot record to {path}: no permission to write there; choose another folder"
        )


def choose_source(text: str | None, settings: Settings, device: str) -> SourceChoice:
    """Return the source for `--source`; without one, what was used last, or what there is.

    Without a memory: the microphone, or the demo track where there is no input device.
    """
    if text is None and device:
        return SourceChoice("mic", device)
    if text is None:
        return settings.source.choice() if settings.source is not None else _what_there_is()
    if text in ("mic", "loopback"):
        return SourceChoice(text, device)  # type: ignore[arg-type]
    if text in ("demo", "tone"):
        return SourceChoice(text)  # type: ignore[arg-type]
    if text.startswith("file:"):
        return SourceChoice("file", path=Path(text.removeprefix("file:")))
    raise UsageError(f"no source {text!r}; choose mic, loopback, demo, tone or file:PATH")


def _inputs() -> tuple[DeviceInfo, ...]:
    """What the window offers; may take a second."""
    from engine.audio.device import list_devices
    from engine.audio.loopback import list_loopbacks

    return (*list_devices(), *list_loopbacks())


def _what_there_is() -> SourceChoice:
    from engine.audio.device import list_devices

    has_input = any(device.inputs > 0 for device in list_devices())
    return SourceChoice("mic" if has_input else "demo")


def _open_engine(options: argparse.Namespace, store: SettingsStore) -> Engine:
    settings = store.settings
    preset = options.preset or settings.preset or DEFAULT_PRESET
    check_guides(as_guides(options), options.model or settings.model or DEFAULT_MODEL)
    choice = choose_source(options.source, settings, options.device)
    if options.source is None and choice.kind == "file":
        choice = _still_there(choice, store)

    loras, adapters = chosen_loras(options), chosen_adapters(options)
    check_loras_run(
        options.model or settings.model or DEFAULT_MODEL, options.runner, "", loras or ()
    )

    def config(preset: str) -> EngineConfig:
        return EngineConfig(
            source=choice, preset=preset, model=options.model or settings.model or DEFAULT_MODEL,
            width=options.size[0], height=options.size[1],
            model_width=options.model_size[0], model_height=options.model_size[1],
            fps=options.fps, device_compute=options.device_compute, runner=options.runner,
            vae=options.vae,
            seed=options.seed, record=options.record, audible=not options.mute,
            offsets_ms=settings.offsets_ms, lookahead=options.lookahead, listener=options.listener,
            labels=options.labels, clock=options.clock, structure=options.structure,
            guides=as_guides(options), loras=loras, adapters=adapters,
            still=user_cache_path("sonolume", appauthor=False) / LAST_PICTURE,
        )  # fmt: skip

    try:
        engine = Engine(config(preset))
    except PresetError as error:
        if options.preset:
            raise
        # The remembered preset is gone or broken: say so and open the show with the default.
        _report(store, str(error))
        engine = Engine(config(DEFAULT_PRESET))
    engine.post(SetVolume(settings.volume))
    return engine


def _still_there(choice: SourceChoice, store: SettingsStore) -> SourceChoice:
    """The remembered file, or, when it is gone or broken by now, what there is."""
    from engine.audio.decode import SoundReader

    try:
        SoundReader(choice.path or "").close()
    except AudioFileError as error:
        choice = _what_there_is()
        _report(store, f"{error}; listening to {choice.kind} instead")
    return choice


def _report(store: SettingsStore, message: str) -> None:
    """Say what was remembered and is no more: in the terminal, and in the window when it opens."""
    logger.warning("%s", message)
    store.problem = message


def _open_osc(options: argparse.Namespace, engine: Engine) -> OscServer | None:
    from engine.control.osc import DEFAULT_PORT, OscServer

    if options.osc_port == 0:
        return None
    port = DEFAULT_PORT if options.osc_port is None else options.osc_port
    server = OscServer(engine.post, host=options.osc_host, port=port, on_refused=engine.warn)
    try:
        server.open()
    except CommandError as error:
        if options.osc_port is not None:
            raise
        # Nobody asked for this port: that it is taken must not cost the show.
        line = f"{error}; playing without OSC"
        logger.warning("%s", line)
        engine.warn(line)
        return None
    return server


def _open_osc_out(options: argparse.Namespace, engine: Engine) -> Worker | None:
    from engine.control.osc import OscSender

    if options.osc_out is None:
        return None
    sender = OscSender(*options.osc_out)
    sender.open()

    def send(stopping: threading.Event) -> None:
        while not stopping.wait(1.0 / OSC_OUT_HZ):
            sender.send(engine.status())
        sender.close()

    worker = Worker("sink-osc", send)
    worker.start()
    return worker


def _announce(engine: Engine, stopping: threading.Event) -> None:
    """Print when the first generated picture is in a frame (`sonolume bench start`)."""
    while not stopping.wait(0.005):
        frame = engine.frames.get()
        if frame is not None and frame.picture_index >= 0:
            _print_event("first_picture")
            return


def _print_event(name: str) -> None:
    """One line for whoever started this program; any thread."""
    print(json.dumps({"event": name}), flush=True)


def _run_headless(engine: Engine, seconds: float | None) -> int:
    stop = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, interrupt) for number in numbers]
    try:
        _watch(engine, stop, seconds)
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
    return 0


def _watch(engine: Engine, stop: threading.Event, seconds: float | None) -> None:
    """Wait for the end of the show; what the window would say goes to the terminal, once."""
    said = blamed = gone = painter = ""
    clock = MonotonicClock()
    end_s = clock.now() + seconds if seconds is not None else math.inf
    while True:
        left_s = end_s - clock.now()
        ended = left_s <= 0.0 or stop.wait(min(left_s, LOOK_S))
        status = engine.status()
        message = status.message or (status.record.message if status.record else "")
        if message and message not in (said, engine.logged):
            print(f"sonolume: {message}", file=sys.stderr, flush=True)
        said = message
        gone = say_returned(status.source, gone)
        problem = status.model_problem
        if problem and problem not in (message, blamed):
            print(f"sonolume: {problem}", file=sys.stderr, flush=True)
        blamed = problem
        changed = bool(painter) and status.model not in ("", painter)
        if changed and f"{status.model} paints" not in message:
            print(f"sonolume: {status.model} paints now", file=sys.stderr, flush=True)
        painter = status.model or painter
        if ended:
            return


def say_returned(source: SourceStatus, gone: str) -> str:
    """Say that a device which was missing is heard again; return the one missing now, or ""."""
    if not source.connected:
        return source.name
    if gone and source.kind in ("mic", "loopback"):
        print(f"sonolume: {source.name} is back and heard", file=sys.stderr, flush=True)
    return ""


def _keep_last_picture(engine: Engine) -> None:
    """The next show begins with the last picture of this one."""
    pixels = engine.newest_picture()
    if pixels is None:
        return
    import cv2

    folder = user_cache_path("sonolume", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        encoded = cv2.imencode(".jpg", pixels[:, :, ::-1])[1].tobytes()
        (folder / LAST_PICTURE).write_bytes(encoded)
    except OSError as error:
        logger.info("the last picture was not kept: %s", error)
