"""The command as a process: readers that leave early, full disks, closed streams, and Ctrl-C at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "cnndsl"]
WRONG = "input 3x8x8\nRELUU\n"

HOOK = """
import os, signal, sys

moment, told = os.environ["MOMENT"], os.environ.get("TOLD")

def hook(event, arguments):
    if moment == (arguments[0] if event == "import" else event):
        if told:
            os.write(int(told), b"!")
        else:
            os.kill(os.getpid(), getattr(signal, os.environ.get("SIGNAL", "SIGINT")))

sys.addaudithook(hook)
"""
"""Interrupts the process, or tells that it can be, when a module is imported for the first time or an event is audited."""


@pytest.fixture(autouse=True)
def _interrupts() -> Iterator[None]:
    """Processes begun here can be interrupted, also where the tests run in the background, which cannot."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "wrong.cnn").write_text(WRONG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- readers that leave, full disks ----------------------------------------------------------------------------------


def unread(*arguments: str, stream: str, buffered: bool = True) -> tuple[int, str]:
    """The exit code, and what the other stream got, where nobody reads `stdout` or `stderr`."""
    reading, writing = os.pipe()
    os.close(reading)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writing}
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    done = subprocess.run([*COMMAND, *arguments], **streams, text=True, check=False, env=environment)
    os.close(writing)
    return done.returncode, done.stderr if stream == "stdout" else done.stdout


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["zoo", "vgg1"], 0),
        (["zoo", "show", "lenet5"], 0),
        (["stats", "zoo:lenet5", "--json"], 0),
        (["expand", "RELU*5000", "--input", "3x8x8"], 0),
        (["compile", "zoo:lenet5", "--to", "torch"], 0),
        (["lint", "zoo:lenet5"], 0),
        (["lint", "wrong.cnn"], 1),
        (["lint", "wrong.cnn", "--format", "json"], 1),
        (["stats", "wrong.cnn", "--json"], 1),
        (["--help"], 0),
        (["lint", "--help"], 0),
        (["--version"], 0),
    ],
)
def test_a_reader_may_leave(arguments: list[str], code: int, buffered: bool, folder: Path) -> None:
    assert unread(*arguments, stream="stdout", buffered=buffered) == (code, "")


@pytest.mark.parametrize(
    ("arguments", "code"), [(["stats", "wrong.cnn"], 1), (["lint", "none.cnn"], 2), (["nonsense"], 2)]
)
def test_nobody_need_read_the_errors(arguments: list[str], code: int, folder: Path) -> None:
    assert unread(*arguments, stream="stderr") == (code, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [
        ["zoo", "vgg1"],
        ["zoo", "show", "lenet5"],
        ["expand", "RELU*5000", "--input", "3x8x8"],
        ["lint", "zoo:lenet5"],
        ["lint", "wrong.cnn"],
        ["stats", "wrong.cnn", "--json"],
        ["compile", "zoo:lenet5", "--to", "onnx", "-o", "-"],
        ["--help"],
        ["--version"],
    ],
)
def test_a_full_disk_is_an_error(arguments: list[str], buffered: bool, folder: Path) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment
        )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("cnndsl: ")
    assert line == "cnndsl: No space left on device: standard output"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("expand zoo:lenet5 >&-", 0),
        ("lint wrong.cnn >&-", 1),
        ("lint none.cnn 2>&-", 2),
        ("lint - --input 3x8x8 <&-", 1),
    ],
)
def test_closed_streams(command: str, code: int, folder: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m cnndsl {command}", shell=True, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert "Traceback" not in done.stdout + done.stderr


# -- interrupts ------------------------------------------------------------------------------------------------------


@pytest.fixture
def hooked(folder: Path) -> dict[str, str]:
    """An environment in which Python starts with `HOOK`."""
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(HOOK)
    path = os.pathsep.join(filter(None, [str(folder / "hook"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


@pytest.mark.parametrize("moment", ["cnndsl.api", "cnndsl.cli", "argparse", "cnndsl.lint", "onnx", "cnndsl.lower.onnx"])
def test_an_interrupt_ends_it_without_a_word(moment: str, hooked: dict[str, str]) -> None:
    compiling = [*COMMAND, "compile", "zoo:lenet5", "--to", "onnx", "-o", "out.onnx"]
    done = subprocess.run(compiling, env={**hooked, "MOMENT": moment}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_an_interrupt_leaves_no_half_written_file(hooked: dict[str, str], folder: Path, name: str, code: int) -> None:
    before = sorted(folder.iterdir())
    compiling = [*COMMAND, "compile", "zoo:lenet5", "--to", "onnx", "-o", "out.onnx"]
    environment = {**hooked, "MOMENT": "os.rename", "SIGNAL": name}
    done = subprocess.run(compiling, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
    assert sorted(folder.iterdir()) == before


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="limits on the size of files are asked for by a shell")
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["weights", "init", "zoo:lenet5", "-o", "out.safetensors"], "out.safetensors"),
        (["compile", "zoo:lenet5", "--to", "onnx", "-o", "out.onnx"], "out.onnx"),
        (["compile", "zoo:lenet5", "--to", "onnx", "-o", "out.onnx", "--verify"], "out.onnx"),
        (["compile", "zoo:lenet5", "--to", "triton", "-o", "r", "--verify"], "r/lenet5/1/model.onnx"),
        (["zoo", "--json"], "standard output"),
    ],
)
def test_no_room_for_a_file(folder: Path, arguments: list[str], name: str) -> None:
    before = sorted(folder.iterdir())
    limited = ["bash", "-c", 'ulimit -f 1; exec "$@" > told', "bash", *COMMAND, *arguments]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    (folder / "told").unlink()
    assert done.returncode == 2
    assert done.stderr == f"cnndsl: File too large: {name}\n"
    assert sorted(folder.iterdir()) == before


def test_an_interrupt_at_any_time(hooked: dict[str, str]) -> None:
    """From the package's first imports on; it may come too late for anything but the result."""
    for delay in (0, 1, 2, 4, 7, 11, 16, 22, 29, 37, 46, 60):
        reading, writing = os.pipe()
        environment = {**hooked, "MOMENT": "cnndsl.api", "TOLD": str(writing)}
        with subprocess.Popen(
            [*COMMAND, "lint", "zoo:vgg16"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            pass_fds=(writing,),
        ) as process:  # fmt: skip
            os.close(writing)
            assert os.read(reading, 1) == b"!"
            os.close(reading)
            time.sleep(delay / 1000)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate()
        assert process.returncode in (130, -signal.SIGINT, 0, 1)
        assert err == ""


def test_interrupts_that_the_shell_has_ignored_stay_so(hooked: dict[str, str]) -> None:
    lint = [sys.executable, "-c", "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
            "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])", "-m", "cnndsl", "--version"]  # fmt: skip
    done = subprocess.run(lint, env={**hooked, "MOMENT": "argparse"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_library_leaves_interrupts_alone() -> None:
    code = "import cnndsl, signal; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    subprocess.run([sys.executable, "-c", code], check=True)
