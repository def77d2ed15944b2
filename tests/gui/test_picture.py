from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QRectF
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.widgets.picture_view import PictureView
from engine.messages import Frame, freeze
from tests.gui.fake_engine import frame


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> PictureView:
    view = PictureView()
    qtbot.addWidget(view)
    view.set_bare(True)
    return view


@pytest.mark.parametrize(
    ("size", "picture", "rect"),
    [
        ((400, 300), (64, 64), (50, 0, 300, 300)),
        ((300, 400), (64, 64), (0, 50, 300, 300)),
        ((400, 400), (160, 90), (0, 88, 400, 225)),
        ((400, 400), (90, 160), (88, 0, 225, 400)),
    ],
)
def test_the_picture_is_letterboxed_and_keeps_its_shape(
    size: tuple[int, int], picture: tuple[int, int], rect: tuple[int, ...], view: PictureView
) -> None:
    view.resize(*size)
    view.set_frame(frame(1, *picture))
    assert view.picture_rect() == QRectF(*rect)


def test_the_pixels_on_screen_are_those_of_the_frame(view: PictureView) -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[:, 100:] = (250, 120, 10)
    view.resize(200, 200)
    view.set_frame(Frame(3, freeze(pixels), 0, 0.0, 0))
    shown = view.grab().toImage()
    assert shown.pixelColor(40, 100).getRgb()[:3] == (0, 0, 0)
    assert shown.pixelColor(160, 100).getRgb()[:3] == (250, 120, 10)
    assert view.frame_index == 3


def test_a_frame_of_odd_width_is_not_sheared(view: PictureView) -> None:
    pixels = np.zeros((101, 101, 3), np.uint8)
    pixels[:, :50] = 255
    view.resize(303, 303)
    view.set_frame(Frame(0, freeze(pixels), 0, 0.0, 0))
    shown = view.grab().toImage()
    for y in (10, 150, 290):
        assert shown.pixelColor(60, y).red() == 255
        assert shown.pixelColor(240, y).red() == 0
