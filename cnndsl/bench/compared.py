"""The same network in PyTorch: first whether it gives the same, then eager and compiled, to be timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from ..extras import need
from ..record import Record
from ..verify import Difference, difference
from .errors import CannotBench, explained, line
from .file import ModelFile
from .plan import Plan
from .sessions import Bound
from .settings import Configuration

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..ir import Graph

    Array = npt.NDArray[np.generic]

AGREEMENT: Final = {"fp32": 1e-3, "fp16": 2e-2, "int8": 2e-1}
"""How far outputs may be apart, relative, by the precision of the file; TF32 is off while they are compared."""

RESIZED: Final = 5e-2
"""The same where the file resizes images itself: bytes that are rounded differently differ by a level."""


class Torch(Record):
    """The network and the weights that PyTorch runs."""

    graph: Graph
    arrays: Mapping[str, Array]


class Agreement(Record):
    """How far PyTorch's outputs and the file's are apart, and how far they may be."""

    difference: Difference
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether they are within the tolerance."""
        return self.difference.within(self.tolerance)

    def json(self) -> dict[str, Any]:
        """Plain data."""
        apart = {"norm": self.difference.norm, "maximum": self.difference.maximum}
        return {"agrees": self.agrees, "tolerance": self.tolerance, **apart}


class Rival(Record):
    """Something else to be timed: what runs a batch, the seconds until it first had, or why it cannot.

    `output` is what it gives for the batch, as 32-bit floats.
    """

    run: Callable[[], None] | None
    start: float | None = None
    problem: str | None = None
    output: npt.NDArray[np.float32] | None = None


class Opponent:
    """A network in PyTorch on the device and in the precision of a session."""

    def __init__(self, side: Torch, configuration: Configuration, precision: str, threads: int = 0) -> None:
        self._torch = need("torch", "torch")
        if configuration.on_gpu and not self._torch.cuda.is_available():
            raise CannotBench(
                f"this torch ({self._torch.__version__}) sees no CUDA device to run beside: `cnndsl doctor`"
            )
        from ..lower.torch import to_module

        self.device = "cuda" if configuration.on_gpu else "cpu"
        half = precision == "fp16" or configuration.get("trt_fp16_enable") == "1"
        self._type = self._torch.float16 if half else self._torch.float32
        self._module = to_module(side.graph, side.arrays).eval().to(self.device, self._type)
        if configuration.on_gpu:
            self._module = self._module.to(memory_format=self._torch.channels_last)  # type: ignore[call-overload]
            allow_tf32(self._torch, configuration.get("use_tf32") != "0")
        if threads:
            self._torch.set_num_threads(threads)

    def _placed(self, x: Array) -> Any:
        value = self._torch.from_numpy(x).to(self.device, self._type)
        spatial = self.device == "cuda" and value.dim() == 4
        return value.contiguous(memory_format=self._torch.channels_last) if spatial else value

    def output(self, x: Array) -> npt.NDArray[np.float32]:
        """What the module gives, as 32-bit floats."""
        with self._torch.inference_mode():
            found: npt.NDArray[np.float32] = self._module(self._placed(x)).float().cpu().numpy()
        return found

    def eager(self, x: Array) -> Rival:
        """The module as it is."""
        return self._rival(lambda: self._module, x)

    def compiled(self, x: Array) -> Rival:
        """The module through `torch.compile`; on a GPU with max-autotune, which captures CUDA graphs."""
        mode = "max-autotune" if self.device == "cuda" else "default"
        return self._rival(lambda: self._torch.compile(self._module, mode=mode, dynamic=False), x)

    def _rival(self, make: Callable[[], Any], x: Array) -> Rival:
        torch, wait = self._torch, self._torch.cuda.synchronize if self.device == "cuda" else lambda: None

        def run() -> Any:
            with torch.inference_mode():
                found = module(value)
            wait()
            return found

        begun = perf_counter()
        try:
            module, value = make(), self._placed(x)
            first = run()
        except Exception as error:  # torch.compile's errors are many, one for each of its parts
            return Rival(None, problem=line(explained(error, "in PyTorch")))
        return Rival(run, perf_counter() - begun, output=first.float().cpu().numpy())


def allow_tf32(torch: Any, allowed: bool) -> None:
    """Whether 32-bit products on a GPU may have 10-bit mantissas.

    Said as it was before PyTorch 2.9, which says it in the new way too: inductor reads both, and up to 2.13 at least it
    fails where only `fp32_precision` is set.
    """
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    torch.backends.cudnn.allow_tf32 = allowed


def compared(side: Torch, file: ModelFile, plan: Plan, configuration: Configuration, engines: str) -> Agreement:
    """Run both on the same images, nothing rounded that need not be; raises CannotBench, MissingExtra."""
    import numpy as np

    exact = configuration.with_("use_tf32", "0") if configuration.get("use_tf32") else configuration
    given, x = inputs(side, file, plan)
    try:
        expected = Opponent(side, exact, plan.precision).output(x)
    except (RuntimeError, ValueError) as error:
        raise explained(error, "in PyTorch") from None
    session = Bound(plan, exact, engines, given)
    session.run()
    found = session.outputs()[0].astype(np.float32)
    tolerance = max(AGREEMENT[plan.precision], RESIZED if file.preprocesses else 0.0)
    return Agreement(difference(found, expected), tolerance)


def inputs(side: Torch, file: ModelFile, plan: Plan) -> tuple[Array, Array]:
    """Random images as the file takes them, and as the network does, which are the same unless the file preprocesses."""
    import numpy as np

    if not file.preprocesses:
        x = plan.example()
        return x, x.astype(np.float32)
    contract = side.graph.preprocess
    if contract is None:
        raise CannotBench(f"{file.path} takes images, and the spec of {side.graph.name} has no `preprocess`")
    from ..images import BrokenImage, handed_in, network_input

    image = need("PIL.Image", "images")
    height, width = plan.input.shape[2:] if contract.layout == "nchw" else plan.input.shape[1:3]
    source = np.random.default_rng(0)
    shape = (height, width) if contract.image == "grey" else (height, width, 3)
    pictures = [image.fromarray(source.integers(0, 256, shape, np.uint8)) for _ in range(plan.batch)]
    try:
        given = np.ascontiguousarray(np.stack([handed_in(contract, picture) for picture in pictures]))
        return given, np.stack([network_input(contract, picture) for picture in pictures])
    except BrokenImage as problem:
        raise CannotBench(f"--size {height}x{width} does not do: {problem}") from None
