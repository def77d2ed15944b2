"""The window: the picture in the middle, meters left, controls right; keys for everything."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from platformdirs import user_videos_path
from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QResizeEvent,
)  # fmt: skip
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from app.actions import install
from app.crash import CrashLog
from app.device_scan import ListedDevice
from app.engine_bridge import EngineBridge
from app.export_job import ExportState
from app.first_paint import FirstPaint
from app.garbage import delete_now
from app.interrupt import quit_on_signals
from app.memory import Memory
from app.output_window import Output
from app.running_engine import RunningEngine
from app.settings import SettingsStore, WindowSettings
from app.snapshots import Message
from app.style import apply_style
from app.widgets.control_column import ControlColumn
from app.widgets.header import Header
from app.widgets.icons import app_icon
from app.widgets.meter_strip import MeterStrip
from app.widgets.picture_view import PictureView
from app.widgets.status_line import StatusLine
from engine.commands import IMAGE_SUFFIXES, SourceChoice

logger = logging.getLogger(__name__)

SMALLEST_PX = (900, 600)


class MainWindow(QMainWindow):
    """Puts the parts together and remembers choices. GUI thread only."""

    def __init__(
        self, bridge: EngineBridge, store: SettingsStore, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Sonolume")
        self.setWindowIcon(app_icon())
        self.setMinimumSize(*SMALLEST_PX)
        self.setAcceptDrops(True)
        self._bridge = bridge
        self._store = store
        self._close_asked = False
        self._was_maximized = False
        self._memory = Memory(bridge, store.settings, self)
        self.header = Header(bridge)
        self.strip = MeterStrip(bridge)
        self.picture = PictureView()
        self.column = ControlColumn(bridge, _export_folder())
        self.status_line = StatusLine(bridge)
        self._chrome = (self.header, self.strip, self.column, self.status_line)
        handlers = self._handlers()
        self.output = Output(self, bridge, handlers)
        self._arrange()
        self._restore()
        self._connect()
        self._shortcuts = install(self, handlers)
        self.picture.setFocus()  # else the first button would have the keyboard

    # -- build --------------------------------------------------------------------------------

    def _arrange(self) -> None:
        root = QWidget()
        root.setObjectName("root")
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self.strip)
        middle.addWidget(self.picture, 1)
        middle.addWidget(self.column)
        layout = QVBoxLayout(root)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addLayout(middle, 1)
        layout.addWidget(self.status_line)
        self.setCentralWidget(root)

    def _connect(self) -> None:
        bridge = self._bridge
        bridge.frame_changed.connect(self.picture.set_frame)
        self._memory.save_due.connect(self.save_settings)
        self.picture.double_clicked.connect(self.toggle_full_screen)
        self.header.full_screen.clicked.connect(self.toggle_full_screen)
        self.header.output.clicked.connect(self._on_output)
        self.output.changed.connect(self.header.output.setChecked)
        self.header.export.clicked.connect(self._on_export_button)
        self.header.keys.clicked.connect(self._on_keys_button)
        self.column.page_changed.connect(self._on_page)
        self.column.source.chosen.connect(self._on_source_chosen)
        self.column.model.chosen.connect(self._memory.note_model)
        self.column.export.changed.connect(self._memory.note)
        bridge.export_changed.connect(self._on_export)
        for section in self.column.all_sections().values():
            section.folded.connect(self._memory.note)

    def _handlers(self) -> dict[str, Callable[[], None]]:
        bridge = self._bridge
        return {
            "full_screen": self.toggle_full_screen,
            "output": self._on_output,
            "escape": self._on_escape,
            "freeze": lambda: bridge.freeze(not bridge.panic.frozen),
            "blackout": lambda: bridge.blackout(not bridge.panic.blackout),
            "still": lambda: bridge.still(not bridge.panic.still),
            "restart": bridge.restart_picture,
            "next_prompt": bridge.next_prompt,
            "previous_preset": lambda: bridge.step_preset(-1),
            "next_preset": lambda: bridge.step_preset(1),
            "tap": bridge.tap_tempo,
            "prompt": self._on_prompt_key,
            "play": lambda: bridge.play(not bridge.source.playing),
            "record": bridge.toggle_recording,
            "export": self._on_export_button,
            "keys": self._on_keys_button,
            "quit": self._on_quit,
        }

    # -- full screen --------------------------------------------------------------------------

    @property
    def picture_alone(self) -> bool:
        """True in full screen."""
        return self.isFullScreen()

    @Slot()
    def toggle_full_screen(self) -> None:
        """The picture alone, or everything again."""
        self.set_full_screen(not self.isFullScreen())

    def set_full_screen(self, on: bool) -> None:
        """Show the picture alone, without a cursor."""
        if on == self.isFullScreen():
            return
        for part in self._chrome:
            part.setVisible(not on)
        self.picture.set_bare(on)
        if on:
            self._was_maximized = self.isMaximized()
            focused = QApplication.focusWidget()
            if focused is not None:
                focused.clearFocus()
            self.showFullScreen()
        elif self._was_maximized:
            self.showMaximized()
        else:
            self.showNormal()

    @Slot()
    def _on_output(self) -> None:
        self.output.toggle()
        self.header.output.setChecked(self.output.window is not None)

    @Slot()
    def _on_escape(self) -> None:
        if self.isFullScreen():
            self.set_full_screen(False)
        elif self.column.page != "controls":
            self.column.show_controls()
        else:
            self.picture.setFocus()

    # -- pages --------------------------------------------------------------------------------

    @Slot()
    def _on_export_button(self) -> None:
        self.column.toggle_page("export")
        self._on_page(self.column.page)

    @Slot()
    def _on_keys_button(self) -> None:
        self.column.toggle_page("keys")
        self._on_page(self.column.page)

    @Slot(object)
    def _on_export(self, state: ExportState) -> None:
        self._close_asked &= state.busy  # the next export is asked about anew

    @Slot(str)
    def _on_page(self, page: str) -> None:
        self.header.export.setChecked(page == "export")
        self.header.keys.setChecked(page == "keys")

    @Slot()
    def _on_prompt_key(self) -> None:
        if self.isFullScreen():
            return  # nothing to write in; a hidden box would swallow the keys of the show
        self.column.show_controls()
        self.column.sections["scene"].set_open(True)
        self.column.prompt.box.setFocus()
        self.column.prompt.box.selectAll()

    # -- what is remembered -------------------------------------------------------------------

    def _restore(self) -> None:
        settings = self._store.settings
        place = settings.window
        self.resize(place.width, place.height)
        if place.x is not None and place.y is not None and _on_a_screen(place.x, place.y):
            self.move(place.x, place.y)
        if place.maximized:
            self.setWindowState(Qt.WindowState.WindowMaximized)
        for name, section in self.column.all_sections().items():
            section.set_open(name not in settings.closed_groups)
        self.column.model.remember(settings.models)
        self.column.export.apply(settings.export)
        source = settings.source
        if source is not None:
            self.column.source.note_chosen()
            if source.kind in ("mic", "loopback"):
                self.column.source.remember_device(source.device, source.kind)
            if source.kind == "file" and source.path is not None:
                self.column.export.set_audio(str(source.path))
        if self._store.problem:
            self._bridge.report(Message(self._store.problem))

    @Slot()
    def save_settings(self) -> None:
        """Write the choices; a disk that refuses is a line in the message bar."""
        settings = self._store.settings
        if not self.isFullScreen():
            maximized = self.isMaximized()
            place = self.normalGeometry() if maximized else self.geometry()
            settings.window = WindowSettings(
                x=self.x(), y=self.y(), maximized=maximized,
                width=max(place.width(), 640), height=max(place.height(), 480),
            )  # fmt: skip
        settings.export = self.column.export.values()
        settings.closed_groups = tuple(
            name for name, section in self.column.all_sections().items() if not section.open
        )
        before = self._store.problem
        self._store.save()
        if self._store.problem != before:
            self._bridge.report(Message(self._store.problem))

    @Slot(object)
    def _on_source_chosen(self, choice: SourceChoice) -> None:
        self._memory.note_source(choice)
        if choice.kind in ("file", "demo"):
            self.column.export.set_audio(str(choice.path or ""))

    # -- window -------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the column its share."""
        super().resizeEvent(event)
        self.column.fit(self.width())

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take a file."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Listen to a dropped file; a picture steers the shapes, an adapter lets sound in."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if not paths:
            return
        suffix = Path(paths[0]).suffix.lower()
        if suffix == ".safetensors":
            self.column.into_picture.open_file(paths[0])
        elif suffix in IMAGE_SUFFIXES:
            self.column.structure.open_file(paths[0])
        else:
            self.column.source.open_file(paths[0])

    @Slot()
    def _on_quit(self) -> None:
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember, then go; a running export wants to be asked twice, never by a dialog."""
        export = self._bridge.export_job.state
        if export.busy and not self._close_asked:
            self._close_asked = True
            self.set_full_screen(False)
            self._bridge.report(
                Message(
                    f"An export is running ({export.share:.0%} done): close again to stop it; "
                    "what is rendered is kept",
                    "notice",
                )
            )
            event.ignore()
            return
        self.output.close()
        self._memory.stop()
        self.save_settings()
        self._bridge.stop()
        self.setUpdatesEnabled(False)  # a repaint that is due would find no window to draw in
        event.accept()


def _export_folder() -> Path:
    return user_videos_path() / "Sonolume"


def _on_a_screen(x: int, y: int) -> bool:
    return any(
        screen.availableGeometry().adjusted(-8, -8, -80, -80).contains(x, y)
        for screen in QGuiApplication.screens()
    )


def run_window(
    engine: RunningEngine,
    *,
    settings: SettingsStore,
    list_devices: Callable[[], Sequence[ListedDevice]],
    seconds: float | None = None,
    painted: Callable[[], None] | None = None,
) -> int:
    """Show the window until it is closed, interrupted, or `seconds` have passed; return 0.

    `painted` is called once, when the window is on the screen.

    The engine must run already and stays open: the caller closes it, after reading its figures.
    Main thread only.
    """
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(["sonolume"])
    app.setApplicationDisplayName("Sonolume")
    app.setDesktopFileName("sonolume")
    apply_style(app)
    crash_log = CrashLog()
    bridge = EngineBridge(engine, list_devices, crash_log)
    with crash_log, quit_on_signals(app):
        window = MainWindow(bridge, settings)
        if painted is not None:
            FirstPaint(window.picture, painted)
        window.show()
        bridge.start()
        bridge.scan_devices()
        if seconds is not None:
            QTimer.singleShot(round(seconds * 1000), app.quit)
        app.exec()
        if window.isVisible():
            window.save_settings()
        bridge.stop()
        window.output.close()
        window.hide()
    delete_now(window, bridge)
    return 0
