"""The export sheet: a page of the control column, so that no dialog ever covers the show."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from app.engine_bridge import EngineBridge
from app.export_job import ExportRequest, ExportState
from app.settings import ExportSettings
from app.snapshots import Message, ModelState
from app.widgets.buttons import Button, Choice, ElidedLabel, label, restyle
from app.widgets.export_shape import (
    QUALITIES,
    RATES_FPS,
    SHAPES,
    SIZES,
    output_name,
    output_size,
)  # fmt: skip
from app.widgets.export_text import export_text, parse_time
from app.widgets.key_sheet import SheetHead
from app.widgets.path_field import PathField
from app.widgets.progress_bar import ProgressBar
from app.widgets.source_panel import FILE_FILTER
from engine.messages import SourceStatus
from engine.registry import DEFAULT_MODEL

WHOLE = "to the end"
LONGEST_S = 1e6


class ExportPanel(QWidget):
    """Gathers an `ExportRequest`, starts it, shows how far it is."""

    closed = Signal()
    changed = Signal()
    """A choice worth remembering was made."""

    def __init__(self, bridge: EngineBridge, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._bridge = bridge
        self._folder = folder
        self._audio: Path | None = None  # None: the demo track
        self._preset = "default"
        self._model = ""
        self._interrupted: ExportRequest | None = None
        self._output_typed = False
        self._busy = False
        self.audio = Button("Demo track", tip="Which sound to render")
        self.shapes = {name: Button(name, kind="segment", checkable=True) for name in SHAPES}
        self.short_side = Choice("Shorter side of the video")
        self.fps = Choice("Frames per second of the video")
        self.quality = Choice("Quality of the video: H.264 CRF, smaller is better and larger")
        self.start_at = QLineEdit()
        self.seconds = QLineEdit()
        self.output = PathField()
        self.browse = Button(icon_name="folder", tip="Choose the video file")
        self.summary = ElidedLabel("", "small")
        self.start = Button("Render", kind="primary", tip="Render the video")
        self.resume = Button(
            "Resume", kind="primary", tip="Go on where it stopped, with the look it began with"
        )
        self.cancel = Button(
            "Cancel", tip="Stop; what was rendered is kept, and it can go on later"
        )
        self.form = QWidget()
        self.interrupted = QLabel()
        self.progress = ProgressBar()
        self.progress_text = ElidedLabel("", "dim")
        self._fill()
        self._arrange()
        self._connect()
        self.resume.hide()
        self.interrupted.hide()
        self._show_state(ExportState())
        self._refresh()

    # -- build --------------------------------------------------------------------------------

    def _fill(self) -> None:
        for size in SIZES:
            self.short_side.addItem(f"{size} px", size)
        for fps in RATES_FPS:
            self.fps.addItem(f"{fps:g} fps", fps)
        self.fps.setCurrentIndex(RATES_FPS.index(30.0))
        for name, crf in QUALITIES:
            self.quality.addItem(f"{name} (CRF {crf})", crf)
        self.quality.setCurrentIndex(self.quality.findData(18))
        self.shapes["1:1"].setChecked(True)
        self.start_at.setPlaceholderText("0:00")
        self.start_at.setAccessibleName("Start in the sound")
        self.start_at.setToolTip("Where in the sound the video begins: 90 or 1:30")
        self.seconds.setPlaceholderText(WHOLE)
        self.seconds.setAccessibleName("Seconds to render")
        self.seconds.setToolTip("How long the video gets: 30 or 1:30; empty: to the end")
        self.output.setAccessibleName("Video file")

    def _arrange_form(self) -> None:
        shapes = QHBoxLayout()
        shapes.setSpacing(4)
        for button in self.shapes.values():
            shapes.addWidget(button, 1)
        path = QHBoxLayout()
        path.setSpacing(4)
        path.addWidget(self.output, 1)
        path.addWidget(self.browse)
        span = QHBoxLayout()
        span.setSpacing(8)
        span.addWidget(self.start_at, 2)
        span.addWidget(label("Seconds", "dim"))
        span.addWidget(self.seconds, 3)
        grid = QGridLayout(self.form)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        grid.setColumnMinimumWidth(0, 64)
        grid.setColumnStretch(1, 1)
        rows: list[tuple[str, QWidget | QHBoxLayout]] = [
            ("Sound", self.audio), ("Shape", shapes), ("Size", self.short_side),
            ("Rate", self.fps), ("Quality", self.quality), ("Start", span), ("File", path),
        ]  # fmt: skip
        for row, (text, entry) in enumerate(rows):
            grid.addWidget(label(text, "dim"), row, 0)
            if isinstance(entry, QWidget):
                grid.addWidget(entry, row, 1)
            else:
                grid.addLayout(entry, row, 1)

    def _arrange(self) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.resume, 2)
        buttons.addWidget(self.start, 2)
        buttons.addWidget(self.cancel, 1)
        head = SheetHead("Export")
        head.closed.connect(self.closed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 10, 16, 14)
        layout.setSpacing(10)
        layout.addWidget(head)
        self._arrange_form()
        layout.addWidget(self.form)
        layout.addWidget(self.summary)
        self.interrupted.setProperty("role", "warn")
        self.interrupted.setWordWrap(True)
        layout.addWidget(self.interrupted)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.progress_text)
        note = QLabel("The show goes on while a video renders; it is slower meanwhile.")
        note.setProperty("role", "small")
        note.setWordWrap(True)
        layout.addWidget(note)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.audio.clicked.connect(self._on_audio)
        self.browse.clicked.connect(self._on_browse)
        self.start.clicked.connect(self._on_start)
        self.resume.clicked.connect(self._on_resume)
        self.cancel.clicked.connect(self._bridge.cancel_export)
        self.output.textEdited.connect(self._on_output_edited)
        for button in self.shapes.values():
            button.clicked.connect(self._on_shape)
        self.short_side.activated.connect(self._on_choice)
        self.fps.activated.connect(self._on_choice)
        self.quality.activated.connect(self._on_choice)
        self._bridge.preset_changed.connect(self._on_preset)
        self._bridge.model_changed.connect(self._on_model)
        self._bridge.source_changed.connect(self._on_source)
        self._bridge.export_changed.connect(self._on_export)

    # -- value --------------------------------------------------------------------------------

    @property
    def shape(self) -> str:
        """The aspect that is chosen."""
        return next(name for name, button in self.shapes.items() if button.isChecked())

    def apply(self, settings: ExportSettings) -> None:
        """Show what is remembered."""
        for name, button in self.shapes.items():
            button.setChecked(name == settings.shape)
        self.short_side.setCurrentIndex(max(self.short_side.findData(settings.size), 0))
        self.fps.setCurrentIndex(max(self.fps.findData(settings.fps), 0))
        self.quality.setCurrentIndex(max(self.quality.findData(settings.quality), 0))
        self._folder = settings.folder or self._folder
        self._refresh()

    def values(self) -> ExportSettings:
        """Return what is to be remembered."""
        return ExportSettings.model_validate(
            {
                "folder": self._folder,
                "shape": self.shape,
                "size": self.short_side.currentData(),
                "fps": self.fps.currentData(),
                "quality": self.quality.currentData(),
            }
        )

    def request(self) -> ExportRequest | None:
        """Return what would be rendered now; None when start or seconds are no times."""
        start_s = parse_time(self.start_at.text() or "0")
        seconds = parse_time(self.seconds.text()) if self.seconds.text().strip() else None
        unread = self.seconds.text().strip() and not seconds
        if start_s is None or unread or max(start_s, seconds or 0.0) > LONGEST_S:
            return None
        width, height = output_size(self.shape, int(self.short_side.currentData()))
        return ExportRequest(
            audio=self._audio or "demo",
            output=Path(self.output.text()).expanduser(),
            preset=self._preset,
            width=width,
            height=height,
            fps=float(self.fps.currentData()),
            model="" if self._model == DEFAULT_MODEL else self._model,
            start_s=start_s,
            seconds=seconds,
            quality=int(self.quality.currentData()),
        )

    # -- hand ---------------------------------------------------------------------------------

    @Slot()
    def _on_start(self) -> None:
        request = self.request()
        if request is None:
            wrong, value = "Seconds", self.seconds.text()
            if parse_time(self.start_at.text() or "0") is None:
                wrong, value = "Start", self.start_at.text()
            hint = "write 30 or 1:30, or nothing"
            self._bridge.report(Message(f"{wrong}: {value!r} is no time; {hint}"))
            return
        self._bridge.report(Message(""))
        self._bridge.start_export(request)

    @Slot()
    def _on_resume(self) -> None:
        if self._interrupted is not None:
            self._bridge.report(Message(""))
            self._bridge.resume_export(self._interrupted)

    @Slot()
    def _on_audio(self) -> None:
        dialog = QFileDialog(self.window(), "Sound to render", "", FILE_FILTER)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.set_audio)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def set_audio(self, path: str) -> None:
        """Render this sound; empty is the demo track."""
        self._audio = Path(path) if path else None
        self._refresh()

    @Slot()
    def _on_browse(self) -> None:
        dialog = QFileDialog(self.window(), "Video file", self.output.text(), "Video (*.mp4)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("mp4")
        dialog.fileSelected.connect(self._on_output_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def _on_output_chosen(self, path: str) -> None:
        self._output_typed = True
        self._folder = Path(path).parent
        self.output.setText(path)
        self._look_for_interrupted()
        self.changed.emit()

    @Slot()
    def _on_output_edited(self) -> None:
        self._output_typed = True
        self._look_for_interrupted()

    @Slot()
    def _on_shape(self) -> None:
        sender = self.sender()
        for button in self.shapes.values():
            button.setChecked(button is sender)
        self._on_choice()

    @Slot()
    def _on_choice(self) -> None:
        self._refresh()
        self.changed.emit()

    # -- engine -------------------------------------------------------------------------------

    @Slot(str)
    def _on_preset(self, name: str) -> None:
        self._preset = name or "default"
        self._refresh()

    @Slot(object)
    def _on_model(self, state: ModelState) -> None:
        self._model = state.asked

    @Slot(object)
    def _on_source(self, status: SourceStatus) -> None:
        # The file that plays is most likely the one to render; its path is the window's to know.
        if status.kind == "demo" and self._audio is None:
            self._refresh()

    @Slot(object)
    def _on_export(self, state: ExportState) -> None:
        self._show_state(state)

    def _refresh(self) -> None:
        if self._busy:
            return  # the sheet shows what is being rendered
        name = self._audio.name if self._audio else "Demo track"
        self.audio.setText(self.audio.fontMetrics().elidedText(
            name, Qt.TextElideMode.ElideMiddle, 220))  # fmt: skip
        self.audio.setToolTip(str(self._audio or "Which sound to render"))
        width, height = output_size(self.shape, int(self.short_side.currentData()))
        self.summary.set_full_text(
            f"{width} \N{MULTIPLICATION SIGN} {height} px, preset {self._preset}, H.264 + AAC"
        )
        if not self._output_typed:
            stem = self._audio.stem if self._audio else "demo"
            self.output.setText(str(self._folder / output_name(stem, self._preset, self.shape)))
        self._look_for_interrupted()

    def showEvent(self, event: QShowEvent) -> None:
        """Look what an earlier evening has left."""
        super().showEvent(event)
        self._look_for_interrupted()

    def _look_for_interrupted(self) -> None:
        if not self.isVisible():
            return
        output = Path(self.output.text()).expanduser()
        self._interrupted = None if self._busy else self._bridge.interrupted_export(output)
        found = self._interrupted is not None
        self.resume.setVisible(found)
        self.start.setText("Begin anew" if found else "Render")
        restyle(self.start, "kind", "" if found else "primary")
        self.interrupted.setVisible(found)
        if found:
            self.interrupted.setText(
                f"{output.name} was interrupted. Resume goes on with the sound, the look and the "
                "size it began with."
            )

    def _show_state(self, state: ExportState) -> None:
        self._busy = state.busy
        self.form.setEnabled(not state.busy)
        self.start.setEnabled(not state.busy)
        self.cancel.setEnabled(state.phase == "running")
        self.progress.setVisible(state.phase != "idle")
        self.progress_text.setVisible(state.phase != "idle")
        self.progress.set_share(state.share, state.phase in ("running", "cancelling"))
        self.progress_text.set_full_text(export_text(state))
        if state.busy:
            self.summary.set_full_text(f"Rendering {Path(state.output).name}")
        else:
            self._refresh()
