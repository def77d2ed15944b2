"""Every key of the window in one table: shortcuts, tooltips and the key sheet all read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a key does."""

    name: str
    keys: tuple[str, ...]
    """As Qt writes key sequences."""
    shown: str
    """As people read it."""
    help: str
    group: str


ACTIONS: tuple[Action, ...] = (
    Action("full_screen", ("F", "F11"), "F", "Picture alone, full screen", "Picture"),
    Action("output", ("O",), "O", "Picture on the other screen", "Picture"),
    Action("escape", ("Esc",), "Esc", "Leave full screen, close a panel", "Picture"),
    Action("freeze", ("Space",), "Space", "Freeze the picture", "Panic"),
    Action("blackout", ("B",), "B", "Black", "Panic"),
    Action("still", ("S",), "S", "Still picture", "Panic"),
    Action("restart", ("0",), "0", "Start a fresh picture", "Panic"),
    Action("next_prompt", ("N",), "N", "Next prompt", "Show"),
    Action("previous_preset", ("[",), "[", "Previous preset", "Show"),
    Action("next_preset", ("]",), "]", "Next preset", "Show"),
    Action("tap", ("T",), "T", "Tap the tempo", "Show"),
    Action("prompt", ("/",), "/", "Write a prompt", "Show"),
    Action("play", ("P",), "P", "Play or pause the file", "Sound"),
    Action("record", ("R",), "R", "Record", "Files"),
    Action("export", ("E",), "E", "Export panel", "Files"),
    Action("keys", ("H", "?"), "H", "This list", "Window"),
    Action("quit", ("Ctrl+Q",), "Ctrl Q", "Quit", "Window"),
)  # fmt: skip


def shown_key(name: str) -> str:
    """Return the key of an action as people read it."""
    return next(action.shown for action in ACTIONS if action.name == name)


def install(window: QWidget, handlers: Mapping[str, Callable[[], None]]) -> list[QShortcut]:
    """Connect every action of the table to its handler; a missing one is a `KeyError`."""
    shortcuts = []
    for action in ACTIONS:
        handler = handlers[action.name]
        for keys in action.keys:
            shortcut = QShortcut(QKeySequence(keys), window)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(handler)
            shortcuts.append(shortcut)
    return shortcuts
