"""The options of `compile --to triton`: how a server runs the model."""

from __future__ import annotations

import argparse
from typing import Final

from ..triton import ACCELERATORS, EXISTING, KINDS, Serving
from .request import Failure

_OPTIONS: Final = {
    "model_name": "name",
    "model_version": "version",
    "max_batch": "max_batch",
    "preferred_batch": "preferred",
    "queue_delay": "queue_delay",
    "instances": "instances",
    "kind": "kind",
    "accelerator": "accelerator",
    "accelerator_option": "accelerator_options",
    "existing_config": "existing",
}
"""The options, and the fields of `Serving` that they set."""


def serving_options(command: argparse.ArgumentParser) -> None:
    """The options, in a group of their own."""
    group = command.add_argument_group("with --to triton")
    group.add_argument("--model-name", metavar="NAME", help="the model's name (default: the spec's)")
    group.add_argument("--model-version", metavar="N", type=int, help="its version (default: the next)")
    group.add_argument(
        "--max-batch", metavar="N", type=int, help="most images in a batch; 0 for none made (default 32)"
    )
    group.add_argument("--preferred-batch", metavar="N,...", help="sizes of batches to prefer (default none)")
    group.add_argument(
        "--queue-delay", metavar="MICROSECONDS", type=int, help="how long to wait for others (default 100)"
    )
    group.add_argument("--instances", metavar="N", type=int, help="copies that run at once, a device (default 1)")
    group.add_argument("--kind", choices=KINDS, help="the device: a GPU if there is one, or always that (default auto)")
    group.add_argument("--accelerator", choices=ACCELERATORS, help="what runs it on a GPU (default cuda's defaults)")
    group.add_argument(
        "--accelerator-option", metavar="NAME=VALUE", action="append", help="an option of it; may be repeated"
    )
    group.add_argument(
        "--existing-config", choices=EXISTING, help="what to do with other settings that are there (default: refuse)"
    )


def serving(arguments: argparse.Namespace, name: str) -> Serving:
    """What the options ask for; `name` is the model's where they name none. Raises Failure."""
    given = {field: value for option, field in _OPTIONS.items() if (value := getattr(arguments, option)) is not None}
    try:
        if "preferred" in given:
            given["preferred"] = tuple(map(int, given["preferred"].split(",")))
    except ValueError:
        raise Failure(f"--preferred-batch is whole numbers with commas, not {given['preferred']}") from None
    pairs = [written.partition("=") for written in given.get("accelerator_options", ())]
    if not all(key and equals for key, equals, _ in pairs):
        raise Failure("--accelerator-option is NAME=VALUE")
    given["accelerator_options"] = tuple((key, value) for key, _, value in pairs)
    if "queue_delay" in given and given.get("max_batch") == 0:
        raise Failure("--queue-delay is for batches, and --max-batch 0 makes none")
    return Serving(**{"name": name, **given})


def triton_only(arguments: argparse.Namespace) -> None:
    """Refuse the options that no other target has a use for; raises Failure."""
    for option in _OPTIONS:
        if getattr(arguments, option) is not None:
            raise Failure(f"--{option.replace('_', '-')} is for --to triton")
