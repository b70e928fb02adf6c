"""Hostile specs: whatever a text holds, the answer is a diagnostic, soon and within bounded memory, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SECONDS = 10.0
MEBIBYTES = 300
ADDRESS_SPACE = 2 << 30
INPUT = "input 3x32x32\n"
START = f"""
import os, re, resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, ({ADDRESS_SPACE}, {ADDRESS_SPACE}))
report = int(sys.argv.pop(1))
try:
    runpy.run_module("cnndsl", run_name="__main__")
finally:
    with open("/proc/self/status") as status:  # ru_maxrss would count what the parent had when it forked
        os.write(report, re.search(r"VmHWM:\\s*(\\d+)", status.read())[1].encode())
"""


class Ended(NamedTuple):
    """How a command ended: exit code, what it printed, and its resident memory at most, in MiB."""

    code: int
    printed: str
    memory: float


def run(*arguments: str, seconds: float = SECONDS) -> Ended:
    """Run the command in a process of its own with a bounded address space."""
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", START, str(writing), *arguments],
        pass_fds=(writing,), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        killer = threading.Timer(seconds, process.kill)
        killer.start()
        assert process.stdout is not None
        printed = process.stdout.read().decode("utf-8", "replace")
        process.wait()
        killer.cancel()
    os.close(writing)
    with os.fdopen(reading, "rb") as report:
        kibibytes = int(report.read() or 0)
    assert kibibytes, f"the command was killed after {seconds} s"
    return Ended(process.returncode, printed, kibibytes / 1024)


def check(ended: Ended, *codes: str) -> None:
    """That a command ended in order, and with the diagnostics that are expected."""
    assert ended.code in (0, 1, 2), ended.printed[:500]
    assert "Traceback" not in ended.printed
    assert ended.memory < MEBIBYTES
    for code in codes:
        assert code in ended.printed
    assert ended.code == (1 if codes else 0), ended.printed[:500]


TEXTS: dict[str, tuple[str | bytes, str | None]] = {
    "a million parentheses": ("(" * 10**6, "CNN003"),
    "nested as deep as a file can be": ("(" * 200_000, "CNN005"),
    "branches in branches": ("CONV[" * 40_000, "CNN005"),
    "braces in a shape": ("input " + "{" * 50_000, "CNN005"),
    "if without end": (INPUT + "if 1==1 then " * 2000 + "ID" + " else ID" * 2000, "CNN005"),
    "a long sum": (INPUT + "CONV3-{" + "1+" * 40_000 + "1}", "CNN005"),
    "many minus signs": (INPUT + "CONV3-{" + "-" * 60_000 + "1}", "CNN005"),
    "many layers": (INPUT + "CONV*1000000000000000000", "CNN006"),
    "many layers, nested": (INPUT + "((CONV*1000)*1000)*1000", "CNN006"),
    "many times nothing": (INPUT + "ID*1000000000", "CNN006"),
    "many times nothing, nested": (INPUT + "((ID*10000)*10000)*10000", "CNN008"),
    "a long range": (INPUT + "ID for i in 1..1000000000000000000", "CNN006"),
    "many turns": (INPUT + "(ID for i in [" + ",".join("1" for _ in range(30_000)) + "])*9000", "CNN008"),
    "a definition of itself": (INPUT + "def F = F - F\nF", "CNN007"),
    "definitions of each other": (INPUT + "def F = G\ndef G = F\nF", "CNN007"),
    "exponentially much of nothing": (
        INPUT + "def F(n) = if n == 0 then ID else F(n-1) - F(n-1)\nF(90)", "CNN008"),
    "exponentially many layers": (INPUT + "def F(n) = if n == 0 then RELU else F(n-1) - F(n-1)\nF(90)", "CNN006"),
    "stages that double": (INPUT + "def T(f, n) = if n == 0 then f else T([f - f], n-1)\nT(RELU, 60)", "CNN006"),
    "tuples that double": (INPUT + "def T(f, n) = if n == 0 then CONV3-8(pad=f) else T((f, f), n-1)\nT((1,1), 90)", "CNN028"),
    "arguments evaluated again and again": (
        INPUT + "(CONV1-{max(" + ",".join(["1"] * 40_000) + ")})*9000", "CNN0"),
    "a NUL byte": (INPUT + "CONV\0", "CNN004"),
    "invalid UTF-8": (b"\xff\xfe\xfaCONV", "CNN004"),
    "a number of 200,000 digits": (INPUT + "CONV3-" + "9" * 200_000, "CNN028"),
    "a power of a power": (INPUT + "CONV3-{2^(2^60)}", "CNN028"),
    "a tower": (INPUT + "CONV3-{9^9^9^9}", "CNN028"),
    "a real beyond all": (INPUT + "DROPOUT(1e99999)", "CNN028"),
    "rounding to nearly nothing": (INPUT + "CONV3-{round(1e300, 1e-300)}", "CNN028"),
    "a wide layer": (INPUT + "CONV3-2000000000", "CNN028"),
    "a wide linear layer": (INPUT + "FC-2000000000", "CNN028"),
    "channels that double": (INPUT + "CONCAT[ ID | ID ]*60", "CNN028"),
    "sizes that halve for ever": ("input 3x?x?\nCONV3-8/2*9000", "CNN028"),
    "formulas that grow": ("input 3x?x?\n" + " - ".join(["POOL3/2(pad=1, ceil=true)"] * 3000), "CNN028"),
    "unknown layers": (INPUT + " - ".join(f"FOO{i}" for i in range(20_000)), "CNN010"),
    "unknown labels": (INPUT + " - ".join(f"lab{i}: RELU - @bal{i}" for i in range(5000)), "CNN022"),
    "free names": (INPUT + " - ".join(f"CONV3-{'abcdefghij'[i % 10] * 3}{i}x" for i in range(15_000)), "CNN013"),
    "unknown arguments": (INPUT + "CONV(" + ",".join(f"a{i}=1" for i in range(15_000)) + ")", "CNN011"),
    "failing assertions": (INPUT + "CONV\n" + "\n".join(["assert params <= 7"] * 6000), "CNN201"),
    "many nets": ("A\n" * 130_000, "CNN0"),
    "parameters copied by every call": (
        INPUT + "def F = RELU\n" + "\n".join(f"param p{i} = {i}" for i in range(6000)) + "\nF*9000", "CNN008"),
    "thousands of branches": (INPUT + "CONCAT[" + " | ".join(["RELU"] * 9900) + "]", None),
    "a sum of thousands of labels": (
        INPUT + " - ".join(f"a{i}: RELU" for i in range(4000)) + " - ADD["
        + " | ".join(f"@a{i}" for i in range(4000)) + "]", None),
    "thousands of layers, all different": (INPUT + " - ".join(f"CONV3-{i + 1}" for i in range(9000)), None),
    "definitions ninety deep": (INPUT + "def F(n) = if n == 0 then RELU else RES[ F(n-1) ]\nF(90)", None),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_text(name: str, tmp_path: Path) -> None:
    text, code = TEXTS[name]
    spec = tmp_path / "spec.cnn"
    spec.write_bytes(text if isinstance(text, bytes) else text.encode())
    check(run("lint", str(spec), "--fail-level", "error"), *([code] if code else []))


@pytest.mark.parametrize("option", ["1+", "-", "("])
def test_a_raised_limit_is_no_way_around(option: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.cnn"
    spec.write_text(INPUT + "CONV3-{" + option * 15_000 + "1" + ")" * (15_000 if option == "(" else 0) + "}")
    ended = run("lint", str(spec), "--max-nesting", "1000000")
    assert "Traceback" not in ended.printed
    assert ended.memory < MEBIBYTES


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A project's folder with traps in it, and a secret beside it."""
    inner = tmp_path / "project"
    inner.mkdir()
    (tmp_path / "secret.cnn").write_text("def Secret = RELU\n")
    os.mkfifo(inner / "pipe.cnn")
    (inner / "zero.cnn").symlink_to("/dev/zero")
    (inner / "out.cnn").symlink_to("../secret.cnn")
    (inner / "one.cnn").symlink_to("two.cnn")
    (inner / "two.cnn").symlink_to("one.cnn")
    with (inner / "big.cnn").open("wb") as file:
        file.truncate(100_000_000)
    for i in range(120):
        (inner / f"chain{i}.cnn").write_text(f'use "chain{i + 1}.cnn"\n')
    for i in range(20):
        (inner / f"long{i}.cnn").write_text(f'use "long{i + 1}.cnn"\n' + "# a comment\n" * 5000)
    yield inner


