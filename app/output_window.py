"""The clean picture in a window of its own: for the projector, while the laptop has the controls.

Nothing is ever drawn over it, and no dialog belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QCloseEvent, QGuiApplication, QScreen
from PySide6.QtWidgets import QLayout, QVBoxLayout, QWidget

from app.actions import install
from app.engine_bridge import EngineBridge
from app.snapshots import Message
from app.widgets.icons import app_icon
from app.widgets.picture_view import PictureView

LONE_SIDE_PX = 640


class OutputWindow(QWidget):
    """Borderless, on top and as large as its screen; an ordinary window without a second screen.

    All keys of the show work in it; Esc closes it.
    """

    closed = Signal()

    def __init__(self, handlers: Mapping[str, Callable[[], None]]) -> None:
        super().__init__(None, Qt.WindowType.Window)
        self.setWindowTitle("Sonolume picture")
        self.setWindowIcon(app_icon())
        self.picture = PictureView()
        self.picture.set_bare(True)
        self.picture.double_clicked.connect(self.toggle_full_screen)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)  # the screen decides
        layout.addWidget(self.picture)
        own = {"escape": self.leave, "output": self.leave, "full_screen": self.toggle_full_screen}
        self._shortcuts = install(self, {**handlers, **own})

    def show_on(self, screen: QScreen | None) -> None:
        """Fill `screen`, leaving the keyboard where it is; None: beside the other windows."""
        if screen is None:
            self.resize(LONE_SIDE_PX, LONE_SIDE_PX)
            self.show()
            return
        self.setWindowFlags(
            Qt.WindowType.Window
            | Qt.WindowType.FramelessWindowHint
            | Qt.WindowType.WindowStaysOnTopHint
        )
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setScreen(screen)
        self.setGeometry(screen.geometry())
        self.showFullScreen()

    @Slot()
    def leave(self) -> None:
        """Close it."""
        self.close()

    @Slot()
    def toggle_full_screen(self) -> None:
        """Fill the screen it is on, or be a window again."""
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Say so."""
        self.setUpdatesEnabled(False)  # a repaint that is due would find no window to draw in
        event.accept()
        self.closed.emit()


class Output(QObject):
    """Opens and closes the output window and follows screens that come and go. GUI thread only."""

    changed = Signal(bool)
    """Whether it is open now"""

    def __init__(
        self, main: QWidget, bridge: EngineBridge, handlers: Mapping[str, Callable[[], None]]
    ) -> None:
        super().__init__(main)
        self._main = main
        self._bridge = bridge
        self._handlers = handlers
        self._screen_name = ""  # of the screen it fills, empty in a window
        self._lost_name = ""  # of a screen that was pulled out while it was filled
        self.window: OutputWindow | None = None
        self._leaving: OutputWindow | None = None  # Qt deletes it, no collector
        app = QGuiApplication.instance()
        assert isinstance(app, QGuiApplication)
        app.screenRemoved.connect(self._on_screen_removed)
        app.screenAdded.connect(self._on_screen_added)

    @Slot()
    def toggle(self) -> None:
        """Open it, or close it."""
        if self.window is None:
            self._open(other_screen(self._main.screen()))
        else:
            self.close()

    @Slot()
    def close(self) -> None:
        """Close it; idempotent."""
        self._lost_name = ""
        if self.window is not None:
            self.window.close()

    def _open(self, screen: QScreen | None) -> None:
        window = self.window = OutputWindow(self._handlers)
        window.closed.connect(self._on_closed)
        self._bridge.frame_changed.connect(window.picture.set_frame)
        self._screen_name = screen.name() if screen is not None else ""
        self._lost_name = ""
        window.show_on(screen)
        self.changed.emit(True)

    @Slot()
    def _on_closed(self) -> None:
        window, self.window = self.window, None
        if window is not None:
            self._bridge.frame_changed.disconnect(window.picture.set_frame)
            self._leaving = window
            window.deleteLater()
            self.changed.emit(False)

    @Slot(QScreen)
    def _on_screen_removed(self, screen: QScreen) -> None:
        if self.window is None or not self._screen_name or screen.name() != self._screen_name:
            return
        name = self._screen_name
        self.close()  # Qt would move it over the controls
        self._lost_name = name
        self._bridge.report(
            Message(f"The screen {name} is gone: plug it in and the picture is back on it")
        )

    @Slot(QScreen)
    def _on_screen_added(self, screen: QScreen) -> None:
        if self._lost_name and screen.name() == self._lost_name and self.window is None:
            self._open(screen)
            self._bridge.report(Message(""))


def other_screen(here: QScreen) -> QScreen | None:
    """Return the first screen that is not `here`, None when there is no other."""
    return next((screen for screen in QGuiApplication.screens() if screen is not here), None)
