"""The look: one palette, one scale of sizes, one style sheet; near-black with one warm accent.

Colours are chosen so that text keeps a contrast of at least 4.5:1 on its ground, and so that the
picture is the only colourful thing on the screen.
"""

from __future__ import annotations

import re

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from app.resources import read_text

COLOURS: dict[str, str] = {
    "ground": "#0e0f12",
    "well": "#08090b",
    "surface": "#15171b",
    "raised": "#1d2025",
    "hover": "#262a30",
    "line": "#23262c",
    "edge": "#343940",
    "text": "#e9e7e3",
    "dim": "#a3a6ad",
    "faint": "#7b7f88",
    "accent": "#eba35c",
    "accent_low": "#8a633c",
    "accent_ground": "#2a2119",
    "red": "#ee5d54",
    "red_ground": "#331b1b",
    "ice": "#8fb7c9",
    "ink": "#1b1208",
}

TEXT_PX = 13
SMALL_PX = 11

# The first installed one is used; all have tabular figures.
FAMILIES = (
    "Inter", "SF Pro Text", "Segoe UI Variable Text", "Segoe UI", "Cantarell", "Ubuntu Sans",
    "Ubuntu", "Noto Sans", "DejaVu Sans Condensed", "DejaVu Sans",
)  # fmt: skip


_SOLID = {name: QColor(value) for name, value in COLOURS.items()}  # never changed


def colour(name: str, alpha: float = 1.0) -> QColor:
    """Return a colour of the palette; `alpha` in [0, 1]."""
    if alpha >= 1.0:
        return _SOLID[name]
    value = QColor(_SOLID[name])
    value.setAlphaF(alpha)
    return value


def font(size_px: int = TEXT_PX, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """Return the interface font with figures of equal width."""
    result = QFont(QApplication.font())
    result.setPixelSize(size_px)
    result.setWeight(weight)
    if hasattr(result, "setFeature") and hasattr(QFont, "Tag"):
        result.setFeature(QFont.Tag("tnum"), 1)
    return result


def apply_style(app: QApplication) -> None:
    """Give the application its palette, font and style sheet."""
    app.setStyle("Fusion")
    app.setPalette(_palette())
    app.setFont(_base_font())
    app.setStyleSheet(style_sheet())


def style_sheet() -> str:
    """Return `resources/style.qss` with its `@names` replaced by the palette's colours."""
    return re.sub(r"@([a-z_]+)", lambda match: COLOURS[match[1]], read_text("style.qss"))


def _base_font() -> QFont:
    installed = set(QFontDatabase.families())
    result = QFont(QApplication.font())
    family = next((name for name in FAMILIES if name in installed), None)
    if family is not None:
        result.setFamily(family)
    result.setPixelSize(TEXT_PX)
    result.setHintingPreference(QFont.HintingPreference.PreferVerticalHinting)
    result.setStyleStrategy(QFont.StyleStrategy.PreferAntialias)
    return result


def _palette() -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: "ground",
        QPalette.ColorRole.Base: "surface",
        QPalette.ColorRole.AlternateBase: "raised",
        QPalette.ColorRole.Button: "raised",
        QPalette.ColorRole.Text: "text",
        QPalette.ColorRole.WindowText: "text",
        QPalette.ColorRole.ButtonText: "text",
        QPalette.ColorRole.BrightText: "text",
        QPalette.ColorRole.PlaceholderText: "faint",
        QPalette.ColorRole.ToolTipBase: "raised",
        QPalette.ColorRole.ToolTipText: "text",
        QPalette.ColorRole.Highlight: "accent_low",
        QPalette.ColorRole.HighlightedText: "text",
        QPalette.ColorRole.Link: "accent",
    }
    for role, name in roles.items():
        palette.setColor(role, colour(name))
    for role in (
        QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText,
    ):  # fmt: skip
        palette.setColor(QPalette.ColorGroup.Disabled, role, colour("faint"))
    return palette


ALIGN_CENTRE = Qt.AlignmentFlag.AlignCenter
