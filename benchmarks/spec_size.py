"""The size of each spec against the reference implementation's source, in lines and in tokens.

`python -m benchmarks.spec_size` prints the table of docs/zoo.md. Of a reference counts what its network needs of the
module that it lies in: the functions and classes there that are reached from its constructors, by name; not docstrings,
comments, blank lines, tables of pretrained weights, nor what it imports from elsewhere. Of a spec counts the whole file
and the files that it uses, without comments and blank lines.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterable
from importlib import import_module
from inspect import getsource
from typing import NamedTuple

import torch

from cnndsl.zoo import specs_folder

FAMILIES = {
    "alexnet": ("torchvision.models.alexnet", ("alexnet",)),
    "vgg": ("torchvision.models.vgg", ("vgg11", "vgg13", "vgg16", "vgg19", "vgg16_bn")),
    "googlenet": ("torchvision.models.googlenet", ("googlenet",)),
    "inception_v3": ("torchvision.models.inception", ("inception_v3",)),
    "resnet": ("torchvision.models.resnet", ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")),
    "densenet": ("torchvision.models.densenet", ("densenet121", "densenet161", "densenet169", "densenet201")),
    "squeezenet": ("torchvision.models.squeezenet", ("squeezenet1_0", "squeezenet1_1")),
    "mobilenet_v2": ("torchvision.models.mobilenetv2", ("mobilenet_v2",)),
    "mobilenet_v3": ("torchvision.models.mobilenetv3", ("mobilenet_v3_large", "mobilenet_v3_small")),
    "shufflenet_v2": ("torchvision.models.shufflenetv2", ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0")),
    "efficientnet": ("torchvision.models.efficientnet", tuple(f"efficientnet_b{i}" for i in range(8))),
    "mnasnet": ("torchvision.models.mnasnet", ("mnasnet0_5", "mnasnet1_0")),
    "convnext": ("torchvision.models.convnext", ("convnext_tiny", "convnext_base")),
    "regnet": ("torchvision.models.regnet", ("regnet_y_400mf", "regnet_y_800mf", "regnet_x_400mf")),
    "wide_resnet": ("torchvision.models.resnet", ("wide_resnet50_2", "wide_resnet101_2")),
    "resnext": ("torchvision.models.resnet", ("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d")),
    "efficientnet_v2": ("torchvision.models.efficientnet", tuple(f"efficientnet_v2_{size}" for size in "sml")),
    "r3d": ("torchvision.models.video.resnet", ("r3d_18", "mc3_18", "r2plus1d_18")),
    "preact_resnet": ("timm.models.resnetv2", ("resnetv2_18", "resnetv2_50", "resnetv2_101")),
    "se_resnet": ("timm.models.senet", ("legacy_seresnet18", "legacy_seresnet50")),
    "se_resnext": ("timm.models.senet", ("legacy_seresnext26_32x4d", "legacy_seresnext50_32x4d")),
    "senet": ("timm.models.senet", ("legacy_senet154",)),
    "repvgg": ("timm.models.byobnet", ("repvgg_a0", "repvgg_b1g4", "repvgg_d2se")),
    "mobilenetv1": ("timm.models.efficientnet", ("mobilenetv1_100",)),
    "inception_resnet_v2": ("timm.models.inception_resnet_v2", ("inception_resnet_v2",)),
    "darknet53": ("timm.models.cspnet", ("darknet53",)),
    "inception_v4": ("timm.models.inception_v4", ("inception_v4",)),
    "xception": ("timm.models.xception", ("legacy_xception",)),
}
"""Each spec, the module of its reference, and constructors there."""


class Size(NamedTuple):
    lines: int
    tokens: int


def main() -> None:
    """Print the table; beside a CPU build of torch, torchvision wants to find two declarations."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    print_table()


def print_table() -> None:
    """Print the table."""
    print("| spec | lines | tokens | reference | lines | tokens |")
    print("|---|---:|---:|---|---:|---:|")
    for spec, (module, constructors) in FAMILIES.items():
        ours, theirs = spec_size(spec), reference_size(module, constructors)
        print(f"| `{spec}` | {ours.lines} | {ours.tokens} | `{module}` | {theirs.lines} | {theirs.tokens} |")


def spec_size(name: str) -> Size:
    """A spec's file and those that it uses."""
    waiting, texts = [specs_folder() / f"{name}.cnn"], {}
    while waiting:
        path = waiting.pop()
        if path not in texts:
            texts[path] = path.read_text(encoding="utf-8")
            waiting += [specs_folder() / use for use in used(texts[path])]
    sizes = [_spec_text(text) for text in texts.values()]
    return Size(sum(size.lines for size in sizes), sum(size.tokens for size in sizes))


def used(text: str) -> Iterable[str]:
    """The files that a spec uses."""
    for line in text.splitlines():
        if line.startswith('use "'):
            yield line.split('"')[1].removeprefix("zoo:").removesuffix(".cnn") + ".cnn"


def _spec_text(text: str) -> Size:
    code = [line for line in (re.sub(r"#.*", "", line) for line in text.splitlines()) if line.strip()]
    return Size(len(code), sum(len(_TOKEN.findall(line)) for line in code))


_TOKEN = re.compile(r'"[^"]*"|\d+\.\d+|\w+|=>|\.\.|[<>=]=|[^\w\s]')
"""A string, a number or name, or a sign, as Python's tokenizer would cut."""


def reference_size(module: str, constructors: Iterable[str]) -> Size:
    """What a reference's network takes in its module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = getsource(import_module(module))
    definitions = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    reached: set[str] = set()
    waiting = list(constructors)
    while waiting:
        name = waiting.pop()
        if name in reached or name.endswith("_Weights"):
            continue
        reached.add(name)
        names = {node.id for node in ast.walk(definitions[name]) if isinstance(node, ast.Name)}
        waiting += names & definitions.keys()
    sizes = [_python_text(ast.unparse(_bare(definitions[name]))) for name in definitions if name in reached]
    return Size(sum(size.lines for size in sizes), sum(size.tokens for size in sizes))


def _bare(definition: ast.stmt) -> ast.stmt:
    """Without docstrings."""
    for node in ast.walk(definition):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return definition


def _python_text(text: str) -> Size:
    """Lines as `ast.unparse` writes them, a statement a line, which favours the reference."""
    kinds = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING, tokenize.OP)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type in kinds]
    return Size(sum(1 for line in text.splitlines() if line.strip()), len(tokens))


if __name__ == "__main__":
    main()
