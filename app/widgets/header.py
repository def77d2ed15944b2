"""The top line: name, preset, record, export, keys, full screen."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal, Slot
from PySide6.QtGui import QGuiApplication, QIcon, QPixmap, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from app.actions import shown_key
from app.engine_bridge import EngineBridge
from app.widgets.buttons import Button, Choice, label
from app.widgets.icons import pixmap
from app.widgets.record_button import RecordButton
from app.widgets.screen_words import output_help
from engine.presets import preset_thumbnail

ICON_PX = (44, 26)
"""Of the presets' pictures."""
WORDS_FROM_PX = 1180
"""Width of the window from which the buttons on the right have room for their names."""


class WordButton(Button):
    """An icon, with its name beside it where there is room."""

    def __init__(self, word: str, icon_name: str, tip: str, *, checkable: bool = False) -> None:
        super().__init__(kind="quiet", icon_name=icon_name, tip=tip, checkable=checkable)
        self._word = word
        self.setAccessibleName(word)

    def show_word(self, on: bool) -> None:
        """Show the name, or the icon alone."""
        if on != bool(self.text()):
            self.setText(self._word if on else "")
            self.setFixedWidth(self.sizeHint().width() if on else 32)


class Header(QFrame):
    """Everything above the picture."""

    preset_chosen = Signal(str)

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("header")
        self.setFixedHeight(50)
        self._bridge = bridge
        self.mark = QLabel()
        self.presets = Choice(
            "Preset: what is chosen here opens the next show too; what OSC loads does not"
        )
        self.previous = _tool("chevron-left", f"Previous preset ({shown_key('previous_preset')})")
        self.following = _tool("chevron-right", f"Next preset ({shown_key('next_preset')})")
        self.record = RecordButton(bridge)
        self.export = Button(
            "Export", icon_name="export", checkable=True,
            tip=f"Render a sound file to a video ({shown_key('export')})",
        )  # fmt: skip
        self.keys = WordButton("Keys", "keys", f"All keys ({shown_key('keys')})", checkable=True)
        self.output = WordButton("Output", "output", "", checkable=True)
        self.full_screen = WordButton(
            "Full screen",
            "full-screen",
            f"Picture alone, full screen ({shown_key('full_screen')})",
        )
        self._arrange()
        self.previous.clicked.connect(self._on_previous)
        self.following.clicked.connect(self._on_following)
        self.presets.activated.connect(self._on_activated)
        bridge.presets_changed.connect(self._on_presets)
        bridge.preset_changed.connect(self._on_preset)
        app = QGuiApplication.instance()
        assert isinstance(app, QGuiApplication)
        app.screenAdded.connect(self._on_screens)
        app.screenRemoved.connect(self._on_screens)
        self._on_screens()

    def _arrange(self) -> None:
        self.mark.setPixmap(pixmap("sonolume", 26))
        self.presets.setMinimumWidth(212)
        self.presets.setIconSize(QSize(*ICON_PX))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 0, 14, 0)
        layout.setSpacing(6)
        layout.addWidget(self.mark)
        layout.addSpacing(4)
        layout.addWidget(label("Sonolume", "brand"))
        layout.addSpacing(24)
        layout.addWidget(label("PRESET", "heading"))
        layout.addSpacing(4)
        layout.addWidget(self.previous)
        layout.addWidget(self.presets)
        layout.addWidget(self.following)
        layout.addStretch(1)
        layout.addWidget(self.record)
        layout.addWidget(self.export)
        layout.addSpacing(6)
        layout.addWidget(self.keys)
        layout.addWidget(self.output)
        layout.addWidget(self.full_screen)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Name the buttons where there is room for words."""
        super().resizeEvent(event)
        for button in (self.keys, self.output, self.full_screen):
            button.show_word(self.width() >= WORDS_FROM_PX)

    @Slot()
    def _on_screens(self) -> None:
        self.output.setToolTip(f"{output_help()} ({shown_key('output')})")

    @Slot(object)
    def _on_presets(self, names: tuple[str, ...]) -> None:
        current = self.presets.currentText()
        self.presets.clear()
        for name in names:
            self.presets.addItem(_thumbnail(name), name)
        self._on_preset(current)

    @Slot(str)
    def _on_preset(self, name: str) -> None:
        if name and self.presets.findText(name) < 0:
            self.presets.addItem(name)
        self.presets.setCurrentIndex(self.presets.findText(name))

    @Slot(int)
    def _on_activated(self, index: int) -> None:
        name = self.presets.itemText(index)
        self._bridge.load_preset(name)
        self.preset_chosen.emit(name)

    @Slot()
    def _on_previous(self) -> None:
        self._bridge.step_preset(-1)

    @Slot()
    def _on_following(self) -> None:
        self._bridge.step_preset(1)


def _tool(icon_name: str, tip: str, checkable: bool = False) -> Button:
    button = Button(kind="quiet", icon_name=icon_name, tip=tip, checkable=checkable)
    button.setIconSize(QSize(18, 18))
    return button


def _thumbnail(name: str) -> QIcon:
    picture = QPixmap()
    data = preset_thumbnail(name)
    if data is not None:
        picture.loadFromData(data)
    return QIcon(picture)
