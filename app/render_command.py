"""`sonolume render`: a sound file becomes a video."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from types import FrameType

from app.adapter_arguments import chosen_adapters, unheard_adapters
from app.lora_argument import chosen_loras
from app.structure_arguments import as_guides
from engine.export import ExportProgress, ExportReport, ExportSettings, render, resumable
from engine.presets import DEFAULT_PRESET, load_preset
from engine.registry import DEFAULT_MODEL
from engine.runtime.listening import audio_path

INTERRUPTED = 130


def run(options: argparse.Namespace) -> int:
    """Render, with a progress bar; an interruption keeps what was made, `--resume` goes on."""
    settings = _settings(options)
    if settings.adapters and not options.progress_json:  # the window gives all that it has
        for line in unheard_adapters(load_preset(settings.preset), settings.adapters):
            print(f"sonolume: {line}", file=sys.stderr)
    return render_settings(settings, options)


def render_settings(settings: ExportSettings, options: argparse.Namespace) -> int:
    """Render what a command has made of its options `resume`, `json` and `progress_json`."""
    if options.resume and not resumable(settings.output):
        print(f"sonolume: nothing to resume for {settings.output}; rendering from the start",
              file=sys.stderr)  # fmt: skip
    stop, begun = threading.Event(), threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not begun.is_set():  # a model may be fetched for minutes; there is nothing to lose yet
            raise KeyboardInterrupt
        stop.set()

    previous = [signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        report = _with_progress(
            settings, stop, begun, as_json=options.progress_json, resume=options.resume
        )
    finally:
        signal.signal(signal.SIGINT, previous[0])
        signal.signal(signal.SIGTERM, previous[1])
    if options.json:
        print(json.dumps(_summary(report)))
    elif report.finished:
        print(f"{report.path}: {report.frames} frames, {report.seconds:.1f} s, "
              f"{report.x_realtime:.2f}x realtime")  # fmt: skip
    if report.note:
        print(f"sonolume: {report.note}", file=sys.stderr)
    if not report.finished:
        print(f"sonolume: interrupted; {_what_is_left(settings, report)}", file=sys.stderr)
        return INTERRUPTED
    return 0


def _what_is_left(settings: ExportSettings, report: ExportReport) -> str:
    if not report.frames:
        return "not one frame was made and nothing is left behind"
    further = (
        "the same command with --resume goes on from there"
        if resumable(settings.output)
        else "this model cannot go on from there, the same command begins anew"
    )
    return (
        f"{report.seconds:.1f} s are in {report.path} and play; {further}; "
        f"delete the folder {report.path.parent.name} if you do not want it"
    )


def _settings(options: argparse.Namespace) -> ExportSettings:
    return ExportSettings(
        audio=audio_path(options.audio),
        output=options.output,
        preset=options.preset or DEFAULT_PRESET,
        prompts=tuple(options.prompt),
        model=options.model or DEFAULT_MODEL,
        width=options.size[0],
        height=options.size[1],
        model_width=options.model_size[0],
        model_height=options.model_size[1],
        fps=options.fps,
        ai_fps=options.ai_fps,
        strength=options.strength,
        seed=options.seed,
        start_s=options.start,
        seconds=options.seconds,
        lookahead=options.lookahead,
        init_image=options.init_image,
        structure=options.structure,
        guides=as_guides(options),
        listener=options.listener,
        labels=options.labels,
        loras=chosen_loras(options),
        adapters=chosen_adapters(options),
        quality=options.quality,
        device_compute=options.device_compute,
        dtype=options.dtype,
        threads=options.threads,
        runner=options.runner,
        vae=options.vae,
    )


def _with_progress(
    settings: ExportSettings, stop: threading.Event, begun: threading.Event,
    *, as_json: bool, resume: bool,
) -> ExportReport:  # fmt: skip
    """Render; `begun` is set with the first frame."""
    from tqdm import tqdm

    if as_json:

        def tell(progress: ExportProgress) -> None:
            begun.set()
            _print_progress(progress)

        return render(settings, progress=tell, say=_say, stop=stop, resume=resume)
    with tqdm(unit="frame", disable=None, desc=settings.output.name) as bar:

        def show(progress: ExportProgress) -> None:
            begun.set()
            bar.total = progress.frames_total
            if bar.n == 0:  # what was there already is not speed
                bar.initial = bar.n = bar.last_print_n = progress.frames_done - 1
            bar.update(progress.frames_done - bar.n)

        return render(settings, progress=show, say=_say, stop=stop, resume=resume)


def _say(line: str) -> None:
    print(f"sonolume: {line}", file=sys.stderr, flush=True)


def _print_progress(progress: ExportProgress) -> None:
    if progress.frames_done % 5 == 0 or progress.frames_done == progress.frames_total:
        line = {
            "frames_done": progress.frames_done,
            "frames_total": progress.frames_total,
            "fps": round(progress.fps, 2),
            "eta_s": round(progress.eta_s, 1),
        }
        print(json.dumps(line), file=sys.stderr, flush=True)


def _summary(report: ExportReport) -> dict[str, object]:
    offset = report.audio_offset_ms
    return {
        "path": str(report.path),
        "frames": report.frames,
        "seconds": round(report.seconds, 3),
        "x_realtime": round(report.x_realtime, 3),
        "audio_offset_ms": None if offset is None else round(offset, 2),
        "runner": report.runner,
        "dtype": report.dtype,
        "threads": report.threads,
        "finished": report.finished,
        "resumed_frames": report.resumed_frames,
    }
