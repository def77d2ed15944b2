from __future__ import annotations

import subprocess
import sys

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication

from app.resources import read_text, resource
from app.style import COLOURS, style_sheet


class Emitter(QObject):
    told = Signal(int)


def test_emitting_does_not_give_back_references_to_true(qapp: QApplication) -> None:
    """PySide6 6.12.0 on Python 3.11 loses one per emit and aborts the process after ~570."""
    emitter = Emitter()
    emitter.told.emit(0)
    before = sys.getrefcount(True)
    for number in range(100):
        emitter.told.emit(number)
    assert abs(sys.getrefcount(True) - before) < 10


def test_the_window_is_imported_without_heavy_libraries() -> None:
    code = (
        "import sys, app.main_window\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'librosa', 'cv2', 'av', 'sounddevice'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_style_sheet_knows_all_its_colours() -> None:
    text = style_sheet()
    assert "@" not in text
    assert COLOURS["accent"] in text


def test_resources_do_not_climb_out() -> None:
    assert read_text("style.qss")
    for name in ("../pyproject.toml", "/etc/passwd", "icons/../../x", "", "a\\b"):
        try:
            resource(name)
        except ValueError:
            continue
        raise AssertionError(f"{name!r} was accepted")
