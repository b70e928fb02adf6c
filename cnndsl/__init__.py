"""cnndsl: convolutional networks written as on the whiteboard, checked, trained in PyTorch, shipped as ONNX.

import cnndsl
net = cnndsl.load("[(CONV-RELU)*2-POOL]*3-FC-10", input="3x32x32")
net.stats().json()["params"]; net.torch(); net.onnx("net.onnx")
"""

try:
    from .interrupts import take_over
except KeyboardInterrupt:
    raise SystemExit(130) from None

take_over()  # before more is imported

from .api import Network, findings, lint, load, parse, stats  # noqa: E402
from .compiler import Unreadable  # noqa: E402
from .diagnostics import Diagnostic, Severity, SpecError  # noqa: E402
from .ir import Graph  # noqa: E402
from .limits import Limits  # noqa: E402
from .version import VERSION  # noqa: E402

__version__ = VERSION
__all__ = [
    "Diagnostic", "Graph", "Limits", "Network", "Severity", "SpecError", "Unreadable", "__version__", "findings", "lint",
    "load", "parse", "stats",
]  # fmt: skip
