"""The two commands of the README: what they decide, without installing anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import environment  # noqa: E402
import pip_install  # noqa: E402
import run  # noqa: E402
import test as runner  # noqa: E402
import torch_build  # noqa: E402

from app import system_libraries  # noqa: E402
from app.system_libraries import LIBRARIES, PACKAGE_MANAGERS, TEST_TOOLS, SystemPart  # noqa: E402

APT = PACKAGE_MANAGERS[0]
LACKING = SystemPart("libnowhere.so.7", "nothing", "libnowhere7", "nowhere", "nowhere", "nowhere")
TORCH = "torch>=2.6,<=2.13.0"


class Shell:
    """Stands in for other programs: remembers what was asked, answers what it was told."""

    def __init__(self, **answers: tuple[int, str]) -> None:
        self.asked: list[str] = []
        self.answers = answers

    def __call__(self, command, **_options):
        line = " ".join(str(word) for word in command)
        self.asked.append(line)
        code, output = next((a for key, a in self.answers.items() if key in line), (0, ""))
        return subprocess.CompletedProcess(command, code, output, "")


@pytest.fixture
def project(tmp_path: Path) -> environment.Setup:
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\ndependencies = ["{TORCH}", "torchlike", "numpy"]\n'
        '[project.optional-dependencies]\ntest = ["pytest"]\n'
    )
    return environment.Setup(tmp_path, (), ())


@pytest.fixture
def installed(monkeypatch, project):
    """A machine on which installing works and is written down."""
    log: list[object] = []

    def make(venv: Path) -> None:
        log.append("venv")
        for name in ("python", "sonolume"):
            path = environment.program(venv, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def plan(_python, requirements, options):
        log.append((tuple(requirements), tuple(options)))
        return pip_install.DownloadPlan(("numpy==2.0",), 3_000_000)

    monkeypatch.setattr(environment, "ensure_venv", make)
    monkeypatch.setattr(environment, "ensure_space", lambda *_: None)
    monkeypatch.setattr(environment, "download_plan", plan)
    monkeypatch.setattr(environment, "install", lambda *_: log.append("install"))
    monkeypatch.setattr(torch_build, "flavour", lambda: "cpu")
    choice = torch_build.TorchChoice("torch==2.13.0+cpu", "the CPU build", ("--extra", "x"))
    monkeypatch.setattr(torch_build, "choose", lambda *_: choice)
    return log


def test_a_second_set_up_installs_nothing(project, installed):
    environment.prepare(project)
    first = len(installed)
    assert installed[1] == (("torch==2.13.0+cpu", "torchlike", "numpy"), ("--extra", "x"))
    environment.prepare(project)
    assert len(installed) == first == 3


def test_more_extras_a_new_dependency_or_another_torch_install_again(
    project, installed, monkeypatch
):
    environment.prepare(project)
    testing = environment.Setup(project.root, ("test",), ())
    environment.prepare(testing)
    assert installed[4][0][-1] == "pytest"
    environment.prepare(project)  # fewer extras are there already
    environment.prepare(testing)
    assert installed.count("install") == 2
    text = (project.root / "pyproject.toml").read_text()
    (project.root / "pyproject.toml").write_text(text.replace("numpy", "numpy>=2"))
    environment.prepare(project)
    assert installed.count("install") == 3
    monkeypatch.setattr(torch_build, "flavour", lambda: "normal")
    environment.prepare(project)
    assert installed.count("install") == 4


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"key": 1}', '{"key": "x", "extras": 3}'])
def test_a_broken_stamp_installs_again(project, installed, stamp):
    environment.prepare(project)
    (project.venv / "sonolume-setup.json").write_text(stamp)
    environment.prepare(project)
    assert installed.count("install") == 2


def test_a_failed_installation_is_not_taken_for_done(project, installed, monkeypatch):
    def fail(*_: object) -> None:
        raise pip_install.PipError("no network")

    monkeypatch.setattr(environment, "install", fail)
    for _ in range(2):
        with pytest.raises(environment.SetupError, match="no network"):
            environment.prepare(project)
    assert installed.count("venv") == 2


def test_without_root_the_exact_line_is_printed_and_nothing_run(monkeypatch):
    shell = Shell()
    monkeypatch.setattr(environment, "missing_parts", lambda parts: list(parts))
    monkeypatch.setattr(environment, "package_manager", lambda: APT)
    monkeypatch.setattr(environment, "is_root", lambda: False)
    monkeypatch.setattr(environment, "run_quietly", shell)
    with pytest.raises(environment.SetupError) as caught:
        environment.ensure_system_parts([LACKING, LACKING])
    assert "sudo apt-get install -y --no-install-recommends libnowhere7\n" in str(caught.value)
    assert shell.asked == []


def test_as_root_the_lists_are_fetched_before_the_packages(monkeypatch):
    shell = Shell()
    answers = iter([[LACKING], []])
    monkeypatch.setattr(environment, "missing_parts", lambda _: next(answers))
    monkeypatch.setattr(environment, "package_manager", lambda: APT)
    monkeypatch.setattr(environment, "is_root", lambda: True)
    monkeypatch.setattr(environment, "run_quietly", shell)
    environment.ensure_system_parts([LACKING])
    assert shell.asked == [
        "apt-get update", "apt-get install -y --no-install-recommends libnowhere7",
    ]  # fmt: skip


def test_packages_that_cannot_be_installed_stop_the_set_up(monkeypatch):
    monkeypatch.setattr(environment, "missing_parts", lambda parts: list(parts))
    monkeypatch.setattr(environment, "package_manager", lambda: APT)
    monkeypatch.setattr(environment, "is_root", lambda: True)
    shell = Shell(**{"apt-get install": (100, "E: Unable to locate package libnowhere7")})
    monkeypatch.setattr(environment, "run_quietly", shell)
    with pytest.raises(environment.SetupError, match="Unable to locate package"):
        environment.ensure_system_parts([LACKING])


def test_a_system_without_a_known_package_manager_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(environment, "missing_parts", lambda parts: list(parts))
    monkeypatch.setattr(environment, "package_manager", lambda: None)
    with pytest.raises(environment.SetupError, match=r"lacks libnowhere\.so\.7"):
        environment.ensure_system_parts([LACKING])


@pytest.mark.parametrize("manager", PACKAGE_MANAGERS, ids=lambda m: m.program)
def test_every_part_has_a_package_everywhere(manager):
    packages = system_libraries.packages_of(LIBRARIES + TEST_TOOLS, manager)
    assert len(packages) == len(set(packages)) >= 15
    assert all(package == package.strip() != "" for package in packages)


def test_a_missing_library_is_noticed(monkeypatch):
    monkeypatch.setattr(system_libraries.platform, "system", lambda: "Linux")
    assert system_libraries.missing_parts([LACKING]) == [LACKING]
    monkeypatch.setattr(system_libraries.platform, "system", lambda: "Windows")
    assert system_libraries.missing_parts([LACKING]) == []


def test_a_debian_without_venv_gets_the_exact_line(monkeypatch, tmp_path):
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(environment.platform, "system", lambda: "Linux")
    monkeypatch.setattr(environment.shutil, "which", lambda _: "/usr/bin/apt-get")
    monkeypatch.setattr(environment, "is_root", lambda: False)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(environment.SetupError, match=f"apt-get install -y python{version}-venv"):
        environment.ensure_venv(tmp_path / ".venv")


def test_an_environment_of_another_python_is_made_anew(monkeypatch, tmp_path):
    venv = tmp_path / ".venv"
    environment.program(venv, "python").parent.mkdir(parents=True)
    environment.program(venv, "python").touch()
    shell = Shell(**{"import pip": (0, "3 9\n")})
    monkeypatch.setattr(environment, "run_quietly", shell)
    environment.ensure_venv(venv)
    assert shell.asked[-1] == f"{sys.executable} -m venv {venv}"
    assert not venv.exists()


def test_a_full_disk_is_said_before_the_download(tmp_path):
    with pytest.raises(environment.SetupError, match="about 999999 GB are needed"):
        environment.ensure_space(tmp_path, 999_999.0)


def test_programs_lie_where_each_system_puts_them():
    venv = Path("v")
    assert environment.program(venv, "sonolume", "Linux") == Path("v/bin/sonolume")
    assert environment.program(venv, "sonolume", "Windows") == Path("v/Scripts/sonolume.exe")


LISTING = "torch (2.15.0)\nAvailable versions: 2.15.0, 2.14.0+cpu, 2.13.0+cpu, 2.13.0, 2.9.1+cpu"


def test_the_newest_fitting_cpu_build_is_taken():
    assert torch_build.best_local_version(LISTING, TORCH, "+cpu") == "2.13.0+cpu"
    assert torch_build.best_local_version(LISTING, "torch>=2.6,<=2.12", "+cpu") == "2.9.1+cpu"
    assert torch_build.best_local_version("2.13.0, 2.14.0", TORCH, "+cpu") is None
    assert torch_build.bounds(TORCH) == ((2, 6), (2, 13, 0))


def test_a_cpu_build_that_pip_finds_itself_needs_no_other_index(monkeypatch):
    monkeypatch.setattr(torch_build.platform, "system", lambda: "Linux")
    monkeypatch.setattr(torch_build.subprocess, "run", Shell(**{"index versions": (0, LISTING)}))
    choice = torch_build.choose(Path("python"), "cpu", TORCH)
    assert (choice.requirement, choice.index_options) == ("torch==2.13.0+cpu", ())


def test_without_it_the_pytorch_index_is_asked_and_then_the_normal_build_taken(monkeypatch):
    monkeypatch.setattr(torch_build.platform, "system", lambda: "Linux")
    shell = Shell(**{"--index-url": (0, LISTING)})
    monkeypatch.setattr(torch_build.subprocess, "run", shell)
    monkeypatch.setattr(torch_build, "_is_reachable", lambda _: True)
    found = torch_build.choose(Path("python"), "cpu", TORCH)
    assert found.requirement == "torch==2.13.0+cpu"
    assert found.index_options == ("--extra-index-url", "https://download.pytorch.org/whl/cpu")
    monkeypatch.setattr(torch_build, "_is_reachable", lambda _: False)
    assert torch_build.choose(Path("python"), "cpu", TORCH).requirement == TORCH


def test_a_mirror_that_hangs_does_not_hang_the_set_up(monkeypatch):
    def hang(command, *, timeout, **_options):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(torch_build.platform, "system", lambda: "Linux")
    monkeypatch.setattr(torch_build.subprocess, "run", hang)
    assert torch_build.choose(Path("python"), "cpu", TORCH).requirement == TORCH


@pytest.mark.parametrize(
    ("system", "smi", "answer", "wanted"),
    [
        ("Darwin", None, (0, ""), "normal"),
        ("Linux", None, (0, ""), "cpu"),
        ("Linux", "/usr/bin/nvidia-smi", (0, "GPU 0: NVIDIA H200"), "normal"),
        ("Linux", "/usr/bin/nvidia-smi", (9, "couldn't communicate with the driver"), "cpu"),
        ("Windows", "nvidia-smi.exe", (0, "GPU 0: NVIDIA RTX"), "normal"),
    ],
)
def test_the_gpu_decides_the_build(monkeypatch, system, smi, answer, wanted):
    monkeypatch.setattr(torch_build.platform, "system", lambda: system)
    monkeypatch.setattr(torch_build.shutil, "which", lambda _: smi)
    monkeypatch.setattr(torch_build.subprocess, "run", Shell(**{"nvidia-smi": answer}))
    assert torch_build.flavour() == wanted


def test_the_download_is_summed_up_from_pips_report(tmp_path):
    wheel = tmp_path / "a b.whl"
    wheel.write_bytes(b"x" * 5_000_000)
    entry = {
        "metadata": {"name": "a", "version": "1"}, "download_info": {"url": wheel.as_uri()},
    }  # fmt: skip
    gone = {
        "metadata": {"name": "b", "version": "2"},
        "download_info": {"url": (tmp_path / "gone.whl").as_uri()},
    }
    plan = pip_install.plan_from_report({"install": [entry, entry]})
    assert plan.packages == ("a==1", "a==1")
    assert plan.size_text == "about 10 MB"
    partly = pip_install.plan_from_report({"install": [entry, gone]})
    assert partly.size_text == "at least 5 MB (1 packages do not tell their size)"
    assert pip_install.DownloadPlan((), 2_400_000_000).size_text == "about 2.4 GB"


def test_progress_is_four_lines_where_lines_cannot_move(capsys):
    progress = pip_install.Progress(40)
    for index in range(40):
        progress.look_at(f"Collecting package{index}==1.0\n")
        progress.look_at("  Downloading something\n")
    progress.look_at("Installing collected packages: a, b\n")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0] == "  [10/40] package9"


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("python-osc==1.10.2", "python-osc"),
        ("lazy-loader>=0.1", "lazy-loader"),
        ("torch==2.13.0+cpu", "torch"),
        ("https://x.org/whl/torch-2.13.0%2Bcpu-cp311-cp311-linux.whl#sha256=1a", "torch"),
        ("./wheels/lazy_loader-0.4-py3-none-any.whl", "lazy-loader"),
        ("file:///tmp/antlr4-python3-runtime-4.9.3.tar.gz", "antlr4-python3-runtime"),
    ],
)
def test_progress_names_the_package_as_it_is_called(word, name):
    assert pip_install.package_name(word) == name


class Started:
    """What `run` started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int = 0) -> None:
        self.commands: list[list[str]] = []
        monkeypatch.setattr(run, "prepare", lambda _: Path("venv"))
        monkeypatch.setattr(run, "call", lambda c: self.commands.append(c) or code)

    @property
    def arguments(self) -> list[str]:
        return self.commands[-1][1:]


