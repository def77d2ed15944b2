"""`sonolume calibrate`: how late this input really hears, measured with clicks and remembered."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from app.settings import SettingsStore
from engine.clock import MonotonicClock
from engine.commands import SourceChoice
from engine.errors import CalibrationError
from engine.runtime.calibrate import Calibration, calibrate


def run(options: argparse.Namespace) -> int:
    """Measure, print, remember; or forget everything that was measured."""
    store = SettingsStore()
    if options.forget:
        known = len(store.settings.offsets_ms)
        store.settings.offsets_ms = {}
        _save(store)
        print(f"forgot what was measured of {known} devices")
        return 0
    found = calibrate(SourceChoice(options.source, options.device), MonotonicClock())
    store.settings.offsets_ms = {
        **store.settings.offsets_ms, found.device: round(found.offset_ms, 2),
    }  # fmt: skip
    _save(store)
    print(json.dumps(_figures(found)) if options.json else _line(found))
    return 0


def _figures(found: Calibration) -> dict[str, object]:
    return {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in asdict(found).items()
    }


def _line(found: Calibration) -> str:
    return (
        f"{found.device}: round trip {found.round_trip_ms:.1f} ms, the system says"
        f" {found.reported_ms:.1f} ms; {found.offset_ms:+.1f} ms are remembered"
        f" ({found.heard} of {found.clicks} clicks, within {found.spread_ms:.1f} ms)"
    )


def _save(store: SettingsStore) -> None:
    store.save()
    if store.problem:
        raise CalibrationError(store.problem)
