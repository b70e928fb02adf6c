"""In which precision a file computes."""

from __future__ import annotations

import argparse

from .request import Failure

PRECISIONS = ("fp32", "fp16", "int8")
"""What `--precision` takes."""
TYPES = ("fp32", "fp16")
"""What `--io-type` takes."""


def precision_options(command: argparse.ArgumentParser) -> None:
    """`--precision`, `--io-type` and `--keep-fp32` of compile."""
    command.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="what it computes in; fp16 leaves FP32 where the range needs it, int8 where it costs accuracy",
    )
    command.add_argument(
        "--io-type", choices=TYPES, help="the type of input and output, whatever the precision (default fp32)"
    )
    command.add_argument(
        "--keep-fp32",
        metavar="NODE,...",
        help="with fp16, nodes that compute in FP32 all the same, also as patterns: 'stage4.*'",
    )


def kept_nodes(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The names and patterns of `--keep-fp32`; raises Failure where there is nothing to keep them from."""
    given: str | None = arguments.keep_fp32
    if given is None:
        return ()
    if arguments.precision != "fp16":
        raise Failure("--keep-fp32 is for --precision fp16")
    return tuple(name.strip() for name in given.split(","))
