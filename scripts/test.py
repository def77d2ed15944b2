"""Sets everything up and runs every check and test.

python3 scripts/test.py [CHECK ...]
"""

import os
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this is what the user runs it with
    sys.exit(
        "Sonolume needs Python 3.11 or newer, this is {}.{}; install one and use that".format(
            *sys.version_info[:2]
        )
    )

sys.path.insert(0, str(Path(__file__).resolve().parent))

from environment import ROOT, SetupError, for_testing, prepare, program, say


@dataclass(frozen=True)
class Check:
    """One thing that must pass."""

    name: str
    command: tuple[str, ...]
    beside: bool = False
    """Runs beside the others: long, on one core, and nothing measures time meanwhile."""
    folder: str = ""
    """Tests: the folder that must hold some."""


@dataclass(frozen=True)
class Outcome:
    """How a check went."""

    name: str
    passed: bool
    seconds: float
    output: str = ""


_PYTEST = ("pytest", "-q", "--durations=5")
CHECKS: tuple[Check, ...] = (
    Check("mypy", ("mypy",), beside=True),
    Check("mypy scripts", ("mypy", "scripts/run.py", "scripts/test.py"), beside=True),
    Check("ruff", ("ruff", "check", ".")),
    Check("format", ("ruff", "format", "--check", ".")),
    Check("imports", ("lint-imports",)),
    # First of the tests: all skipped where there is no GPU, and what pytest says last is read.
    Check("gpu", (*_PYTEST, "tests/gpu"), folder="tests/gpu"),
    Check("unit", (*_PYTEST, "-n", "2", "tests/unit"), folder="tests/unit"),
    # The real parts measure real time, so one test at a time and nothing beside them.
    Check("integration", (*_PYTEST, "tests/integration"), folder="tests/integration"),
    Check("gui", (*_PYTEST, "tests/gui"), folder="tests/gui"),
)


def main(names: list[str]) -> int:
    """Set up, run the checks (all, or those named), print a summary; return the exit code."""
    unknown = [name for name in names if name not in {check.name for check in CHECKS}]
    if unknown:
        known = ", ".join(check.name for check in CHECKS)
        print(f"no check {unknown[0]!r}; there are {known}", file=sys.stderr)
        return 2
    started_s = time.perf_counter()
    try:
        venv = prepare(for_testing())
    except SetupError as error:
        print(f"Set-up stopped: {error}", file=sys.stderr)
        return 1
    say(f"Set-up took {time.perf_counter() - started_s:.0f} s")
    outcomes = run_all([check for check in CHECKS if check.name in names or not names], venv)
    return summary(outcomes, time.perf_counter() - started_s)


def run_all(checks: list[Check], venv: Path) -> list[Outcome]:
    """Run checks in order, those marked `beside` beside the ones that measure nothing."""
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(1) as pool:
        beside = [pool.submit(run_check, check, venv) for check in checks if check.beside]
        for check in checks:
            if check.beside or not has_tests(check):
                continue
            if check.folder in ("tests/integration", "tests/gui"):
                outcomes += collect(beside)
            outcomes.append(run_check(check, venv))
        return outcomes + collect(beside)


def collect(running: list[Future[Outcome]]) -> list[Outcome]:
    """Wait for what runs beside and forget it."""
    outcomes = [future.result() for future in running]
    running.clear()
    return outcomes


def has_tests(check: Check) -> bool:
    """False for a test folder that has no test yet."""
    return not check.folder or any((ROOT / check.folder).glob("**/test_*.py"))


def run_check(check: Check, venv: Path) -> Outcome:
    """Run one check; tests speak as they go, the others only when they fail."""
    started_s = time.perf_counter()
    speaks = bool(check.folder)
    if speaks:
        say(f"--- {check.name}")
    done = subprocess.run(
        [str(program(venv, check.command[0])), *check.command[1:]],
        cwd=ROOT, check=False, text=True, stdin=subprocess.DEVNULL, env=environment(venv),
        stdout=None if speaks else subprocess.PIPE,
        stderr=None if speaks else subprocess.STDOUT,
    )  # fmt: skip
    return Outcome(
        check.name, done.returncode == 0, time.perf_counter() - started_s, done.stdout or ""
    )


def environment(venv: Path) -> dict[str, str]:
    """Return the environment of a check: this `.venv` first, one thread per test process."""
    folder = str(program(venv, "python").parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([folder, os.environ.get("PATH", "")]),
        "MYPYPATH": str(ROOT / "scripts"),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }


def summary(outcomes: list[Outcome], seconds: float) -> int:
    """Print what failed, one line per check and one for all; return the exit code."""
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        if outcome.output:
            say(f"--- {outcome.name}\n{outcome.output.rstrip()}")
    say("")
    for outcome in outcomes:
        mark = "ok    " if outcome.passed else "FAILED"
        say(f"{mark} {outcome.name:<14}{outcome.seconds:7.1f} s")
    took = f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
    say(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")  # others read this
    if failed:
        names = ", ".join(outcome.name for outcome in failed)
        say(f"{len(failed)} of {len(outcomes)} checks failed ({names}) in {took}")
        return 1
    say(f"all {len(outcomes)} checks passed in {took}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
