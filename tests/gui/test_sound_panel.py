from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.settings import SettingsStore
from app.widgets.level_slider import LEVEL_PARAMS, LevelSlider
from app.widgets.param_row import ParamRow
from app.widgets.param_slider import KNOB_HEIGHT_PX
from app.widgets.sound_panel import NAMES
from engine import commands as cmd
from engine.conditioning.projector.plan import DOMAINS
from engine.messages import SoundStatus, SourceStatus
from engine.params import PARAMS, defaults
from engine.presets import load_preset
from engine.sound_choices import SOUND_ENCODINGS
from tests.adapter_files import write_projector
from tests.gui.fake_engine import FakeEngine
from tests.gui.test_structure_panel import drop

Look = Callable[..., None]
LEFT = Qt.MouseButton.LeftButton
SHIPPED = SoundStatus(
    "", "/s/ember_projector.safetensors", "projector", (0.6, 0.3, 0.1),
    ("sound/scale", "sound/bend"),
)  # fmt: skip
GATES = {"norm", "temperature", "foreground", "background", "atmosphere"}


def by(encoding: str, **changes: float) -> dict[str, float]:
    asked = {"sound/encoding": float(SOUND_ENCODINGS.index(encoding))}
    named = {f"sound/{name}": value for name, value in changes.items()}
    return defaults() | asked | named


def grey(window: MainWindow) -> set[str]:
    panel = window.column.into_picture
    assert all(row.isVisibleTo(panel) for name, row in panel.rows.items()
               if name != "sound/encoding")  # fmt: skip
    return {row.spec.label for row in panel.rows.values() if not row.isEnabled()}


def gates(window: MainWindow) -> tuple[float, ...]:
    return tuple(window.column.params.rows[name].slider.value for name in LEVEL_PARAMS)


def test_what_the_encoding_does_not_read_is_greyed_out_and_follows_it(
    window: MainWindow, look: Look
) -> None:
    look(values=by("mel"))
    assert grey(window) == GATES
    look(values=by("projector"), sound=SHIPPED)
    assert grey(window) == {"scale", "bend"}
    own = SoundStatus("", "/a/p.safetensors", "projector", (0.6, 0.3, 0.1), ("sound/scale",))
    look(sound=own)
    assert grey(window) == {"scale"}  # its rows are a prompt, which can be bent
    look(sound=replace(own, unread=("sound/scale", "sound/temperature")))
    assert grey(window) == {"scale", "temperature"}
    look(values=by("mapper"))
    assert grey(window) == GATES | {"scale"}
    look(values=by("projector"), sound=SoundStatus())  # not open yet
    assert grey(window) == {"scale", "bend"}


def test_a_grey_row_says_whom_it_is_for_and_takes_no_hand(
    window: MainWindow, engine: FakeEngine, look: Look, qtbot: QtBot
) -> None:
    look(values=by("projector"), sound=SHIPPED)
    row = window.column.params.rows["sound/bend"]
    assert "Changes nothing now" in row.toolTip()
    assert "waveform, fft, mel, mfcc, mapper" in row.toolTip()
    qtbot.mouseClick(row.slider, LEFT)
    assert engine.commands == []
    look(values=by("mel"))
    assert "Changes nothing" not in row.toolTip()
    qtbot.mouseClick(row.slider, LEFT)
    assert [command.name for command in engine.commands] == ["sound/bend"]


def test_domains_are_grey_with_the_gates_that_they_set(window: MainWindow, look: Look) -> None:
    music = window.column.into_picture.domains["music"]
    look(values=by("mel"))
    assert not music.isEnabled()
    look(values=by("projector"), sound=SHIPPED)
    assert music.isEnabled()


@pytest.mark.parametrize("size", [(1600, 900), (1440, 880), (1280, 720)])
def test_the_fader_of_sound_is_seen_without_a_scroll_at_the_first_start(
    window: MainWindow, look: Look, size: tuple[int, int]
) -> None:
    window.resize(*size)
    look(source=SourceStatus("demo", "The demo track", True, duration_s=88.0))
    column = window.column
    column.prompt._on_scenes(tuple(scene.text for scene in load_preset("default").prompts))
    QApplication.processEvents()
    page = column.shown_page
    for part in (
        column.sections["source"].heading, column.params.rows["audio/gain"].slider,
        column.params.rows["master/fade"].slider, column.prompt.box, column.prompt.scenes[-1],
        column.params.sections["sound"].heading, column.params.rows["sound/mix"].slider,
    ):  # fmt: skip
        assert part.isVisibleTo(window)
        middle = part.mapTo(page, part.rect().center()).y()
        assert 0 < middle <= page.height() - KNOB_HEIGHT_PX / 2, part


def test_no_parameter_is_twice_in_the_window(window: MainWindow) -> None:
    names = [row.spec.name for row in window.findChildren(ParamRow)]
    assert sorted(names) == sorted(PARAMS)
    panel = window.column.into_picture
    assert not panel.rows["sound/encoding"].isVisibleTo(panel)
    assert {window.column.params.rows[name] for name in panel.rows} == set(panel.rows.values())


@pytest.mark.parametrize("name", SOUND_ENCODINGS)
def test_an_encoding_is_asked_for_by_name_and_the_engine_decides(
    window: MainWindow, engine: FakeEngine, look: Look, name: str
) -> None:
    choice = window.column.into_picture.choice
    other = "mel" if name != "mel" else "fft"
    look(values=by(other))
    index = choice.findText(NAMES[name][0])
    choice.setCurrentIndex(index)
    choice.activated.emit(index)
    assert engine.commands == [cmd.SetParam("sound/encoding", by(name)["sound/encoding"])]
    assert choice.currentData() == other
    look(values=by(name))
    assert choice.currentData() == name


