"""What the export sheet says and understands. Plain text, no widgets."""

from __future__ import annotations

import math
from pathlib import Path

from app.export_job import ExportState
from app.widgets.transport import clock_text


def export_text(state: ExportState) -> str:
    """Say how an export is doing, one line."""
    match state.phase:
        case "running" if state.frames_total:
            return (
                f"{state.share:.0%}   {state.frames_done} of {state.frames_total} frames   "
                f"{state.fps:.1f} fps   {clock_text(state.eta_s)} left"
            )
        case "running":
            return "Starting the renderer\N{HORIZONTAL ELLIPSIS}"
        case "cancelling":
            return "Finishing what is there\N{HORIZONTAL ELLIPSIS}"
        case "cancelled":
            return _cancelled_text(state)
        case "done":
            return f"Done: {state.output}"
        case "failed":
            return "Failed; the message below says why"
        case _:
            return ""


def parse_time(text: str) -> float | None:
    """Read `90`, `90.5`, `1:30` or `1:02:03` as seconds; None when it is no time."""
    words = text.strip().replace(",", ".").split(":")
    if len(words) > 3:
        return None
    seconds = 0.0
    for index, word in enumerate(words):
        try:
            part = float(word)
        except ValueError:
            return None
        if not (part >= 0.0 and math.isfinite(part)) or (index and part >= 60.0):
            return None
        seconds = 60.0 * seconds + part
    return seconds


def _cancelled_text(state: ExportState) -> str:
    if not state.kept:
        if not state.frames_done:
            return "Cancelled, nothing was rendered"
        return f"Cancelled after {state.frames_done} frames; no file that plays was kept"
    kept = Path(state.kept)
    frames = f"{state.frames_done} frames" if state.frames_done else "The first frames"
    return f"{frames} kept in {kept.parent.name}/{kept.name}"
