"""Run by the Python of another tool's environment: `probe.py TOOL FOLDER` prints what it says of every file there, as JSON.

Nothing of this project is imported. A verdict is `{"accepts": bool, "message": str, "runs": bool | null}`: `runs` is whether
the module that the tool makes runs on the input, where it makes one that can be run.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
import tempfile
from pathlib import Path


def n_orca(path: Path) -> dict:
    from n_orca.compiler import compile_pytorch
    from n_orca.parser import ParseError, parse_file
    from n_orca.verifier import verify

    try:
        architectures = parse_file(path)
    except ParseError as error:
        return {"accepts": False, "message": str(error), "runs": None}
    reports = [verify(architecture, strict=True) for architecture in architectures]
    message = "\n".join(f"{error.code} {error.message}" for report in reports for error in report.errors)
    if not all(report.valid for report in reports):
        return {"accepts": False, "message": message, "runs": None}
    module = made(compile_pytorch(architectures[0]))
    shape = architectures[0].inputs()[0].declared_shape
    return {"accepts": True, "message": "", "runs": runs(module.Net, shape)}


def mlnode(path: Path) -> dict:
    from mlnode import MLnodeModel

    try:
        model = MLnodeModel.load(path)
        found = model.validate()
        if not found.valid:
            message = "\n".join(f"{error.node_id}: {error.message}" for error in found.errors)
            return {"accepts": False, "message": message, "runs": None}
        module = model.build()
    except Exception as error:  # pydantic's, JSON's and the tool's own
        return {"accepts": False, "message": f"{type(error).__name__}: {error}", "runs": None}
    return {"accepts": True, "message": "", "runs": runs(lambda: module, model.schema.input_shape)}


def neural_dsl(path: Path) -> dict:
    from neural.code_generation.code_generator import generate_code
    from neural.parser.parser import ModelTransformer, create_parser

    try:
        tree = create_parser("network").parse(path.read_text())
        generate_code(ModelTransformer().transform(tree), "pytorch")
    except Exception as error:  # as the command does
        return {"accepts": False, "message": f"{type(error).__name__}: {error}", "runs": None}
    return {"accepts": True, "message": "", "runs": None}  # the code that it writes leaves out strides and padding


def made(code: str):
    """The Python module that a tool has written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.py"
        path.write_text(code)
        spec = importlib.util.spec_from_file_location("made", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def runs(make, shape) -> bool:
    """Whether a module runs on one sample; where H and W are open, at 8x8 and at 12x12."""
    import torch

    try:
        module = make().eval()
        for side in (8, 12):
            module(torch.randn(1, *(side if size in ("H", "W") else int(size) for size in shape[1:])))
    except Exception:  # whatever stops it
        return False
    return True


def main() -> None:
    ask = {"n-orca": n_orca, "mlnode": mlnode, "neural-dsl": neural_dsl}[sys.argv[1]]
    verdicts = {}
    for path in sorted(Path(sys.argv[2]).iterdir()):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            verdicts[path.name] = ask(path)
    print(json.dumps(verdicts))


if __name__ == "__main__":
    main()
