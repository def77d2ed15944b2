"""Installing with pip, announced and quiet: what, how much, how far."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OLDEST_PIP = (23, 3)  # from here on a dry run reads metadata instead of whole wheels
_ASK_S = 6.0
_LAST_LINES = 12


class PipError(Exception):
    """Pip failed; the message holds the end of its output and what to do."""


@dataclass(frozen=True)
class DownloadPlan:
    """Exactly what will be installed."""

    packages: tuple[str, ...]
    """`name==version`, in pip's order."""
    size_bytes: int
    unknown: int = 0
    """Packages whose server does not tell their size."""

    @property
    def size_text(self) -> str:
        """For people."""
        if self.size_bytes >= 1e9:
            size = f"{self.size_bytes / 1e9:.1f} GB"
        else:
            size = f"{max(1, round(self.size_bytes / 1e6))} MB"
        if self.unknown == 0:
            return f"about {size}"
        return f"at least {size} ({self.unknown} packages do not tell their size)"


def download_plan(
    python: Path, requirements: Sequence[str], index_options: Sequence[str]
) -> DownloadPlan:
    """Resolve `requirements` without installing anything. Raises `PipError`."""
    _renew_pip(python)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        _pip(
            python,
            ["install", "--dry-run", "--quiet", "--report", str(report), *index_options],
            requirements,
        )
        return plan_from_report(json.loads(report.read_text("utf-8")))


def plan_from_report(report: dict[str, Any]) -> DownloadPlan:
    """Read pip's installation report and ask the servers for the sizes."""
    entries = report["install"]
    with ThreadPoolExecutor(16) as pool:
        sizes = list(pool.map(size_of, (entry["download_info"]["url"] for entry in entries)))
    return DownloadPlan(
        tuple(f"{e['metadata']['name']}=={e['metadata']['version']}" for e in entries),
        sum(size for size in sizes if size is not None),
        sizes.count(None),
    )


def size_of(url: str) -> int | None:
    """Return the size of the file behind `url`, bytes; None when it cannot be known."""
    parts = urllib.parse.urlparse(url)
    try:
        if parts.scheme == "file":
            return Path(urllib.request.url2pathname(parts.path)).stat().st_size
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=_ASK_S) as answer:
            return int(answer.headers["Content-Length"])
    except (urllib.error.URLError, OSError, ValueError, TypeError):
        return None


def install(python: Path, plan: DownloadPlan, index_options: Sequence[str], project: Path) -> None:
    """Install the planned packages and then `project` itself, editable. Raises `PipError`."""
    if plan.packages:
        _pip(
            python,
            ["install", "--no-deps", "--progress-bar", "off", *index_options],
            plan.packages,
            progress=Progress(len(plan.packages)),
        )
    _pip(python, ["install", "--no-deps", "--quiet", "--editable", str(project)], [])


class Progress:
    """Turns pip's lines into one line that moves, or four lines where none can move."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._seen = 0
        self._said = 0
        self._moves = sys.stdout.isatty()

    def look_at(self, line: str) -> None:
        """Follow one line of pip's output."""
        match = re.match(r"(?:Collecting|Processing) (\S+)", line)
        if match:
            self._seen += 1
            self._show(f"  [{self._seen}/{self.total}] {package_name(match[1])}")
        elif line.startswith("Installing collected packages"):
            self._show("  unpacking, which takes a minute or two", last=True)

    def _show(self, text: str, *, last: bool = False) -> None:
        if self._moves:
            print(f"\r{text[:70]:<70}", end="\n" if last else "", flush=True)
        elif last or self._seen * 4 // self.total > self._said:
            self._said = self._seen * 4 // self.total
            print(text, flush=True)


def package_name(word: str) -> str:
    """Return the package of `python-osc==1.10.2`, or of a wheel or archive with its path."""
    file = re.sub(r"[#?].*", "", word).rsplit("/", 1)[-1]
    if file.endswith(".whl"):
        return file.split("-")[0].replace("_", "-")
    archive = re.fullmatch(r"(.+)-\d[^-]*\.(tar\.\w+|zip)", file)
    return archive[1] if archive else re.split(r"[\[=<>!~; ]", file)[0]


def _pip(
    python: Path, options: Sequence[str], requirements: Sequence[str],
    progress: Progress | None = None,
) -> None:  # fmt: skip
    command = [str(python), "-m", "pip", *options, "--timeout", "30", "--retries", "3"]
    output: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        if requirements:
            listed = Path(folder) / "requirements.txt"
            listed.write_text("\n".join(requirements), "utf-8")
            command += ["--requirement", str(listed)]
        with subprocess.Popen(
            command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=_environment(),
        ) as process:  # fmt: skip
            for line in process.stdout or ():
                output.append(line.rstrip())
                if progress is not None:
                    progress.look_at(line)
    if process.returncode:
        raise PipError(
            "pip could not install what is needed; check the network connection and run this "
            "again. Its last words:\n" + "\n".join(output[-_LAST_LINES:])
        )


def _renew_pip(python: Path) -> None:
    asked = subprocess.run(
        [str(python), "-m", "pip", "--version"], capture_output=True, text=True, check=True
    )
    version = tuple(int(part) for part in re.findall(r"\d+", asked.stdout)[:2])
    if version < _OLDEST_PIP:
        _pip(python, ["install", "--quiet", "--upgrade"], ["pip>=23.3"])


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_USER": "0",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
