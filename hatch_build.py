"""Build hook: the LALR table is computed once, when the package is built or installed in editable form."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TableHook(BuildHookInterface):
    """Writes `cnndsl/_table.bin`; `cnndsl/parser/table.py` says what is in it, and is loaded apart from its package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        spec = importlib.util.spec_from_file_location("cnndsl_table", root / "cnndsl" / "parser" / "table.py")
        table = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(table)
        grammar = (root / "grammar" / "cnn.lark").read_text(encoding="utf-8")
        target = root / "cnndsl" / "_table.bin"
        target.write_bytes(table.table_bytes(grammar, table.build_table(grammar)))
        build_data["artifacts"].append("cnndsl/_table.bin")
