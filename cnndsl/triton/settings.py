"""How a model is served, and that as config.pbtxt: protobuf's text format of Triton's `ModelConfig`.

https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html and
https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from ..record import Record

if TYPE_CHECKING:
    from ..lower.onnx.structure import End, Ends

LABELS = "labels.txt"
KINDS: Final = ("auto", "gpu", "cpu")
ACCELERATORS: Final = ("cuda", "tensorrt")
EXISTING: Final = ("keep", "replace")

TYPES: Final = {"float32": "TYPE_FP32", "float16": "TYPE_FP16", "uint8": "TYPE_UINT8"}
_PRECISION_MODES: Final = {"fp16": "FP16", "int8": "INT8"}
INT32, INT64, UINT64 = 2**31 - 1, 2**63 - 1, 2**64 - 1
BOUNDS: Final = {"version": (1, INT64), "instances": (1, INT32), "max_batch": (0, INT32), "queue_delay": (0, UINT64)}
"""What the types of the schema hold; a version is read from the name of its folder, as an int64."""

LONGEST: Final = 255
"""What file systems allow for a folder's name; a model's has one byte a letter."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


class CannotServe(ValueError):
    """The repository cannot take the model as it is asked for; the message says why, and what to do."""


class Serving(Record):
    """How a model is served.

    `version` None is the one after the highest that is there. Up to `max_batch` images are run together, 0 for requests
    that are batches already; a request waits up to `queue_delay` microseconds for others. `instances` of the model run
    at once on each device of a `kind`; `accelerator` is the execution provider of a GPU that gets `accelerator_options`,
    CUDA's if None. `existing` says what becomes of settings that are there already and others: None refuses.
    """

    name: str
    version: int | None = None
    max_batch: int = 32
    preferred: tuple[int, ...] = ()
    queue_delay: int = 100
    instances: int = 1
    kind: str = "auto"
    accelerator: str | None = None
    accelerator_options: tuple[tuple[str, str], ...] = ()
    existing: str | None = None

    def refusal(self) -> str | None:
        """What of this a server would not take; None where it would."""
        if not _NAME.fullmatch(self.name):
            return f"{self.name!r} cannot be a model's name: name it with --model-name, in letters, digits, _ . + and -"
        if len(self.name) > LONGEST:
            many = f"{LONGEST} letters at most, and this one has {len(self.name)}"
            return f"a model's name is a folder's, of {many}: give a shorter one with --model-name"
        for field, (least, most) in BOUNDS.items():
            value = getattr(self, field)
            if value is not None and not least <= value <= most:
                option = "model-version" if field == "version" else field.replace("_", "-")
                return f"--{option} must be at least {least} and at most {most:,}"
        if self.preferred and not self.max_batch:
            return "--preferred-batch is for batches, and --max-batch 0 makes none"
        if any(not 1 <= size <= self.max_batch for size in self.preferred):
            return f"--preferred-batch has sizes outside 1 to {self.max_batch}, which --max-batch allows"
        if len(set(self.preferred)) < len(self.preferred):
            return "--preferred-batch has a size twice"
        if self.accelerator is not None and self.kind == "cpu":
            return f"--accelerator {self.accelerator} is for GPUs: leave out --kind cpu"
        if self.accelerator_options and self.accelerator is None:
            return "--accelerator-option needs --accelerator"
        if len(dict(self.accelerator_options)) < len(self.accelerator_options):
            return "--accelerator-option has a name twice"
        return None


class _Word(str):
    """A name of protobuf's text format, not in quotes."""

    __slots__ = ()


_Value: TypeAlias = "int | str | Sequence[int] | Sequence[_Field]"
_Field: TypeAlias = tuple[str, _Value]


