"""cnndsl: convolutional networks written as on the whiteboard, checked, trained in PyTorch, shipped as ONNX.

import cnndsl
net = cnndsl.load("[(CONV-RELU)*2-POOL]*3-FC-10", input="3x32x32")
net.stats().json()["params"]; net.torch(); net.onnx("net.onnx")
"""

from .api import Network, findings, lint, load, parse, stats
from .compiler import Unreadable
from .diagnostics import Diagnostic, Severity, SpecError
from .ir import Graph
from .limits import Limits
from .version import VERSION

__version__ = VERSION
__all__ = [
    "Diagnostic", "Graph", "Limits", "Network", "Severity", "SpecError", "Unreadable", "__version__", "findings", "lint",
    "load", "parse", "stats",
]  # fmt: skip
