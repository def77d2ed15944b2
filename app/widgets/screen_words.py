"""What the key O does, which depends on how many screens there are."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication


def output_help() -> str:
    """Say where the picture goes. GUI thread only."""
    if len(QGuiApplication.screens()) > 1:
        return "Picture on the other screen"
    return "Picture in its own window"