def config(
    serving: Serving, ends: Ends, example: Sequence[int], layout: str | None, labels: Sequence[str] | None
) -> str:
    """The text of config.pbtxt for a file with these ends.

    `example` is the shape of one input, with which the server warms up; `layout` says which axis the channels of images
    are (`nhwc`, `nchw`).
    """
    (entering,), batched = ends.inputs, serving.max_batch > 0
    fields: list[_Field] = [
        ("name", serving.name),
        ("platform", "onnxruntime_onnx"),
        ("backend", "onnxruntime"),
        ("max_batch_size", serving.max_batch),
        ("input", _tensor(entering, batched, layout)),
    ]
    for end in ends.outputs:
        named = [("label_filename", LABELS)] if labels is not None and classifies(end) else []
        fields.append(("output", [*_tensor(end, batched, None), *named]))
    fields.append(("instance_group", [("count", serving.instances), ("kind", _Word(f"KIND_{serving.kind.upper()}"))]))
    if batched:
        sizes: list[_Field] = [("preferred_batch_size", serving.preferred)] if serving.preferred else []
        fields.append(("dynamic_batching", [*sizes, ("max_queue_delay_microseconds", serving.queue_delay)]))
    if serving.accelerator is not None:
        fields.append(("optimization", [("execution_accelerators", [_accelerator(serving, ends)])]))
    fields += _warm_up(serving, entering, example)
    return "\n".join(_lines(fields, "")) + "\n"


def _tensor(end: End, batched: bool, layout: str | None) -> list[_Field]:
    """An input or output; where batches are made, a server adds their axis itself."""
    dims = dimensions(end, batched)
    form: list[_Field] = []
    if layout is not None and len(dims) == 3:
        form.append(("format", _Word(f"FORMAT_{layout.upper()}")))
    return [("name", end.name), ("data_type", _Word(TYPES[end.type])), *form, ("dims", dims)]


def dimensions(end: End, batched: bool) -> list[int]:
    """The sizes of an input or output, -1 where they are open, without the batch where that is the server's."""
    shape = [size if isinstance(size, int) else -1 for size in end.shape]
    return shape[1:] if batched else shape


def classifies(end: End) -> bool:
    """Whether an output is one number a class."""
    return len(end.shape) == 2


def _accelerator(serving: Serving, ends: Ends) -> _Field:
    options = dict(serving.accelerator_options)
    if serving.accelerator == "tensorrt":
        mode = _PRECISION_MODES.get(ends.metadata.get("precision", ""), "FP32")
        options = {"precision_mode": mode, **options}
    fields: list[_Field] = [("name", serving.accelerator or "")]
    fields += [("parameters", [("key", key), ("value", value)]) for key, value in options.items()]
    return "gpu_execution_accelerator", fields


def _warm_up(serving: Serving, entering: End, example: Sequence[int]) -> Iterator[_Field]:
    """A run with each batch size that is likely, of zeros: a version is served once kernels are chosen and memory taken."""
    for size in sorted({1, *serving.preferred, serving.max_batch or 1}):
        dims = tuple(example) if serving.max_batch else (1, *example)
        data: list[_Field] = [
            ("data_type", _Word(TYPES[entering.type])),
            ("dims", dims),
            ("zero_data", _Word("true")),
        ]
        inputs: list[_Field] = [("key", entering.name), ("value", data)]
        sample: list[_Field] = [("name", f"batch of {size}"), ("batch_size", size), ("inputs", inputs)]
        yield "model_warmup", sample


def _lines(fields: Sequence[_Field], indent: str) -> Iterator[str]:
    for name, value in fields:
        match value:
            case _Word() | int():
                yield f"{indent}{name}: {value}"
            case str():
                yield f"{indent}{name}: {_quoted(value)}"
            case [int(), *_]:
                yield f"{indent}{name}: [{', '.join(map(str, value))}]"
            case _:
                yield f"{indent}{name} {{"
                yield from _lines(value, f"{indent}  ")  # type: ignore[arg-type]
                yield f"{indent}}}"


def _quoted(text: str) -> str:
    escaped = re.sub(r'["\\\x00-\x1f\x7f]', lambda found: f"\\{ord(found.group()):03o}", text)
    return f'"{escaped}"'
