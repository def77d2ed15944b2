"""`sonolume image`: one picture from one sound."""

from __future__ import annotations

import argparse
import json
import sys

from engine.export.sound_picture import PictureReport, PictureSettings, paint_sound
from engine.registry import DEFAULT_MODEL
from engine.runtime.listening import audio_path


def run(options: argparse.Namespace) -> int:
    """Paint, and say what came of it."""
    report = paint_sound(
        PictureSettings(
            audio=audio_path(options.audio),
            output=options.output,
            prompt=options.prompt.strip(),
            encoding=options.encoding,
            checkpoint=options.checkpoint,
            scale=options.scale,
            mix=options.mix,
            bend=options.bend,
            start_s=options.start,
            seed=options.seed,
            model=options.model or DEFAULT_MODEL,
            width=options.size[0],
            height=options.size[1],
            init_image=options.init_image,
            strength=options.strength,
            listener=options.listener,
            labels=options.labels,
            device_compute=options.device_compute,
            threads=options.threads,
            vae=options.vae,
        )
    )
    if report.notice:
        print(f"sonolume: {report.notice}", file=sys.stderr)
    print(json.dumps(_plain(report)) if options.json else _line(report))
    return 0


def _line(report: PictureReport) -> str:
    if not report.mix:
        return f"{report.path}: {report.prompt}, without the sound"
    heard = f", heard: {report.heard}" if report.heard else ""
    return f"{report.path}: the sound at {report.start_s:.1f} s as {report.encoding}{heard}"


def _plain(report: PictureReport) -> dict[str, object]:
    return {
        "path": str(report.path),
        "encoding": report.encoding,
        "scale": report.scale,
        "mix": report.mix,
        "start_s": round(report.start_s, 3),
        "heard": report.heard,
        "prompt": report.prompt,
        "notice": report.notice,
    }
