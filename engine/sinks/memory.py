"""MemorySink: the dull twin of every sink; keeps what it gets."""

from __future__ import annotations

from engine.messages import Float32, Frame
from engine.sinks.audio_chunk import AudioChunk


class MemorySink:
    """Keeps frames and sound in lists. One thread writes; others read after `close`."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.chunks: list[AudioChunk] = []
        self.is_open = False

    def open(self) -> None:
        """Forget what was there."""
        self.frames.clear()
        self.chunks.clear()
        self.is_open = True

    def write(self, frame: Frame) -> None:
        """Keep the frame."""
        self.frames.append(frame)

    def write_audio(self, start_sample: int, samples: Float32) -> None:
        """Keep the sound."""
        self.chunks.append(AudioChunk(start_sample, samples))

    def close(self) -> None:
        """Stop; what was kept stays. Idempotent."""
        self.is_open = False
