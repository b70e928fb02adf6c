"""A session as Python to be pasted: what was timed, and nothing of this package."""

from __future__ import annotations

from collections.abc import Iterator

from .plan import Plan, Value
from .settings import ENGINES, PROVIDERS, Configuration


def snippet(plan: Plan, configuration: Configuration) -> str:
    """A script that opens the session of a configuration, binds its input and outputs, and runs one batch."""
    return "\n".join(_lines(plan, configuration)) + "\n"


def _lines(plan: Plan, configuration: Configuration) -> Iterator[str]:
    gpu = configuration.on_gpu
    device = "cuda" if gpu else "cpu"
    any_batch = plan.open_batch
    yield from ("import numpy as np", "import onnxruntime as ort", "")
    if any_batch:
        yield f"batch = {plan.batch}"
    if gpu:
        yield "ort.preload_dlls()  # the CUDA libraries of the nvidia wheels"
    yield "options = ort.SessionOptions()"
    for place, (name, size) in enumerate(plan.dimensions):
        yield f"options.add_free_dimension_override_by_name({name!r}, {'batch' if place == 0 and any_batch else size})"
    for name, value in configuration.session_options:
        yield f"options.{name} = {f'ort.{value}' if '.' in value else value}"
    if gpu:
        yield "options.add_session_config_entry('session.disable_cpu_ep_fallback', '1')"
    own = configuration.provider_options(ENGINES, plan.precision)
    yield f"providers = [({PROVIDERS[configuration.provider]!r}, {own!r})]"
    yield f"session = ort.InferenceSession({_model(plan.path)}, options, providers=providers)"
    yield ""
    yield f"images = np.zeros({_shape(plan, plan.input)}, np.{plan.input.type})"
    yield f"x = ort.OrtValue.ortvalue_from_numpy(images, '{device}', 0)"
    yield "binding = session.io_binding()"
    yield f"binding.bind_ortvalue_input({plan.input.name!r}, x)"
    names = _names(plan.outputs)
    for name, end in zip(names, plan.outputs, strict=True):
        made = f"ort.OrtValue.ortvalue_from_shape_and_type({_shape(plan, end)}, np.{end.type}, '{device}', 0)"
        yield f"{name} = {made}"
        yield f"binding.bind_ortvalue_output({end.name!r}, {name})"
    yield ""
    yield "x.update_inplace(images)  # the next batch, into the same memory"
    yield "session.run_with_iobinding(binding)"
    yield "binding.synchronize_outputs()"
    yield f"print({', '.join(f'{name}.numpy().shape' for name in names)})"


def _model(path: str) -> str:
    """A file as ONNX Runtime takes it: by its name if that is text, else by what is in it."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return f"np.fromfile({path!r}, np.uint8).tobytes()"
    return repr(path)


def _shape(plan: Plan, end: Value) -> str:
    """A shape as Python, the batch by its name where there may be another."""
    sizes = [*map(str, end.shape)]
    if plan.open_batch and end.shape[:1] == (plan.batch,):
        sizes[0] = "batch"
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"


def _names(outputs: tuple[Value, ...]) -> list[str]:
    return ["y"] if len(outputs) == 1 else [f"y{number}" for number in range(1, len(outputs) + 1)]
