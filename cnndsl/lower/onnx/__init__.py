"""ONNX, written node by node from the IR; no tracing, no PyTorch."""

from .emit import LoweringError
from .model import DEFAULT_OPSET, IR_VERSIONS, gives_probabilities, to_onnx, write_onnx

__all__ = ["DEFAULT_OPSET", "IR_VERSIONS", "LoweringError", "gives_probabilities", "to_onnx", "write_onnx"]
