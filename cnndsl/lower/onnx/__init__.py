"""ONNX, written node by node from the IR; no tracing, no PyTorch."""

from .emit import LoweringError
from .half import Loss, Precision
from .model import DEFAULT_OPSET, IR_VERSIONS, gives_probabilities, to_onnx, unfit, write_onnx
from .precision import FP32, Format

__all__ = [
    "DEFAULT_OPSET",
    "FP32",
    "IR_VERSIONS",
    "Format",
    "Loss",
    "LoweringError",
    "Precision",
    "gives_probabilities",
    "to_onnx",
    "unfit",
    "write_onnx",
]