@pytest.mark.parametrize("spec", ["pipe.cnn", "zero.cnn", "one.cnn"])
def test_a_spec_that_is_no_file(spec: str, folder: Path) -> None:
    ended = run("lint", str(folder / spec))
    assert ended.code == 2
    assert "Traceback" not in ended.printed
    assert ended.memory < MEBIBYTES


@pytest.mark.parametrize("kind", ["sparse", "garbage"])
def test_a_hundred_megabytes(kind: str, folder: Path) -> None:
    if kind == "garbage":
        block = bytes((i * 7919 + i * i) % 256 for i in range(1 << 20))
        with (folder / "big.cnn").open("wb") as file:
            file.writelines(block for _ in range(100))
    ended = run("lint", str(folder / "big.cnn"))
    check(ended, "CNN003")
    assert "it is not text" in ended.printed


@pytest.mark.parametrize(
    "used",
    ["pipe.cnn", "zero.cnn", "out.cnn", "one.cnn", "big.cnn", "chain0.cnn", "long0.cnn", "/dev/zero", "../secret.cnn",
     ".", "spec.cnn", "zoo:../../secret", "zoo:/etc/passwd", "a" * 100_000, "..", ""],
)  # fmt: skip
def test_what_use_may_not_read(used: str, folder: Path) -> None:
    (folder / "spec.cnn").write_text(f'{INPUT}use "{used}"\nRELU')
    check(run("lint", str(folder / "spec.cnn")), "CNN023")


