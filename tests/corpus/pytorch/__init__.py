"""The networks of the corpus in plain PyTorch, a module for each few families."""

from . import branches, cycles, layers, sizes, texts
from .case import Case

CASES: dict[str, Case] = {
    case.name: case for module in (layers, sizes, branches, cycles, texts) for case in module.CASES
}
"""Every network of the corpus, by its name."""
