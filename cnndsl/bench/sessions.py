"""Sessions of ONNX Runtime with bound inputs and outputs, and which nodes of them run where."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from ..extras import GPU_BUILD, NativePath, need, preload
from ..record import Record
from .errors import CannotBench, FellBack, OutOfMemory, explained
from .file import ModelFile
from .plan import Plan, Value, plan_of
from .settings import PROVIDERS, Configuration

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.generic]

_RAN: Final = "_kernel_time"
"""What follows a node's name in a profile where it says how long the node ran."""

_NAMED: Final = 5
"""How many operators are named."""


class Placement(Record):
    """The nodes that each provider ran, as ONNX Runtime's optimisations left them: names, and the operator of each."""

    nodes: Mapping[str, Mapping[str, str]]

    def elsewhere(self, provider: str) -> tuple[str, ...]:
        """The nodes that do not run on a provider, each with the one that it runs on."""
        return tuple(f"{name} ({other})" for other, names in self.nodes.items() if other != provider for name in names)

    def operators(self, provider: str) -> str:
        """How many nodes of a provider are of which operator, of the few that are most frequent."""
        counts = Counter(self.nodes[provider].values()).most_common()
        named = [f"{count} {operator}" for operator, count in counts[:_NAMED]]
        return ", ".join([*named, *(["..."] if len(counts) > _NAMED else [])])

    def json(self) -> dict[str, list[dict[str, str]]]:
        """Plain data."""
        return {
            provider: [{"name": name, "operator": operator} for name, operator in nodes.items()]
            for provider, nodes in self.nodes.items()
        }


class Bound:
    """A session with one input and its outputs bound to memory of the device: `run` moves nothing to or from it."""

    def __init__(self, plan: Plan, configuration: Configuration, engines: str, example: Array) -> None:
        runtime = _runtime(configuration.provider)
        doing = f"with a batch of {plan.batch} ({configuration})"
        try:
            session = _open(runtime, plan, configuration, engines)
            device = "cuda" if configuration.on_gpu else "cpu"
            make = runtime.OrtValue
            self._input = make.ortvalue_from_numpy(example, device, 0)
            self._outputs = [make.ortvalue_from_shape_and_type(o.shape, _type(o), device, 0) for o in plan.outputs]
            self._binding = session.io_binding()
            self._binding.bind_ortvalue_input(plan.input.name, self._input)
            for end, value in zip(plan.outputs, self._outputs, strict=True):
                self._binding.bind_ortvalue_output(end.name, value)
        except Exception as error:
            raise explained(error, doing) from None
        self._session = session
        self._doing = doing

    def run(self) -> None:
        """One batch, to the end; raises CannotBench."""
        try:
            self._session.run_with_iobinding(self._binding)
            self._binding.synchronize_outputs()
        except Exception as error:
            raise explained(error, self._doing) from None

    def outputs(self) -> list[Array]:
        """Copies of what the last run gave."""
        return [value.numpy().copy() for value in self._outputs]


def examine(
    file: ModelFile, configuration: Configuration, batch: int | None, size: Sequence[int] | None, engines: str
) -> tuple[Plan, Placement]:
    """Run a model once, with everything allowed and profiled: the plan with its outputs, and which nodes ran where.

    Raises CannotBench where the provider is not there or the model does not run, FellBack where a node ran elsewhere.
    """
    provider, configuration = PROVIDERS[configuration.provider], configuration.uncaptured
    runtime = _runtime(configuration.provider)
    plan = plan_of(file, batch, size)
    doing = f"with an input of {'x'.join(map(str, plan.input.shape))}"
    with TemporaryDirectory(prefix="cnndsl-") as folder:
        session = _examined(runtime, plan, configuration, engines, size, f"{folder}/profile")
        try:
            found = session.run(None, {plan.input.name: plan.example()})
        except Exception as error:
            problem = explained(error, doing)
            raise problem if size is None else _size_refused(plan, size, problem) from None
        finally:
            profile = Path(session.end_profiling())
        placement = _placement(profile)
    lost = placement.elsewhere(provider)
    if lost:
        shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        raise FellBack(f"{configuration.provider} was asked for, and does not run {shown}")
    ends = zip(session.get_outputs(), found, strict=True)
    outputs = tuple(Value(end.name, value.dtype.name, tuple(value.shape)) for end, value in ends)
    return plan.replace(outputs=outputs), placement