LARGE = {
    "many layers": INPUT + " - ".join(f"CONV3-{i % 7 + 1} - RELU" for i in range(2000)),
    "nested": INPUT + "def F(n) = if n == 0 then RELU else RES[ F(n-1) ]\nF(90)",
    "many positions": "input 1x1048576x1048576\nADAPTIVEAVGPOOL(1048575)",
    "wide": INPUT + "FC-100000000",
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("command", ["stats", "expand", "compile --to ir -o out", "compile --to torch -o out.py"])
def test_large_graphs(name: str, command: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.cnn"
    spec.write_text(LARGE[name])
    words = [str(tmp_path / word) if word.startswith("out") else word for word in command.split()]
    check(run(words[0], str(spec), *words[1:]))


@pytest.mark.parametrize("command", ["compile --to onnx", "weights init"])
def test_weights_beyond_memory(command: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.cnn"
    spec.write_text(LARGE["wide"])
    check(run(*command.split(), str(spec), "-o", str(tmp_path / "net")), "CNN029")
    ended = run(*command.split(), str(spec), "-o", str(tmp_path / "net"), "--max-params", "10" * 10)
    assert ended.code == 2
    assert "Traceback" not in ended.printed
    assert list(tmp_path.iterdir()) == [spec]


@pytest.mark.parametrize(
    "shape", ["3x99999999999", "3x9999999999", "2147483647x2147483647x2147483647", "0x1", "x", "-1x3"]
)
def test_silly_inputs(shape: str) -> None:
    ended = run("lint", "RELU", f"--input={shape}")
    assert ended.code in (1, 2)
    assert "Traceback" not in ended.printed
