"""Ctrl-C and a request to end are answered without a word, with the exit code of shells, from the package's first line on.

The process ends at once: an exception in the midst of imports is printed, lost, or fatal to what is not written in Python.
Only where something is half done does it come as KeyboardInterrupt, which undoes that.
"""

import os
import sys


class Undoing:
    """A block that undoes what it has begun when it is left by an exception, KeyboardInterrupt too."""

    begun = 0

    def __enter__(self) -> None:
        Undoing.begun += 1

    def __exit__(self, *_: object) -> None:
        Undoing.begun -= 1


class Interrupt(KeyboardInterrupt):
    """One that knows its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


def interrupted(error: KeyboardInterrupt) -> int:
    """The exit code of a process that was interrupted."""
    return error.code if isinstance(error, Interrupt) else _code(2)


def take_over() -> None:
    """Answer interrupts from here on: where this package is the command, and its caller does not have them ignored."""
    if not _is_command():
        return
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _answer)
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no terminal that hangs up
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _answer)
    except KeyboardInterrupt:
        os._exit(_code(2))


def _answer(number: int, frame: object) -> None:
    if Undoing.begun:
        raise Interrupt(_code(number))
    os._exit(_code(number))


def _code(number: int) -> int:
    """What a shell gives for a process that a signal ended: 130 for Ctrl-C, which is signal 2."""
    return 128 + number


def _is_command() -> bool:
    """Whether this process is `cnndsl` or `python -m cnndsl`, not a program that uses the library."""
    started, program = sys.orig_argv, sys.argv[0] if sys.argv else ""
    if program == "-m":  # the module to run is being looked for, and this package on the way
        return any(started[at : at + 2] == ["-m", "cnndsl"] for at in range(len(started)))
    return os.path.basename(program).partition(".")[0] == "cnndsl"  # noqa: PTH119
