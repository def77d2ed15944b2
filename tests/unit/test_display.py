"""Whether a window can open is known before Qt aborts the program."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from app.display import check_display, x_addresses
from engine.errors import CommandError

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere there is always a display"
)


@pytest.mark.parametrize("environment", [{}, {"QT_QPA_PLATFORM": "xcb"}])
def test_without_a_display_the_remedy_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(CommandError, match=r"DISPLAY is not set.*--headless"):
        check_display(environment)


@pytest.mark.parametrize("display", [":4093", "localhost:4093.0", "nonsense"])
def test_a_display_that_does_not_answer_is_named(display: str) -> None:
    with pytest.raises(CommandError, match=f"{display} does not answer"):
        check_display({"DISPLAY": display})


def test_qt_without_a_screen_needs_none() -> None:
    check_display({"QT_QPA_PLATFORM": "offscreen"})


def test_a_compositor_that_answers_is_enough(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as compositor:
        compositor.bind(str(tmp_path / "wayland-7"))
        compositor.listen()
        check_display({"WAYLAND_DISPLAY": "wayland-7", "XDG_RUNTIME_DIR": str(tmp_path)})


def test_where_x_listens_follows_from_the_name() -> None:
    assert x_addresses(":3.0") == ["/tmp/.X11-unix/X3", "\0/tmp/.X11-unix/X3"]
    assert x_addresses("far:10") == [("far", 6010)]
    assert x_addresses("[::1]:1") == [("::1", 6001)]
    assert x_addresses("3") == x_addresses(":x") == []
