"""Ctrl-C ends the command without a word, with the exit code of shells, from the package's first line on.

The process ends at once: an exception in the midst of imports is printed, lost, or fatal to what is not written in Python.
Only where something is half done does it come as KeyboardInterrupt, which undoes that.
"""

import os
import sys

INTERRUPTED = 130


class Undoing:
    """A block that undoes what it has begun when it is left by an exception, KeyboardInterrupt too."""

    begun = 0

    def __enter__(self) -> None:
        Undoing.begun += 1

    def __exit__(self, *_: object) -> None:
        Undoing.begun -= 1


def take_over() -> None:
    """Answer interrupts from here on: where this package is the command, and its caller does not have them ignored."""
    if not _is_command():
        return
    try:
        from signal import SIGINT, default_int_handler, getsignal, signal

        if getsignal(SIGINT) is default_int_handler:
            signal(SIGINT, _answer)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)


def _answer(number: int, frame: object) -> None:
    if Undoing.begun:
        raise KeyboardInterrupt
    os._exit(INTERRUPTED)


def _is_command() -> bool:
    """Whether this process is `cnndsl` or `python -m cnndsl`, not a program that uses the library."""
    started, program = sys.orig_argv, sys.argv[0] if sys.argv else ""
    if program == "-m":  # the module to run is being looked for, and this package on the way
        return any(started[at : at + 2] == ["-m", "cnndsl"] for at in range(len(started)))
    return os.path.basename(program).partition(".")[0] == "cnndsl"  # noqa: PTH119
