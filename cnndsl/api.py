"""The library that others call: `parse`, `load`, `lint`, `stats`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .compiler import Compiled, compile_text, dimensions, read_spec
from .diagnostics import Diagnostic, SpecError
from .ir import Graph
from .limits import DEFAULT_LIMITS, Limits
from .lint import EVERYTHING, Options, Selection, Subject, Written
from .lint import lint as run_rules
from .parser import parse_file
from .record import Record
from .source import Source
from .syntax import File

if TYPE_CHECKING:
    import numpy as np
    import torch

    from .analysis.statistics import Statistics
    from .backends import Int8, OnnxOptions
    from .lower.onnx import Precision
    from .quantise import Inputs, Report

    Arrays = dict[str, np.ndarray[Any, Any]]

DEFAULT_OPTIONS = Options()
Spec = str | PathLike[str]
"""A file, `-` for standard input, `zoo:NAME`, or the notation itself."""


class Network(Record):
    """A compiled spec. `graph` is the network; everything else is made from it."""

    graph: Graph
    compiled: Compiled

    def torch(self, seed: int = 0) -> torch.nn.Module:
        """An ordinary PyTorch module whose weights are `init(graph, seed)`.

        Takes N×C×H×W (as the input's rank says) and gives N×classes or N×C×H×W; in training mode a network with AUX heads
        gives `(y, aux1, ...)`. Raises MissingExtra where torch is not installed.
        """
        from .extras import need
        from .weights import init

        need("torch", "torch")
        from .lower.torch import to_module

        return to_module(self.graph, init(self.graph, seed))

    def onnx(
        self,
        path: Spec,
        weights: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        opset: int = 18,
        with_preprocess: bool = False,
        passes: str | Iterable[str] = "all",
        precision: Precision | Literal["int8"] = "fp32",
        io_type: Precision = "fp32",
        calibrate: Inputs | Int8 | None = None,
    ) -> Report | None:
        """Write an ONNX file with these weights, or with `init(graph, seed)`; it appears whole or not at all.

        `weights` are arrays or tensors, named as in the module's state dict; that does too. With `with_preprocess` the file
        takes images as the spec's `preprocess` says that they are handed in, N×H×W×C bytes where it says nothing else.
        `passes` are the names of those of `cnndsl.passes` to apply, "all" or "none". In the precision `fp16` what needs the
        range stays in FP32, and so do layers whose weights FP16 cannot hold, which a UserWarning names; `io_type` is the
        type of input and output.

        In `int8` ranges come from the real inputs that `calibrate` names or holds: a folder or file as the command takes
        it, an array of inputs, a pair of them and their labels, or an `Int8`, which bounds the loss. The Report on it is
        returned; its notices are UserWarnings. Raises backends.Disagreement where more is lost than may be.

        Raises ValueError where one of the weights is missing or of another shape or is of no layer, a pass or precision
        is unknown, or what is to calibrate on does not do; OSError.
        """
        from .lower.onnx import Format, unfit, write_onnx
        from .passes import listed, optimise
        from .weights import initial

        _check(precision, io_type, seed, calibrate)
        values = initial(self.graph, seed) if weights is None else self._arrays(weights)
        chosen = listed(passes) if isinstance(passes, str) else tuple(passes)
        if precision == "int8":
            from .backends import OnnxOptions

            if calibrate is None:
                raise ValueError("precision 'int8' needs real inputs to find the ranges of its values: calibrate=...")
            options = OnnxOptions(values, opset=opset, with_preprocess=with_preprocess, passes=chosen)
            return self._int8(Path(path), options, calibrate)
        model = optimise(self.graph, values, chosen)
        lost = unfit(model.graph, model.arrays, opset) if precision == "fp16" else ()
        if lost:
            warnings.warn(f"kept in FP32: {'; '.join(map(str, lost))}", stacklevel=2)
        write_onnx(
            path,
            model.graph,
            model.arrays,
            opset=opset,
            with_preprocess=with_preprocess,
            form=Format(precision, io_type, frozenset(loss.node for loss in lost)),
            of=self.graph,
            passes=model.applied,
        )
        return None

    def _int8(self, path: Path, options: OnnxOptions, calibrate: Inputs | Int8) -> Report | None:
        """Write an INT8 file; the report on it."""
        from .backends import Int8, compile_onnx

        how = calibrate if isinstance(calibrate, Int8) else Int8(calibrate)
        written = compile_onnx(self.graph, path, options.replace(int8=how))
        for notice in written.notices:
            warnings.warn(notice.removeprefix("warning: "), stacklevel=3)
        return written.quantisation

    def images(self, paths: str | PathLike[str] | Iterable[str | PathLike[str]]) -> np.ndarray[Any, Any]:
        """Image files, or one, as the network takes them: N×C×H×W in float32, made as the spec's `preprocess` says.

        Equals torchvision's Resize, CenterCrop, ToTensor and Normalize, bit for bit. Raises ValueError where the spec has no
        `preprocess`, a file is no image (BrokenImage), or the images become inputs of several sizes; MissingExtra.
        """
        import numpy as np

        from .images import read_input

        preprocess = self.graph.preprocess
        if preprocess is None:
            raise ValueError(
                f"{self.graph.name} does not say how images become its input: write `preprocess` in the spec"
            )
        height, width = (size if isinstance(size, int) else None for size in self.graph.input_shape.spatial)
        files = [paths] if isinstance(paths, str | PathLike) else paths
        made = [read_input(path, preprocess, (height, width)) for path in files]
        if len({array.shape for array in made}) != 1:
            problem = "they become inputs of several sizes, so take one at a time" if made else "there are none"
            raise ValueError(f"the images do not make one array: {problem}")
        return np.stack(made)

    def _arrays(self, weights: Mapping[str, Any]) -> Arrays:
        """Weights as arrays; raises ValueError for one of no layer, and for numbers with which there is none."""
        import numpy as np

        from .storage import broken
        from .weights import tensors

        known = {f"{node.name}.{weight.name}" for _, node, weight in tensors(self.graph)}
        stray = next((name for name in weights if name not in known), None)
        if stray is not None:
            raise ValueError(f"the network has no array {stray}")
        # a tensor of torch may want a gradient, or lie on another device
        held = {name: value.detach().cpu() if hasattr(value, "detach") else value for name, value in weights.items()}
        arrays = {name: np.asarray(value) for name, value in held.items()}
        problem = broken(arrays, self.graph)
        if problem is not None:
            raise ValueError(problem)
        return arrays

    def stats(self) -> Statistics:
        """Parameters, MACs, memory and receptive field, by layer and in all."""
        from .analysis.statistics import statistics

        return statistics(self.graph)


def _check(precision: str, io_type: str, seed: int, calibrate: object) -> None:
    """Raise ValueError for what `onnx` cannot be asked for."""
    if precision not in ("fp32", "fp16", "int8"):
        raise ValueError(f"precision is {precision!r}; write 'fp32', 'fp16' or 'int8'")
    if io_type not in ("fp32", "fp16"):
        raise ValueError(f"io_type is {io_type!r}; write 'fp32' or 'fp16'")
    if type(seed) is not int:
        raise ValueError(f"seed is {seed!r}; write a whole number")
    if precision != "int8" and calibrate is not None:
        raise ValueError("calibrate is for precision 'int8'")
    if precision == "int8" and io_type != "fp32":
        raise ValueError("io_type is for precision 'fp32' and 'fp16'; an INT8 model takes and gives FP32")


def parse(text: str, name: str = "<spec>") -> File:
    """The syntax tree of a text; raises SpecError with every syntax error."""
    file, problems = parse_file(Source(name, text))
    if problems:
        raise SpecError(problems)
    return file


def load(
    spec: Spec, *, input: str | tuple[int, ...] | None = None, limits: Limits = DEFAULT_LIMITS, **settings: Any
) -> Network:
    """The network of a spec: `load("resnet.cnn", N=2, classes=10)`, `load("[(CONV-RELU)*2-POOL]*3-FC-10", input="3x32x32")`.

    `input` replaces the spec's input shape; the other keywords are parameters, free names and choices (a bool, or a tuple
    of them). Raises SpecError with every diagnostic, Unreadable where there is no such file, ValueError for a bad `input`.
    """
    compiled = _compile(spec, input, limits, settings)
    if compiled.graph is None:
        raise SpecError(compiled.diagnostics)
    return Network(compiled.graph, compiled)


def lint(
    spec: Spec, *, input: str | tuple[int, ...] | None = None, limits: Limits = DEFAULT_LIMITS, **settings: Any
) -> tuple[Diagnostic, ...]:
    """Every finding in a spec: what compiling rejects, else what the rules find. Raises Unreadable as `load` does."""
    try:
        compiled = _compile(spec, input, limits, settings, first_members=True)
    except SpecError as unreadable:
        return unreadable.diagnostics
    return findings(compiled)


def findings(
    compiled: Compiled, selection: Selection = EVERYTHING, options: Options = DEFAULT_OPTIONS, path: str = ""
) -> tuple[Diagnostic, ...]:
    """What compiling found, and what the rules find in the text and, where there is one, in the graph.

    `path` is the file's below its configuration, which patterns of `selection` are about.
    """
    elaborated = compiled.elaborated
    facts = (
        compiled.file, elaborated.unit, compiled.settings, compiled.input_shape, compiled.family, compiled.limits, options,
    )  # fmt: skip
    written = Written(*facts) if compiled.graph is None else Subject(*facts, compiled.graph, elaborated.spans)
    return compiled.diagnostics + run_rules(written, selection, path)


def stats(spec: Spec | Graph, *, input: str | tuple[int, ...] | None = None, **settings: Any) -> Statistics:
    """The costs of a spec or a graph; raises as `load` does."""
    from .analysis.statistics import statistics

    return statistics(spec if isinstance(spec, Graph) else load(spec, input=input, **settings).graph)


def _compile(
    spec: Spec, input_shape: str | tuple[int, ...] | None, limits: Limits, settings: dict[str, Any],
    *, first_members: bool = False,
) -> Compiled:  # fmt: skip
    if isinstance(input_shape, tuple | list):
        input_shape = "x".join(map(str, input_shape))
    if input_shape is not None and not isinstance(input_shape, str):
        raise ValueError(f"input is {input_shape!r}; write '3x32x32' or (3, 32, 32)")
    shape = dimensions(input_shape) if input_shape is not None else None
    text = read_spec(spec if isinstance(spec, str) else Path(spec), limits, settings)
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return compile_text(text, given, shape, limits, first_members=first_members)
