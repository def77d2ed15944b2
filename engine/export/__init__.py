"""Export: the same stages as the live show under a clock that waits for every picture."""

from engine.export.session import render, resumable
from engine.export.settings import (
    ExportProgress,
    ExportReport,
    ExportSettings,
    check_settings,
)
from engine.runtime.limits import check_size

__all__ = [
    "ExportProgress", "ExportReport", "ExportSettings", "check_settings", "check_size", "render",
    "resumable",
]  # fmt: skip
