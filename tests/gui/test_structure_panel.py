from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QFileDialog

from app.main_window import MainWindow
from app.widgets.structure_panel import CHOICES
from engine import commands as cmd
from engine.messages import StructureStatus
from tests.gui.fake_engine import FakeEngine

Look = Callable[..., None]
FILM = StructureStatus("video", "clip.mp4", "video:/films/clip.mp4")


def pick(window: MainWindow, spec: str) -> None:
    choice = window.column.structure.choice
    index = choice.findData(spec)
    assert index >= 0
    choice.setCurrentIndex(index)
    choice.activated.emit(index)


def drop(window: MainWindow, path: str) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(path)])
    window.dropEvent(
        QDropEvent(
            QPoint(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )  # fmt: skip


def test_a_camera_is_asked_for_and_the_engine_decides(
    window: MainWindow, engine: FakeEngine, look: Look
) -> None:
    panel = window.column.structure
    pick(window, "camera:0")
    assert engine.commands == [cmd.SelectStructure(cmd.StructureChoice("camera"))]
    assert panel.choice.currentData() == "none"
    waiting = StructureStatus("camera", "camera 0", "camera:0", False, "no camera 0: plug it in")
    look(structure=waiting)
    assert panel.choice.currentText() == "Camera"
    assert panel.note.isVisibleTo(panel)
    assert window.column.message.text.text() == waiting.message
    look(structure=StructureStatus("camera", "camera 0", "camera:0"))
    assert not panel.note.isVisibleTo(panel)
    assert window.column.message.text.text() == ""


def test_a_file_shows_by_its_name_and_can_be_left_and_chosen_again(
    window: MainWindow, engine: FakeEngine, look: Look
) -> None:
    panel = window.column.structure
    look(structure=FILM)
    assert panel.choice.currentText() == "clip.mp4"
    assert panel.choice.toolTip() == FILM.spec
    pick(window, "none")
    look(structure=StructureStatus())
    assert panel.choice.currentText() == CHOICES[0][0]
    pick(window, FILM.spec)
    assert engine.commands == [
        cmd.SelectStructure(cmd.NO_STRUCTURE),
        cmd.SelectStructure(cmd.StructureChoice("video", Path("/films/clip.mp4"))),
    ]


def test_a_dialog_asks_for_the_file(
    window: MainWindow, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "open", lambda self: None)
    pick(window, "")
    dialog = window.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit("/films/a.png")
    assert engine.commands == [
        cmd.SelectStructure(cmd.StructureChoice("image", Path("/films/a.png")))
    ]


def test_a_dropped_picture_steers_and_any_other_file_is_listened_to(
    window: MainWindow, engine: FakeEngine
) -> None:
    drop(window, "/films/a.JPG")
    drop(window, "/songs/a.mp4")
    assert engine.commands == [
        cmd.SelectStructure(cmd.StructureChoice("image", Path("/films/a.JPG"))),
        cmd.SelectSource(cmd.SourceChoice("file", path=Path("/songs/a.mp4"))),
    ]


def test_an_export_is_steered_by_what_steers_the_show_but_for_a_camera(
    window: MainWindow, look: Look, tmp_path: Path
) -> None:
    request = window.column.export.request()
    assert request is not None
    bridge = window.column.export._bridge
    for status, wanted in (
        (FILM, ["--structure", FILM.spec]),
        (StructureStatus("camera", "camera 0", "camera:0"), []),
        (StructureStatus(), []),
    ):
        look(structure=status)
        words = bridge._as_played(request).arguments()
        found = words[words.index("--structure") :][:2] if "--structure" in words else []
        assert found == wanted
