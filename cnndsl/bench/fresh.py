"""What a session costs in a process of its own: the seconds until it stands and until its first batch, and memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from threading import current_thread, main_thread
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..extras import MissingExtra, need
from ..nvidia import first_gpu
from ..record import Record
from .errors import CannotBench, OutOfMemory, explained
from .plan import Plan
from .sessions import Bound
from .settings import Configuration

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

RUNS = 3

LEAVING = 10.0
"""Seconds that a process has after its answer: what it leaves behind unasked, others complain of."""

_STEP: Final = None
"""What a process sends for a step; no function's result."""

Result = TypeVar("Result")


class Fresh(Record):
    """Seconds to open the session and for the first batch; the most bytes that the process had, and the GPU's for it.

    None where the system does not say.
    """

    start: float
    first: float
    resident: int | None
    gpu: int | None

    def json(self) -> dict[str, Any]:
        """Plain data, in seconds and bytes."""
        return {
            "session_start": self.start, "first_batch": self.first,
            "peak_resident": self.resident, "gpu_memory": self.gpu,
        }  # fmt: skip


def alone(
    batch: int | None, function: Callable[..., Result], *arguments: Any, step: Callable[[], None] | None = None
) -> Result:
    """Call a function in a process of its own, so that no other is ended where the system has no memory left.

    With `step` the function is given a keyword argument of that name, whose calls there are calls of it here. Raises
    OutOfMemory where the process does not come to its end, and what the function raises.
    """
    from multiprocessing import get_context

    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, function, arguments, step is not None), daemon=True)
    with _uninterrupted():
        process.start()
    sender.close()
    try:
        while (found := receiver.recv()) is _STEP:
            if step is not None:
                step()
        process.join(LEAVING)
    except EOFError:
        tried = "it" if batch is None else f"a batch of {batch}"
        advice = "try a smaller --batch or --size"
        raise OutOfMemory(f"the process that tried {tried} was ended, most likely out of memory: {advice}") from None
    finally:
        process.terminate()
        process.join()
        receiver.close()
    if isinstance(found, Exception):
        raise found
    made: Result = found
    return made


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A process that is started meanwhile has Ctrl-C ignored, which would print a traceback: who started it ends it."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal(SIGINT, SIG_IGN)
    try:
        yield
    finally:
        signal(SIGINT, before)


def _answer(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], steps: bool) -> None:
    """Send what a function gives, or what it raises, which must not fail to be pickled; and its steps before."""
    with suppress(OSError):  # Linux ends this process first then, and none beside it
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    try:
        answer = function(*arguments, **({"step": lambda: sender.send(_STEP)} if steps else {}))
    except (CannotBench, MissingExtra) as problem:
        answer = problem
    except Exception as error:
        answer = explained(error, "in a process of its own")
    sender.send(answer)


def fresh(plan: Plan, configuration: Configuration, engines: str) -> Fresh:
    """Measure it, in this process, which should have done nothing before; raises CannotBench."""
    example = plan.example()
    before = first_gpu() if configuration.on_gpu else None
    need("onnxruntime", "cpu")  # its import is not the session's
    begun = perf_counter()
    session = Bound(plan, configuration, engines, example)
    stands = perf_counter()
    session.run()
    ran = perf_counter()
    for _ in range(RUNS):
        session.run()
    after = first_gpu() if configuration.on_gpu else None
    memory = None if before is None or after is None else max(0, after.used - before.used)
    return Fresh(stands - begun, ran - stands, peak_resident(), memory)


def peak_resident() -> int | None:
    """The most bytes of memory that this process has had; None where the system does not say."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would count what the parent had when it forked
        lines = dict(
            line.partition(":")[::2] for line in status.read_text(encoding="ascii", errors="replace").splitlines()
        )
        if "VmHWM" in lines:
            return int(lines["VmHWM"].split()[0]) * 1024
    if sys.platform == "win32":
        return None
    from resource import RUSAGE_SELF, getrusage

    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
