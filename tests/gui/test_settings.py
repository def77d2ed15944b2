from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import cli, live_command
from app.engine_bridge import EngineBridge
from app.main_window import MainWindow, run_window
from app.settings import Settings, SettingsStore, SourceSettings
from engine.commands import SourceChoice
from engine.messages import SourceStatus
from tests.gui.fake_engine import FakeEngine, frame

Look = Callable[..., None]


def test_settings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "deep" / "settings.json")
    store.settings.preset = "neon"
    store.settings.volume = 0.25
    store.settings.source = SourceSettings(kind="file", path=tmp_path / "ä song.wav")
    store.settings.window.width = 1234
    store.save()
    again = SettingsStore(store.path)
    assert again.settings == store.settings
    assert again.problem == ""
    assert again.settings.source is not None
    assert again.settings.source.choice() == SourceChoice("file", path=tmp_path / "ä song.wav")


def test_without_a_file_there_are_defaults_and_no_complaint(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "none.json")
    assert store.settings == Settings()
    assert store.problem == ""


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1, 2]", '{"volume": 7}', '{"volume": "loud"}', '{"source": {"kind": "radio"}}',
     '{"window": {"width": NaN}}', "\x00\xff"],
)  # fmt: skip
def test_a_broken_file_is_reported_ignored_and_kept_aside(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text, "latin-1")
    with caplog.at_level(logging.WARNING):
        store = SettingsStore(path)
    assert store.settings == Settings()
    assert store.problem.startswith("settings.json is ignored, defaults are used (")
    assert (tmp_path / "settings.broken.json").read_text("latin-1") == text


def test_keys_of_a_newer_version_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"volume": 0.5, "holograms": True}), "utf-8")
    store = SettingsStore(path)
    assert store.settings.volume == 0.5
    assert store.problem == ""


def test_a_place_that_cannot_be_written_is_a_line_and_not_a_crash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    store = SettingsStore(tmp_path / "settings.json")
    store.path = tmp_path / "file" / "settings.json"
    store.save()
    assert store.problem.startswith("Settings are not kept:")


def test_a_broken_file_is_told_in_the_message_bar(
    qtbot: QtBot, bridge: EngineBridge, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{", "utf-8")
    window = MainWindow(bridge, SettingsStore(path))
    qtbot.addWidget(window)
    window.show()
    assert "settings.json is ignored" in window.column.message.text.text()
    assert window.column.message.isVisible()


def test_the_window_remembers_what_was_chosen(
    window: MainWindow, store: SettingsStore, look: Look
) -> None:
    window.resize(1300, 777)
    window._bridge.load_preset("neon")
    look(preset="neon")
    look(preset="pulse")  # loaded by OSC: the next show opens with what was chosen by hand
    window.column.source.choose(SourceChoice("mic", "ALSA: USB Audio"))
    window.column.params.sections["colour"].set_open(True)
    window.column.params.sections["motion"].set_open(False)
    window.column.export.shapes["9:16"].click()
    file = SourceStatus("file", "a.wav", True, duration_s=9.0)
    look(source=file)
    look(source=SourceStatus("file", "a.wav", True, duration_s=9.0, volume=0.3, loop=True))
    window.close()
    again = SettingsStore(store.path).settings
    assert again.preset == "neon"
    assert again.source == SourceSettings(kind="mic", device="ALSA: USB Audio")
    assert (again.volume, again.loop) == (0.3, True)
    assert (again.window.width, again.window.height) == (1300, 777)
    assert again.export.shape == "9:16"
    assert "motion" in again.closed_groups
    assert "colour" not in again.closed_groups


def test_the_window_runs_for_some_seconds_and_leaves_the_engine_open(
    styled: QApplication, engine: FakeEngine, store: SettingsStore
) -> None:
    hook = sys.excepthook
    engine.frames.put(frame(1))
    assert run_window(engine, settings=store, list_devices=tuple, seconds=0.1) == 0
    assert store.path.is_file()
    assert not engine.closed
    assert sys.excepthook is hook


def test_full_screen_is_not_remembered_as_the_size_of_the_window(
    window: MainWindow, store: SettingsStore
) -> None:
    window.resize(1100, 700)
    window.save_settings()
    window.set_full_screen(True)
    window.save_settings()
    assert SettingsStore(store.path).settings.window.width == 1100
    window.set_full_screen(False)


@pytest.mark.parametrize(
    ("words", "model"), [([], "some/model"), (["--model", "null"], "null")], ids=["none", "null"]
)
def test_a_show_opens_with_the_remembered_model_unless_told_otherwise(
    words: list[str], model: str, store: SettingsStore
) -> None:
    store.settings.model = "some/model"
    options = cli._parser().parse_args(["live", "--source", "tone", *words])
    assert live_command._open_engine(options, store).config.model == model


@pytest.mark.parametrize("command", [["live"], ["render", "demo", "-o", "x.mp4"]])
def test_size_rate_and_device_can_be_chosen(command: list[str]) -> None:
    words = ["--size", "640x360", "--model-size", "256x256", "--fps", "60"]
    for device in ("auto", "cpu", "cuda", "mps"):
        options = cli._parser().parse_args([*command, *words, "--device-compute", device])
        assert (options.size, options.model_size, options.fps) == ((640, 360), (256, 256), 60.0)
        assert options.device_compute == device


def test_the_window_tells_when_it_is_on_the_screen(
    styled: QApplication, engine: FakeEngine, store: SettingsStore
) -> None:
    told: list[str] = []
    run_window(
        engine, settings=store, list_devices=tuple, seconds=0.5,
        painted=lambda: told.append("window"),
    )  # fmt: skip
    assert told == ["window"]
