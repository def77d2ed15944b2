from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SHOW = """
import gc, sys, threading
from pathlib import Path

from PySide6.QtWidgets import QApplication

from app.main_window import MainWindow, run_window
from app.settings import SettingsStore
from tests.gui.fake_engine import FakeEngine

def toggle_output():
    window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow))
    window.output.toggle()
    window.output.toggle()

gc.disable()  # only the other thread collects
store = SettingsStore(Path(sys.argv[1]) / "settings.json")
run_window(
    FakeEngine(), settings=store, list_devices=lambda: (), seconds=0.4, painted=toggle_output
)
thread = threading.Thread(target=gc.collect)
thread.start()
thread.join()
print(sum(len(str(number)) for number in range(1000)))  # where Python does what is pending
"""


def test_a_window_is_no_trap_for_the_collector_of_another_thread(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW, str(tmp_path)],
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "2890\n"), done.stderr
