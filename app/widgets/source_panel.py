"""Which sound: microphone, line or system sound with its device, the demo, a file, a tone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from app.device_scan import DeviceList
from app.engine_bridge import EngineBridge
from app.widgets.buttons import Button, Choice, ElidedLabel
from app.widgets.transport import Transport
from engine.commands import SourceChoice
from engine.messages import DEFAULT_INPUT, DEFAULT_LOOPBACK, SourceStatus

KINDS = (("mic", "Mic / line"), ("loopback", "System"), ("demo", "Demo"),
         ("file", "File\N{HORIZONTAL ELLIPSIS}"), ("tone", "Tone"))  # fmt: skip
TIPS = {"loopback": "what this computer plays itself"}
INPUTS = ("mic", "loopback")
"""Kinds with a device of their own, that may come and go."""
FILE_FILTER = (
    "Sound (*.wav *.flac *.ogg *.oga *.opus *.mp3 *.m4a *.aac *.aif *.aiff *.mp4 *.mov *.mkv "
    "*.webm);;All files (*)"
)
DEFAULT_DEVICE = "System default"


class SourcePanel(QWidget):
    """Posts a choice; shows what the engine really listens to."""

    chosen = Signal(object)
    """SourceChoice, to be remembered"""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._kind = ""
        self._listed = "mic"  # whose devices the list holds
        self._names: dict[str, tuple[str, ...]] = dict.fromkeys(INPUTS, ())
        self._wanted = dict.fromkeys(INPUTS, "")  # device chosen last for each kind
        self._status = SourceStatus("none", "", False)
        self._connected = True
        self._no_input = False  # the last scan found none
        self._chosen = False  # by a hand, this evening or before: then nothing needs explaining
        self.buttons = {
            kind: Button(
                text, kind="segment", checkable=True, tip=f"Listen to: {TIPS.get(kind, text)}"
            )
            for kind, text in KINDS
        }
        self.device = Choice("Sound device")
        self.device.addItem(DEFAULT_DEVICE, "")
        self.scan = Button(icon_name="restart", tip="Look for devices again")
        self.name = ElidedLabel("", "dim")
        self.transport = Transport(bridge)
        self._device_row = QWidget()
        self._arrange()
        for kind, button in self.buttons.items():
            button.setProperty("source", kind)
            button.clicked.connect(self._on_kind)
        self.device.activated.connect(self._on_device)
        self.scan.clicked.connect(bridge.scan_devices)
        bridge.source_changed.connect(self._on_source)
        bridge.devices_changed.connect(self._on_devices)

    def _arrange(self) -> None:
        segments = QHBoxLayout()
        segments.setSpacing(4)
        for button in self.buttons.values():
            segments.addWidget(button, 1)
        devices = QHBoxLayout(self._device_row)
        devices.setContentsMargins(0, 0, 0, 0)
        devices.setSpacing(4)
        devices.addWidget(self.device, 1)
        devices.addWidget(self.scan)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(segments)
        layout.addWidget(self._device_row)
        layout.addWidget(self.name)
        layout.addWidget(self.transport)

    def choose(self, choice: SourceChoice) -> None:
        """Ask for a source and have it remembered."""
        self.note_chosen()
        self._bridge.select_source(choice)
        self.chosen.emit(choice)

    def note_chosen(self) -> None:
        """What plays was chosen by a hand, this evening or an earlier one."""
        self._chosen = True

    def remember_device(self, name: str, kind: str = "mic") -> None:
        """Show a device that was chosen earlier, before any scan."""
        if kind != self._listed:
            self._wanted[kind] = name
            return
        if name and self.device.findData(name) < 0:
            self.device.addItem(name, name)
        self.device.setCurrentIndex(max(self.device.findData(name), 0))

    @Slot()
    def _on_kind(self) -> None:
        button = self.sender()
        kind = button.property("source") if button is not None else ""
        self._show_kind()  # the engine decides; until then the old choice stays lit
        if kind == "file":
            self._ask_for_file()
        elif kind in self.buttons:
            self._choose_kind(kind)

    def _choose_kind(self, kind: str) -> None:
        """Listen to an input of this kind, or to what needs no device."""
        device = ""
        if kind in INPUTS:
            shown = str(self.device.currentData() or "")
            device = shown if kind == self._listed else self._wanted[kind]
        self.choose(SourceChoice(cast("Literal['mic', 'loopback']", kind), device))

    def _ask_for_file(self) -> None:
        dialog = QFileDialog(self.window(), "Listen to a file", "", FILE_FILTER)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._on_file)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def _on_file(self, path: str) -> None:
        self.open_file(path)

    def open_file(self, path: str) -> None:
        """Listen to a file and have it remembered."""
        self.choose(SourceChoice("file", path=Path(path)))

    @Slot(int)
    def _on_device(self, index: int) -> None:
        kind = cast("Literal['mic', 'loopback']", self._listed)
        self.choose(SourceChoice(kind, str(self.device.itemData(index) or "")))

    @Slot(object)
    def _on_devices(self, devices: DeviceList) -> None:
        if not devices.scanned:
            return
        self._no_input = not devices.names and not devices.message
        self._show_name()
        self._names = {"mic": devices.names, "loopback": devices.loopbacks}
        self._list_devices(str(self.device.currentData() or ""))

    def _list_devices(self, current: str) -> None:
        names = self._names[self._listed]
        self.device.clear()
        self.device.addItem(DEFAULT_DEVICE, "")
        for name in names:
            self.device.addItem(name, name)
        if current and current not in names:
            self.device.addItem(f"{current} (not connected)", current)
        self.device.setCurrentIndex(max(self.device.findData(current), 0))

    @Slot(object)
    def _on_source(self, status: SourceStatus) -> None:
        self._kind = status.kind
        self._show_kind()
        if status.kind in INPUTS and status.kind != self._listed:
            self._wanted[self._listed] = str(self.device.currentData() or "")
            self._listed = status.kind
            self._list_devices(self._wanted[self._listed])
        if status.kind in INPUTS and status.connected != self._connected:
            self._bridge.scan_devices()  # something was plugged in or pulled out
        self._connected = status.connected
        if status.kind in INPUTS and not status.connected:
            self._follow(status.name)
        self._status = status
        self._show_name()
        self._device_row.setVisible(status.kind in (*INPUTS, "none"))

    def _show_name(self) -> None:
        status = self._status
        text = "The demo track" if status.kind == "demo" else status.name
        if status.kind in INPUTS and not status.connected:
            text += ": not connected, waiting for it"
        if status.kind == "demo" and self._no_input and not self._chosen:
            text = "No microphone was found: the demo track plays"
        self.name.set_full_text(text)
        self.name.setVisible(bool(text))

    def _follow(self, name: str) -> None:
        """Show the device that is waited for, if it has a name of its own."""
        if name not in (DEFAULT_INPUT, DEFAULT_LOOPBACK) and self.device.currentData() != name:
            self.remember_device(name)

    def _show_kind(self) -> None:
        for kind, button in self.buttons.items():
            button.setChecked(kind == self._kind)
