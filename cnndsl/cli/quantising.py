"""The options of `compile --precision int8`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ..report import legible
from .request import Failure

if TYPE_CHECKING:
    from ..backends import Int8, Written

_OPTIONS: Final = ("calibrate", "max_drop", "min_agreement", "max_error", "provider", "as_json")


def int8_options(command: argparse.ArgumentParser) -> None:
    """The options, in a group of their own."""
    group = command.add_argument_group("with --precision int8")
    group.add_argument(
        "--calibrate",
        metavar="DIR|FILE",
        help="real inputs: a folder of images, with one subfolder a class, an .npz or .npy file, or digits",
    )
    group.add_argument(
        "--max-drop", metavar="POINTS", type=float, help="points of accuracy that may be lost (default 0.5)"
    )
    group.add_argument(
        "--min-agreement",
        metavar="PERCENT",
        type=float,
        help="without labels, how often the first class must be that of FP32 (default 99.5 for maps; classifiers need it)",
    )
    group.add_argument(
        "--max-error",
        metavar="PERCENT",
        type=float,
        help="without labels, how far the output may be from that of FP32 (default 5 where it has no classes)",
    )
    group.add_argument(
        "--provider", choices=("cpu", "cuda", "tensorrt"), help="what will run it (default --accelerator, or cpu)"
    )
    group.add_argument("--json", dest="as_json", action="store_true", help="print what was found as JSON")


def int8_of(arguments: argparse.Namespace) -> Int8 | None:
    """What the options ask for; None where INT8 is not asked for. Raises Failure."""
    if arguments.precision != "int8":
        for option in _OPTIONS:
            if getattr(arguments, option) not in (None, False):
                raise Failure(f"--{option.removeprefix('as_').replace('_', '-')} is for --precision int8")
        return None
    if arguments.calibrate is None:
        raise Failure("--precision int8 needs real inputs to find the ranges of its values: --calibrate DIR|FILE")
    if arguments.no_weights:
        raise Failure("--precision int8 needs weights: leave out --no-weights")
    if arguments.io_type not in (None, "fp32"):
        raise Failure("--io-type is for --precision fp32 and fp16; an INT8 model takes and gives FP32")
    if arguments.as_json and arguments.output == "-":
        raise Failure("--json and -o - both write to standard output")
    for option in ("max_drop", "min_agreement", "max_error"):
        given = getattr(arguments, option)
        if given is not None and not 0 <= given <= 100:
            raise Failure(f"--{option.replace('_', '-')} goes from 0 to 100, {given:g} does not")
    from ..backends import Int8

    watch = _bar if sys.stderr.isatty() else iter
    bounds = (arguments.max_drop, arguments.min_agreement, arguments.max_error)
    return Int8(arguments.calibrate, *bounds, _provider(arguments), watch)


def _provider(arguments: argparse.Namespace) -> str:
    """What will run the model: what is named, or else what a server is told to run it on; Failure where they differ."""
    served: str | None = arguments.accelerator or ("cuda" if arguments.kind == "gpu" else None)
    named: str | None = arguments.provider
    if named is not None and served is not None and named != served:
        raise Failure(
            f"--provider {named} makes an INT8 model for that, and the server would run it on {served}: name one"
        )
    return named or served or "cpu"


def print_report(written: Written) -> None:
    """Print the files and what quantising found as JSON."""
    import json

    found = None if written.quantisation is None else written.quantisation.json()
    print(json.dumps({"files": [legible(str(file)) for file in written.files], "quantisation": found}, indent=2))


def _bar(names: Sequence[str]) -> Iterable[str]:
    """The names of layers behind a progress bar, where there is one."""
    from ..extras import MissingExtra, need

    try:
        bar: Iterable[str] = need("tqdm", "images").tqdm(
            names, unit="layer", file=sys.stderr, leave=False, disable=None
        )
    except MissingExtra:
        return names
    return bar