def _examined(
    runtime: Any, plan: Plan, configuration: Configuration, engines: str, size: Sequence[int] | None, profile: str
) -> Any:
    """A session that writes down what it runs where, into a file whose name begins like that."""
    options = _options(runtime, plan, configuration)
    options.enable_profiling, options.profile_file_prefix = True, profile
    try:
        return _started(runtime, plan, configuration, engines, options)
    except CannotBench as problem:
        if size is None:
            raise
        whole = plan.replace(dimensions=())
        _started(runtime, whole, configuration, engines, _options(runtime, whole, configuration))
        raise _size_refused(plan, size, problem) from None  # with the sizes left open it starts


def _size_refused(plan: Plan, size: Sequence[int], problem: CannotBench) -> CannotBench:
    """What fails because of a size that the file leaves open, in words; what has another reason as it is."""
    if isinstance(problem, FellBack | OutOfMemory):
        return problem
    return CannotBench(
        f"the network in {plan.path} does not take {'x'.join(map(str, size))}, though it leaves its sizes open: try another "
        f"--size, such as multiples of 32; {problem}"
    )


def _type(end: Value) -> Any:
    import numpy as np

    return np.dtype(end.type).type


def _runtime(provider: str) -> Any:
    """ONNX Runtime, if it has a provider; raises CannotBench, MissingExtra."""
    runtime = need("onnxruntime", "cpu" if provider == "cpu" else "gpu")
    if PROVIDERS[provider] not in runtime.get_available_providers():
        raise CannotBench(f"this ONNX Runtime has no {PROVIDERS[provider]}: {GPU_BUILD}")
    if provider != "cpu":
        preload(runtime)
    return runtime


def _quiet(runtime: Any) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    return options


def _options(runtime: Any, plan: Plan, configuration: Configuration) -> Any:
    """The options of a session for one plan."""
    options = _quiet(runtime)
    for name, size in plan.dimensions:
        options.add_free_dimension_override_by_name(name, size)
    for name, value in configuration.session_options:
        setattr(options, name, _meant(runtime, value))
    return options


def _meant(runtime: Any, value: str) -> Any:
    """A value as it is written in Python: a number, a truth value, or a name of ONNX Runtime."""
    if value.isdigit():
        return int(value)
    if value in ("True", "False"):
        return value == "True"
    return reduce(getattr, value.split("."), runtime)


def _open(runtime: Any, plan: Plan, configuration: Configuration, engines: str) -> Any:
    """A session that refuses to run anything elsewhere."""
    options = _options(runtime, plan, configuration)
    if configuration.on_gpu:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return _started(runtime, plan, configuration, engines, options)


def _started(runtime: Any, plan: Plan, configuration: Configuration, engines: str, options: Any) -> Any:
    """A session, whose provider is the one that was asked for; ONNX Runtime goes on without one that does not start."""
    provider = PROVIDERS[configuration.provider]
    own = configuration.provider_options(engines, plan.precision)
    try:
        session = runtime.InferenceSession(
            NativePath(plan.path), options, providers=[(provider, own)], enable_fallback=False
        )
    except Exception as error:
        if "fallback to cpu ep" in str(error).lower():
            raise FellBack(f"{configuration.provider} was asked for, and does not run every node") from None
        raise explained(error, f"when {provider} starts") from None
    found = session.get_providers()[0]
    if found != provider:
        raise CannotBench(f"{provider} does not start here, and ONNX Runtime took {found}: {GPU_BUILD}")
    return session


def _placement(profile: Path) -> Placement:
    """Where the nodes ran of which a profile tells."""
    found: dict[str, dict[str, str]] = {}
    for event in json.loads(profile.read_text(encoding="utf-8")):
        if event.get("cat") == "Node" and event["name"].endswith(_RAN):
            ran = event["args"]
            found.setdefault(ran["provider"], {})[event["name"].removesuffix(_RAN)] = ran["op_name"]
    return Placement(found)
