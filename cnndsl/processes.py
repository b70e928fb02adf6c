"""Work divided among processes. One that ends early costs the item that it was at, and no other."""

from __future__ import annotations

import gc
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext


class Ended:
    """In place of a result: the process that was at the item is no more."""


def cores() -> int:
    """How many processes can run at once here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def divide(items: Sequence[Any], work: Callable[[Any], Any], processes: int) -> Iterator[tuple[int, Any]]:
    """Numbers of items, each with what `work` makes of it, as they are done; `Ended()` for one that ended its process.

    `work` and the items go through a pickle where processes cannot be forked.
    """
    from multiprocessing.connection import wait

    waiting = deque(range(len(items)))
    portion = max(1, min(8, len(items) // (4 * processes)))
    gc.freeze()  # what is here now stays here, and is shared
    crew = _Crew(work, processes)
    try:
        while waiting or any(crew.at.values()):
            for idle in [one for one, numbers in crew.at.items() if not numbers]:
                numbers = [waiting.popleft() for _ in range(min(portion, len(waiting)))]
                crew.give(idle, numbers, items)
            for connection in wait([one for one, numbers in crew.at.items() if numbers]):
                number, result, back = crew.take(cast("Connection", connection))
                waiting.extendleft(reversed(back))
                yield number, result
    finally:
        crew.dismiss()
        gc.unfreeze()


class _Crew:
    """The processes, by the connection to each, with the numbers of the items that it is at."""

    def __init__(self, work: Callable[[Any], Any], processes: int) -> None:
        self.at: dict[Connection, deque[int]] = {}
        self._work = work
        self._context = _context()
        for _ in range(processes):
            self._hire()

    def _hire(self) -> None:
        mine, its = self._context.Pipe()
        # a forked process has copies of these ends, and would never see them closed
        ours = (*self.at, mine) if self._context.get_start_method() == "fork" else ()
        arguments = (its, self._work, ours)
        process = self._context.Process(target=_serve, args=arguments, daemon=True)  # type: ignore[attr-defined]
        process.start()
        its.close()
        self.at[mine] = deque()

    def give(self, connection: Connection, numbers: list[int], items: Sequence[Any]) -> None:
        """Send items; a process that is gone is noticed when its results are taken."""
        if not numbers:
            return
        self.at[connection].extend(numbers)
        with suppress(OSError):
            connection.send([items[number] for number in numbers])

    def take(self, connection: Connection) -> tuple[int, Any, list[int]]:
        """The next result, and the items to be given to others: those after one that ended its process."""
        numbers = self.at[connection]
        number = numbers.popleft()
        try:
            return number, connection.recv(), []
        except (EOFError, OSError):
            del self.at[connection]
            connection.close()
            self._hire()
            return number, Ended(), list(numbers)

    def dismiss(self) -> None:
        """Let every process end, which it does when nobody can give it work."""
        for connection in self.at:
            connection.close()


def _context() -> BaseContext:
    """Forked processes have all that is imported; where that is not safe they start anew."""
    import multiprocessing
    import threading

    forks = sys.platform == "linux" and threading.active_count() == 1
    return multiprocessing.get_context("fork" if forks else "spawn")


def _serve(connection: Connection, work: Callable[[Any], Any], others: Sequence[Connection]) -> None:
    """A process: work on what is sent until the other end is closed. An interrupt ends it without a word."""
    import signal

    for other in others:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.enable()
    try:
        while True:
            for item in connection.recv():
                connection.send(work(item))
    except (EOFError, OSError):
        return
