"""The right column: the controls, the export sheet or the keys, and under them the messages."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from app.engine_bridge import EngineBridge
from app.widgets.export_panel import ExportPanel
from app.widgets.key_sheet import KeySheet
from app.widgets.message_bar import MessageBar
from app.widgets.model_panel import ModelPanel
from app.widgets.param_panel import PLAYED_MOST, ParamPanel
from app.widgets.prompt_panel import PromptPanel
from app.widgets.section import Section
from app.widgets.sound_panel import SoundPanel
from app.widgets.source_panel import SourcePanel
from app.widgets.structure_panel import StructurePanel

NARROW_PX = 340
WIDE_PX = 440


class ControlColumn(QFrame):
    """Between 340 and 440 px wide, a quarter of the window."""

    page_changed = Signal(str)
    """`controls`, `export` or `keys`"""

    def __init__(
        self, bridge: EngineBridge, export_folder: Path, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("column")
        self.message = MessageBar(bridge, "error")
        self.notice = MessageBar(bridge, "notice")
        self.source = SourcePanel(bridge)
        self.prompt = PromptPanel(bridge)
        self.model = ModelPanel(bridge)
        self.params = ParamPanel(bridge)
        self.structure = StructurePanel(bridge)
        self.params.sections["structure"].body.insertWidget(0, self.structure)
        self.into_picture = SoundPanel(bridge, self.params.rows)
        self.params.sections["sound"].body.addWidget(self.into_picture)
        self.export = ExportPanel(bridge, export_folder)
        self.keys = KeySheet()
        self.sections: dict[str, Section] = {}
        for name, title, panel in (
            ("source", "Sound", self.source),
            ("scene", "Prompt", self.prompt),
            ("model", "Model", self.model),
        ):
            section = self.sections[name] = Section(name, title)
            section.body.addWidget(panel)
        self.sections["scene"].add_note(self.prompt.heard)
        self._pages = QStackedWidget()
        self._names = ["controls", "export", "keys"]
        self._widgets = (self._controls(), _scrolled(self.export), self.keys)
        for page in self._widgets:
            self._pages.addWidget(page)
        self._message_room = QWidget()
        room = QVBoxLayout(self._message_room)
        room.setContentsMargins(8, 4, 8, 6)
        room.setSpacing(4)
        room.addWidget(self.notice)
        room.addWidget(self.message)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 0, 0, 0)  # the line on the left stays free
        layout.setSpacing(0)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self._message_room)  # below: a message moves nothing under the hand
        self.export.closed.connect(self.show_controls)
        self.keys.closed.connect(self.show_controls)
        bridge.message_changed.connect(self._on_message)
        bridge.notice_changed.connect(self._on_message)
        self._message_room.hide()

    def all_sections(self) -> dict[str, Section]:
        """Return every section that folds, by name."""
        return {**self.sections, **self.params.sections}

    @property
    def page(self) -> str:
        """Which page shows."""
        return self._names[self._pages.currentIndex()]

    @property
    def shown_page(self) -> QWidget:
        """The page itself."""
        return self._widgets[self._pages.currentIndex()]

    def show_page(self, name: str) -> None:
        """Show a page."""
        if name != self.page:
            self._pages.setCurrentIndex(self._names.index(name))
            self.page_changed.emit(name)

    def toggle_page(self, name: str) -> None:
        """Show a page, or the controls if it shows already."""
        self.show_page("controls" if self.page == name else name)

    @Slot()
    def show_controls(self) -> None:
        """Back to the controls."""
        self.show_page("controls")

    def fit(self, window_width_px: int) -> None:
        """Take a quarter of the window, within limits."""
        self.setFixedWidth(min(max(window_width_px // 4, NARROW_PX), WIDE_PX))

    @Slot()
    def _on_message(self) -> None:
        bars = (self.notice, self.message)
        self._message_room.setVisible(any(bar.isVisibleTo(self._message_room) for bar in bars))

    def _controls(self) -> QWidget:
        body = QWidget()
        body.setObjectName("scrollBody")
        layout = QVBoxLayout(body)
        layout.setContentsMargins(16, 4, 10, 16)
        layout.setSpacing(0)
        layout.addWidget(self.sections["source"])
        for group in PLAYED_MOST:
            layout.addWidget(self.params.sections[group])
        layout.addWidget(self.sections["scene"])
        layout.addWidget(self.params.sections["sound"])
        layout.addWidget(self.sections["model"])
        layout.addWidget(self.params)
        layout.addStretch(1)
        scroll = _scrolled(body)
        scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        return scroll


def _scrolled(page: QWidget) -> QScrollArea:
    """Return a page that gives way: what has no room is scrolled to, never covered."""
    scroll = QScrollArea()
    scroll.setObjectName("scroll")
    scroll.setWidgetResizable(True)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    scroll.setWidget(page)
    return scroll