def test_set_up_only_starts_nothing(monkeypatch, capsys):
    started = Started(monkeypatch)
    assert run.main(["--setup-only"]) == 0
    assert started.commands == []
    assert "Ready" in capsys.readouterr().out


def test_arguments_go_to_sonolume_and_its_exit_code_comes_back(monkeypatch):
    started = Started(monkeypatch, code=7)
    assert run.main(["render", "demo", "-o", "x.mp4"]) == 7
    assert started.arguments == ["render", "demo", "-o", "x.mp4"]


def test_with_a_display_the_window_opens(monkeypatch):
    started = Started(monkeypatch)
    monkeypatch.setenv("DISPLAY", ":0")
    assert run.main([]) == 0
    assert started.arguments == ["live"]


def test_without_a_display_the_demo_is_rendered_and_said_where(monkeypatch, capsys, tmp_path):
    started = Started(monkeypatch)
    monkeypatch.setattr(run.platform, "system", lambda: "Linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.chdir(tmp_path)
    assert run.main([]) == 0
    assert started.arguments == ["render", "demo", "-o", str(tmp_path / "demo.mp4")]
    assert f"Done: {tmp_path / 'demo.mp4'}" in capsys.readouterr().out
    (tmp_path / "demo.part").mkdir()  # as an interrupted one leaves it
    for words in ([], ["--resume"]):
        assert run.main(words) == 0
        assert started.arguments == [
            "render", "demo", "-o", str(tmp_path / "demo.mp4"), "--resume"
        ]  # fmt: skip


def test_a_set_up_that_stops_is_exit_code_1_with_the_reason(monkeypatch, capsys):
    def stop(_setup: object) -> Path:
        raise run.SetupError("no room")

    monkeypatch.setattr(run, "prepare", stop)
    assert run.main([]) == 1
    assert capsys.readouterr().err == "Set-up stopped: no room\n"


def checks(tmp_path: Path, *names: str) -> list:
    made = [runner.Check(name, ("tool", name), beside=name == "beside") for name in names]
    tool = environment.program(tmp_path, "tool")
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "$1 says hello"\ntest "$1" != bad\n')
    tool.chmod(0o755)
    return made


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for the tools")
def test_every_check_runs_even_after_a_failure_and_the_summary_names_it(tmp_path, capfd):
    outcomes = runner.run_all(checks(tmp_path, "beside", "bad", "good"), tmp_path)
    assert [(o.name, o.passed) for o in outcomes] == [
        ("bad", False), ("good", True), ("beside", True),
    ]  # fmt: skip
    assert runner.summary(outcomes, 65.0) == 1
    out = capfd.readouterr().out
    assert "bad says hello" in out
    assert "good says hello" not in out
    assert "1 of 3 checks failed (bad) in 1:05 min" in out


def test_all_passed_is_exit_code_0(capsys):
    assert runner.summary([runner.Outcome("ruff", True, 0.5)], 61.0) == 0
    assert capsys.readouterr().out.endswith("all 1 checks passed in 1:01 min\n")


def test_an_unknown_check_is_wrong_usage(capsys):
    assert runner.main(["unti"]) == 2
    assert "no check 'unti'; there are mypy, mypy scripts, ruff" in capsys.readouterr().err


def test_a_test_folder_counts_only_when_it_holds_tests():
    assert runner.has_tests(runner.Check("unit", (), folder="tests/unit"))
    assert not runner.has_tests(runner.Check("none", (), folder="tests/no_such_folder"))


@pytest.mark.parametrize("script", ["run.py", "test.py"])
def test_an_old_python_gets_one_clear_line(script):
    code = (
        "import sys; sys.version_info = (3, 8, 0, 'final', 0); sys.argv = ['x'];"
        f"import runpy; runpy.run_path({str(ROOT / 'scripts' / script)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert (
        done.stderr
        == "Sonolume needs Python 3.11 or newer, this is 3.8; install one and use that\n"
    )
