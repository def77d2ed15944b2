"""Every GUI test runs without a display, without a user's settings, and with a dull engine."""

from __future__ import annotations

import os

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.engine_bridge import EngineBridge
from app.main_window import MainWindow
from app.settings import SettingsStore
from app.style import apply_style
from engine.clock import ManualClock
from tests.gui.fake_engine import FakeEngine


@dataclass(frozen=True)
class Device:
    key: str
    inputs: int
    loopback: bool = False


DEVICES = (
    Device("ALSA: pulse", 2), Device("ALSA: HDMI", 0), Device("ALSA: USB Audio", 2),
    Device("PulseAudio: speakers", 2, True), Device("PulseAudio: headphones", 2, True),
)  # fmt: skip


@pytest.fixture(scope="session")
def styled(qapp: QApplication) -> QApplication:
    """Style the application once: every new style sheet costs a walk over all widgets."""
    apply_style(qapp)
    return qapp


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bridge(qapp: QApplication, engine: FakeEngine, clock: ManualClock) -> Iterator[EngineBridge]:
    bridge = EngineBridge(engine, lambda: DEVICES, clock=clock)
    yield bridge
    bridge.stop()
    bridge.devices.join(5.0)


@pytest.fixture
def store(tmp_path: Path) -> SettingsStore:
    return SettingsStore(tmp_path / "settings.json")


@pytest.fixture
def window(
    qtbot: QtBot, styled: QApplication, bridge: EngineBridge, store: SettingsStore
) -> MainWindow:
    """The window, shown, and told the engine's first status."""
    window = MainWindow(bridge, store)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitExposed(window)
    bridge.poll_status()
    return window


@pytest.fixture
def look(bridge: EngineBridge, engine: FakeEngine) -> Callable[..., None]:
    """Change the engine's status and have the window look at it."""

    def look(**changes: object) -> None:
        engine.show(**changes)
        bridge.poll_status()

    return look
