"""The top line of the window."""

from __future__ import annotations

from app.engine_bridge import EngineBridge
from app.main_window import MainWindow
from engine.presets import preset_names


def test_the_list_of_presets_shows_what_each_looks_like(
    window: MainWindow, bridge: EngineBridge
) -> None:
    bridge.presets_changed.emit(("default", "unheard-of"))
    presets = window.header.presets
    assert [presets.itemText(k) for k in range(presets.count())] == ["default", "unheard-of"]
    assert not presets.itemIcon(0).isNull()
    assert presets.itemIcon(1).isNull()
    bridge.presets_changed.emit(tuple(preset_names()))
    assert all(not presets.itemIcon(k).isNull() for k in range(presets.count()))
