"""Build hook: the LALR table is computed once, when the package is built or installed in editable form."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TableHook(BuildHookInterface):
    """Writes `cnndsl/_table.json`; what makes it, `cnndsl/parser/generate.py`, is loaded apart from its package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        spec = importlib.util.spec_from_file_location("generate", root / "cnndsl" / "parser" / "generate.py")
        generate = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(generate)
        grammar = (root / "grammar" / "cnn.lark").read_text(encoding="utf-8")
        (root / "cnndsl" / "_table.json").write_text(generate.table_text(grammar), encoding="utf-8")
        build_data["artifacts"].append("cnndsl/_table.json")
