"""The picture: letterboxed, alone, with nothing ever drawn over it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from app.resources import read_bytes_if_shipped
from app.style import colour
from engine.messages import Frame

STILL = "stills/still.jpg"


class PictureView(QWidget):
    """Shows the newest frame. Raster painting: a software GL renderer costs six times as much."""

    double_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(160, 160)
        self.setAccessibleName("Picture")
        self._frame: Frame | None = None  # keeps the pixels alive that the image points to
        self._image = _shipped_still()
        self._bare = False

    @property
    def frame_index(self) -> int:
        """Index of the frame shown, -1 before the first."""
        return -1 if self._frame is None else self._frame.index

    def set_bare(self, bare: bool) -> None:
        """Pure black around the picture and no cursor, for full screen."""
        self._bare = bare
        if bare:
            self.setCursor(Qt.CursorShape.BlankCursor)
        else:
            self.unsetCursor()
        self.update()

    @Slot(object)
    def set_frame(self, frame: Frame) -> None:
        """Show a frame without copying its pixels."""
        height, width, _ = frame.pixels.shape
        self._image = QImage(
            frame.pixels.data, width, height, frame.pixels.strides[0],
            QImage.Format.Format_RGB888,
        )  # fmt: skip
        self._frame = frame
        self.update()

    def picture_rect(self) -> QRectF:
        """Return where the picture lies, logical pixels; empty before there is one."""
        if self._image.isNull():
            return QRectF()
        margin = 0.0 if self._bare else 16.0
        room_width = max(self.width() - 2 * margin, 1.0)
        room_height = max(self.height() - 2 * margin, 1.0)
        scale = min(room_width / self._image.width(), room_height / self._image.height())
        width, height = self._image.width() * scale, self._image.height() * scale
        left, top = (self.width() - width) / 2, (self.height() - height) / 2
        return QRectF(round(left), round(top), round(width), round(height))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground and the picture."""
        painter = QPainter(self)
        ground = Qt.GlobalColor.black if self._bare else colour("ground")
        painter.fillRect(self.rect(), ground)
        if not self._image.isNull():
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self.picture_rect(), self._image)
        painter.end()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ask for full screen."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.double_clicked.emit()


def _shipped_still() -> QImage:
    data = read_bytes_if_shipped(STILL)
    return QImage() if data is None else QImage.fromData(data)
