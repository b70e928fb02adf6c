"""Model repositories of NVIDIA's Triton Inference Server: how a model is served, and the files in their places."""

from .settings import ACCELERATORS, EXISTING, KINDS, CannotServe, Serving

__all__ = ["ACCELERATORS", "EXISTING", "KINDS", "CannotServe", "Serving"]
