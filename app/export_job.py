"""One export in a process of its own: only one thread of a process may run torch on a CPU.

The child is `sonolume render ... --progress-json`; it prints one JSON object per update on
stderr. Cancelling asks it to finish early, so that what was rendered stays playable.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject, QProcess, QTimer, Signal, Slot

logger = logging.getLogger(__name__)

CANCEL_LIMIT_MS = 15_000
NICENESS = 10
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to render."""

    audio: Path | Literal["demo"]
    output: Path
    preset: str
    width: int
    height: int
    fps: float
    prompts: tuple[str, ...] = ()
    model: str = ""
    structure: str = "none"
    """The picture or video that steers the shapes, as `--structure` names it."""
    projector: str = ""
    """File of the user's own, as is the next; empty: the one that ships."""
    mapper: str = ""
    seed: int = 0
    start_s: float = 0.0
    seconds: float | None = None
    """None renders to the end of the sound."""
    quality: int = 18
    """H.264 CRF: 0 best, 51 worst."""
    resume: bool = False
    """Go on where an interrupted export of the same request stopped."""

    def arguments(self) -> list[str]:
        """Return the arguments of `sonolume`."""
        words = ["render", str(self.audio), "-o", str(self.output), "--preset", self.preset]
        for prompt in self.prompts:
            words += ["--prompt", prompt]
        if self.model:
            words += ["--model", self.model]
        if self.structure != "none":
            words += ["--structure", self.structure]
        for flag, file in (("--projector", self.projector), ("--mapper", self.mapper)):
            words += [flag, file] if file else []
        words += ["--size", f"{self.width}x{self.height}", "--fps", f"{self.fps:g}"]
        words += ["--seed", str(self.seed), "--start", f"{self.start_s:g}"]
        if self.seconds is not None:
            words += ["--seconds", f"{self.seconds:g}"]
        words += ["--quality", str(self.quality)]
        if self.resume:
            words.append("--resume")
        return [*words, "--progress-json"]


@dataclass(frozen=True, slots=True)
class ExportState:
    """How the export is doing."""

    phase: Literal["idle", "running", "cancelling", "done", "cancelled", "failed"] = "idle"
    output: str = ""
    frames_done: int = 0
    frames_total: int = 0
    fps: float = 0.0
    eta_s: float = 0.0
    message: str = ""
    """One line when it failed."""
    kept: str = ""
    """The file with the frames so far when it was cancelled; empty when there is none."""

    @property
    def busy(self) -> bool:
        """True while the child lives."""
        return self.phase in ("running", "cancelling")

    @property
    def share(self) -> float:
        """Part done, in [0, 1]."""
        return min(self.frames_done / self.frames_total, 1.0) if self.frames_total else 0.0


class ExportJob(QObject):
    """Runs one export at a time. GUI thread only."""

    changed = Signal(object)
    """ExportState"""

    def __init__(
        self, command: Sequence[str] | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._command = list(command or [sys.executable, "-m", "app"])
        self.state = ExportState()
        self._pending = ""  # the unfinished last line of stderr
        self._last_words = ""  # the last line that was not progress: the error, if it fails
        self._part_before: int | None = None  # what an earlier export had left when this began
        self._process = QProcess(self)
        self._process.readyReadStandardError.connect(self._on_stderr)
        self._process.finished.connect(self._on_finished)
        self._process.errorOccurred.connect(self._on_error)
        self._kill_timer = QTimer(self, singleShot=True, interval=CANCEL_LIMIT_MS)
        self._kill_timer.timeout.connect(self._on_cancel_limit)

    def start(self, request: ExportRequest) -> None:
        """Begin; ignored while another export runs."""
        if self.state.busy:
            return
        self._pending = self._last_words = ""
        self._part_before = _written_ns(_part_movie(request.output))
        self._set(ExportState("running", str(request.output)))
        words = [*self._command, *request.arguments()]
        self._process.setStandardOutputFile(QProcess.nullDevice())
        self._process.start(words[0], words[1:])
        self._process.closeWriteChannel()
        pid = int(self._process.processId())
        if pid > 0 and hasattr(os, "setpriority"):
            _make_polite(pid)

    def cancel(self) -> None:
        """Ask the child to finish what it has; it is ended by force after 15 s."""
        if self.state.phase != "running":
            return
        self._set(replace(self.state, phase="cancelling"))
        pid = int(self._process.processId())
        if os.name == "posix" and pid > 0:
            os.kill(pid, signal.SIGINT)
        else:
            self._process.terminate()
        self._kill_timer.start()

    def close(self) -> None:
        """End a running export, keeping what was rendered; idempotent."""
        if self._process.state() == QProcess.ProcessState.NotRunning:
            return
        self.cancel()
        if not self._process.waitForFinished(5000):
            self._process.kill()
            self._process.waitForFinished(1000)

    @Slot()
    def _on_stderr(self) -> None:
        self._pending += bytes(self._process.readAllStandardError().data()).decode(
            "utf-8", "replace"
        )
        *lines, self._pending = self._pending.split("\n")
        for line in lines:
            self._take_line(line.strip())

    def _take_line(self, line: str) -> None:
        try:
            update = json.loads(line)
            state = replace(
                self.state,
                frames_done=int(update["frames_done"]),
                frames_total=int(update["frames_total"]),
                fps=float(update["fps"]),
                eta_s=float(update["eta_s"]),
            )
        except (ValueError, KeyError, TypeError):
            if line:
                logger.info("export: %s", line)
                self._last_words = line.removeprefix("sonolume: ")
            return
        self._set(state)

    @Slot(int, QProcess.ExitStatus)
    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._kill_timer.stop()
        self._on_stderr()
        if self._pending.strip():
            self._take_line(self._pending.strip())
        crashed = status == QProcess.ExitStatus.CrashExit
        if self.state.phase == "cancelling" or code == INTERRUPTED:
            self._set(replace(self.state, phase="cancelled", kept=self._kept()))
        elif code == 0 and not crashed:
            done = max(self.state.frames_total, self.state.frames_done)
            self._set(replace(self.state, phase="done", frames_done=done, eta_s=0.0))
        else:
            words = self._last_words or f"the renderer ended with code {code}"
            self._set(replace(self.state, phase="failed", message=f"Export failed: {words}"))

    @Slot(QProcess.ProcessError)
    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            message = f"Export failed: {self._command[0]} cannot be started"
            self._set(replace(self.state, phase="failed", message=message))

    @Slot()
    def _on_cancel_limit(self) -> None:
        self._process.kill()

    def _kept(self) -> str:
        """Where this export has left what it rendered; an earlier one's rest does not count."""
        movie = _part_movie(Path(self.state.output))
        written_ns = _written_ns(movie)
        return "" if written_ns in (None, self._part_before) else str(movie)

    def _set(self, state: ExportState) -> None:
        self.state = state
        self.changed.emit(state)


def _part_movie(output: Path) -> Path:
    from engine.export.work_folder import WorkFolder

    return WorkFolder(output).part_movie


def _written_ns(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


def _make_polite(pid: int) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)  # the live show comes first
    except OSError as error:
        logger.info("export keeps its priority: %s", error)
