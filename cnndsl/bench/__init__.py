"""A compiled network timed on an execution provider, each of whose options is tried, and beside PyTorch."""

from .compared import AGREEMENT, Torch
from .errors import CannotBench, FellBack
from .file import ModelFile, arrays_in, read_model
from .measure import Report, bench, steps
from .plan import Plan
from .report import text
from .settings import OPTIONS, Configuration, fixed

__all__ = [
    "AGREEMENT",
    "OPTIONS",
    "CannotBench",
    "Configuration",
    "FellBack",
    "ModelFile",
    "Plan",
    "Report",
    "Torch",
    "arrays_in",
    "bench",
    "fixed",
    "read_model",
    "steps",
    "text",
]