def test_bars_show_the_levels_of_the_newest_sound_and_are_empty_without(
    window: MainWindow, look: Look
) -> None:
    sliders = [window.column.params.rows[name].slider for name in LEVEL_PARAMS]
    bars = [slider for slider in sliders if isinstance(slider, LevelSlider)]
    look(sound=SHIPPED)
    assert tuple(bar.level for bar in bars) == SHIPPED.levels
    image = bars[0].grab().toImage()
    inside, beyond = (
        image.pixelColor(round(share * image.width()), image.height() // 2)
        for share in (0.3, 0.8)
    )  # fmt: skip
    assert inside.lightness() > beyond.lightness() + 40
    look(sound=SoundStatus())
    assert [bar.level for bar in bars] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_sets_the_three_gates_and_once_more_opens_them(
    window: MainWindow, engine: FakeEngine, look: Look, qtbot: QtBot, name: str
) -> None:
    panel = window.column.into_picture
    qtbot.mouseClick(panel.domains[name], LEFT)
    asked = [cmd.SetParam(*each) for each in zip(LEVEL_PARAMS, DOMAINS[name], strict=True)]
    assert engine.commands == asked
    look(values=by("projector", **dict(zip(("foreground", "background", "atmosphere"),
                                           DOMAINS[name], strict=True))))  # fmt: skip
    assert [key for key, button in panel.domains.items() if button.isChecked()] == [name]
    qtbot.mouseClick(panel.domains[name], LEFT)
    assert gates(window) == (1.0, 1.0, 1.0)
    assert not any(button.isChecked() for button in panel.domains.values())


def test_a_gate_moved_by_hand_is_no_longer_the_domains(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.column.into_picture
    qtbot.mouseClick(panel.domains["music"], LEFT)
    window.column.params.rows[LEVEL_PARAMS[0]].slider.edit(0.2)
    assert not panel.domains["music"].isChecked()


def test_a_dialog_loads_a_file_and_its_encoding_is_chosen_once_the_engine_has_it(
    window: MainWindow, engine: FakeEngine, look: Look, monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(QFileDialog, "open", lambda self: None)
    path = write_projector(tmp_path / "own.safetensors")
    look(values=by("mel"))
    qtbot.mouseClick(window.column.into_picture.load, LEFT)
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    assert dialog.parent() is window
    dialog.fileSelected.emit(str(path))
    assert engine.commands == [cmd.LoadAdapter("projector", path)]
    look(sound=SoundStatus(files={"projector": str(path)}))
    assert engine.commands[1:] == [cmd.SetParam("sound/encoding", 4.0)]


def test_a_file_by_osc_shows_and_moves_no_choice(window: MainWindow, look: Look) -> None:
    panel = window.column.into_picture
    look(values=by("mel"), sound=SoundStatus(files={"projector": "/a/own.safetensors"}))
    assert panel.choice.currentData() == "mel"
    look(values=by("projector"))
    assert panel.file.full_text() == "own.safetensors"


def test_the_shipped_adapter_is_named_and_comes_back_when_an_own_one_is_put_away(
    window: MainWindow, engine: FakeEngine, look: Look, qtbot: QtBot
) -> None:
    panel = window.column.into_picture
    look(values=by("projector"), sound=SHIPPED)
    assert panel.file.full_text() == "ember_projector.safetensors, as shipped"
    assert not panel.unload.isVisibleTo(panel)
    look(sound=SoundStatus(files={"projector": "/a/own.safetensors"}))
    qtbot.mouseClick(panel.unload, LEFT)
    assert engine.commands == [cmd.LoadAdapter("projector")]


def test_a_file_that_is_no_adapter_is_one_line_and_nothing_is_asked(
    window: MainWindow, engine: FakeEngine, tmp_path: Path
) -> None:
    path = tmp_path / "lora.safetensors"
    path.write_bytes(b"\x02" + b"\0" * 7 + b"{}")
    drop(window, str(path))
    assert engine.commands == []
    assert "is no adapter of Sonolume" in window.column.message.text.text()


def test_why_the_sound_is_not_in_the_picture_is_said_in_the_panel(
    window: MainWindow, look: Look
) -> None:
    panel = window.column.into_picture
    look(sound=SoundStatus("no mapper is loaded for this model"))
    assert panel.message.isVisibleTo(panel)
    assert panel.message.text() == "no mapper is loaded for this model"
    look(sound=SHIPPED)
    assert not panel.message.isVisibleTo(panel)


def test_an_export_hears_by_the_files_of_the_show(window: MainWindow, look: Look) -> None:
    request = window.column.export.request()
    assert request is not None
    look(sound=SoundStatus(files={"mapper": "/a/own.safetensors"}))
    words = window.column.export._bridge._as_played(request).arguments()
    assert words[words.index("--mapper") + 1] == "/a/own.safetensors"
    assert "--projector" not in words


def test_the_source_and_the_sound_in_the_picture_fold_and_are_remembered_apart(
    window: MainWindow, store: SettingsStore
) -> None:
    window.column.all_sections()["source"].set_open(False)
    window.save_settings()
    assert not window.column.sections["source"].open
    assert window.column.params.sections["sound"].open
    assert "source" in store.settings.closed_groups
    assert "sound" not in store.settings.closed_groups
