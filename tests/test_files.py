"""Output files: whole or not at all, alone and together."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cnndsl.files import OutputFiles, publish, write_bytes, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_text_and_bytes(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "3×224×224\n")
    write_bytes(tmp_path / "b", b"\0\1")
    assert (tmp_path / "a.txt").read_bytes() == "3×224×224\n".encode()
    assert (tmp_path / "b").read_bytes() == b"\0\1"
    assert names(tmp_path) == ["a.txt", "b"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"before")
    with pytest.raises(RuntimeError), OutputFiles() as files:
        files.open(tmp_path / "a").write(b"half")
        files.open(tmp_path / "b").write(b"half")
        raise RuntimeError
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_nothing_appears_before_the_end(tmp_path: Path) -> None:
    with OutputFiles() as files:
        files.open(tmp_path / "a").write(b"all")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"all"


@pytest.mark.parametrize("before", [b"before", None])
def test_two_files_or_neither(tmp_path: Path, before: bytes | None) -> None:
    if before is not None:
        (tmp_path / "a").write_bytes(before)
    with pytest.raises(OSError), OutputFiles() as files:
        files.open(tmp_path / "a").write(b"new")
        files.open(tmp_path / "b").write(b"new")
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "in the way").touch()
    assert names(tmp_path) == (["b"] if before is None else ["a", "b"])
    assert before is None or (tmp_path / "a").read_bytes() == before


def test_published_together(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    made = [tmp_path / "made" / name for name in ("m", "m.data")]
    for path in made:
        path.write_bytes(path.name.encode())
    assert publish(made, tmp_path) == (tmp_path / "m", tmp_path / "m.data")
    assert names(tmp_path) == ["m", "m.data", "made"]
    assert (tmp_path / "m.data").read_bytes() == b"m.data"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"before")
    (tmp_path / "link").symlink_to("real")
    write_bytes(tmp_path / "link", b"after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"after"


def test_permissions_are_the_usual_ones(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_pipe_receives_the_bytes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_bytes(pipe, b"through")
    reader.join(10)
    assert received == [b"through"]
    assert pipe.is_fifo()


def test_standard_output_is_appended_to(tmp_path: Path) -> None:
    command = "from cnndsl.files import write_bytes; print('first', flush=True); write_bytes('/dev/stdout', b'second')"
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", command], check=True, stdout=out)
    assert (tmp_path / "out").read_bytes() == b"first\nsecond"


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=f"is a folder: name a file in it, as {tmp_path}/NAME"):
        write_bytes(tmp_path, b"")
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError, match="round is a link that leads back to itself"):
        write_bytes(tmp_path / "round", b"")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_bytes(tmp_path / "none" / "a", b"")


@pytest.mark.parametrize(("which", "name"), [(None, "a"), (0, "a"), (1, "b")])
def test_an_error_names_what_was_asked_for(
    which: int | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no temporary file, which is gone by then."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError) as raised, OutputFiles() as files:
        staged = [files.stage("a"), files.stage("b")]
        raise OSError(errno.ENOSPC, "no room", None if which is None else str(staged[which]))
    assert raised.value.filename == name


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_device_that_is_full_is_named() -> None:
    with pytest.raises(OSError) as raised:
        write_bytes("/dev/full", b"content")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, "/dev/full")


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_permissions_stay(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "before")
    target.chmod(0o640)
    write_text(target, "after")
    assert target.stat().st_mode & 0o777 == 0o640
    assert target.read_text() == "after"
