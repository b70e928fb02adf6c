"""The files of a spec: what each declares, and where `use` may look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..arithmetic import Value
from ..record import Record
from ..source import Source, Span
from ..syntax import Assert, Def, Input, Net, Param, Preprocess

Defaults = Mapping[str, Mapping[str, Value]]
"""By a layer's first name, the fields that a `default` statement sets."""


class Definition(Record):
    """A `def`, the file it stands in and the defaults in force there."""

    syntax: Def
    unit: Unit
    defaults: Defaults

    def __hash__(self) -> int:
        return id(self)


class Unit:
    """One file: its definitions and parameters, and the statements that make a network.

    `lost` are names that it declares in statements that could not be read; it is `incomplete` where a file that it uses
    could not be read, which may have declared any name.
    """

    def __init__(self, source: Source, folder: Path | None) -> None:
        self.source = source
        self.folder = folder
        self.definitions: dict[str, Definition] = {}
        self.params: dict[str, Param] = {}
        self.values: dict[str, Value] = {}
        self.defaults: Defaults = {}
        self.input: Input | None = None
        self.preprocess: Preprocess | None = None
        self.nets: list[tuple[Net, Defaults]] = []
        self.asserts: list[Assert] = []
        self.first: dict[str, Span] = {}
        self.lost: set[str] = set()
        self.incomplete = False

    def may_declare(self, name: str) -> bool:
        """Whether a name that is nothing here may be of a statement or a file that could not be read, as was reported."""
        return name in self.lost or (self.incomplete and name != "classes")


class Missing(Record):
    """Why a file cannot be used."""

    message: str
    help: str | None = None


class Library:
    """Reads the files that `use` names: relative to the file that uses them, never outside `root`; or the package's own.

    `root` is None for text without a place (standard input, a notation): then only `zoo:` can be used. `found` has the
    answer for each path and folder that was asked for.
    """

    def __init__(self, root: Path | None, shipped: Path) -> None:
        self.root = root
        self.shipped = shipped
        self.found: dict[tuple[str, Path | None], Path | Missing] = {}

    def find(self, path: str, folder: Path | None) -> Path | Missing:
        """Where a used file lies; its place is checked after links are followed."""
        if (path, folder) not in self.found:
            self.found[path, folder] = self._find(path, folder)
        return self.found[path, folder]

    def beside(self, path: str, folder: Path | None) -> Path | Missing:
        """Where a file that is no spec lies, in the same bounds."""
        if (path, folder) not in self.found:
            self.found[path, folder] = self._beside(path, folder)
        return self.found[path, folder]

    def _beside(self, path: str, folder: Path | None) -> Path | Missing:
        if folder is None or self.root is None:
            return Missing("files can be named in a spec that is a file itself", "save the spec as a file")
        if Path(path).is_absolute():
            return Missing("a file is named relative to the spec", f"write it without the leading {path[:1]!r}")
        found = self._inside(folder / path, self.root, path)
        return found.replace(help=None) if isinstance(found, Missing) and "exist" in found.message else found

    def _find(self, path: str, folder: Path | None) -> Path | Missing:
        if path.startswith("zoo:"):
            return self._inside(self.shipped / f"{path[4:].removesuffix('.cnn')}.cnn", self.shipped, path)
        if folder is None or self.root is None:
            advice = self._shipped_block(path) or "save the spec as a file"
            return Missing("only `zoo:` files can be used from a text without a place", advice)
        if Path(path).is_absolute():
            return Missing("a used file is named relative to this one", f"write it without the leading {path[:1]!r}")
        return self._inside(folder / path, self.root, path)

    def _inside(self, candidate: Path, root: Path, written: str) -> Path | Missing:
        try:
            resolved = candidate.resolve()
            allowed = resolved.is_relative_to(root.resolve())
            present = allowed and resolved.is_file()
        except (OSError, ValueError, RuntimeError):
            return Missing(f'"{written}" is not a usable path')
        if not allowed:
            return Missing(f'"{written}" lies outside the project', "move it below the folder that holds the spec")
        return resolved if present else Missing(f'"{written}" does not exist', self._shipped_block(written))

    def _shipped_block(self, written: str) -> str | None:
        """The package's block that a path may have meant: the one of that name, else the closest."""
        from difflib import get_close_matches

        blocks = sorted(path.stem for path in (self.shipped / "blocks").glob("*.cnn"))
        name = written.replace("\\", "/").rpartition("/")[2].removeprefix("zoo:").removesuffix(".cnn")
        near = [name] if name in blocks else get_close_matches(name, blocks, 1)
        return f'did you mean "zoo:blocks/{near[0]}"?' if near else None


def project_root(spec: Path) -> Path:
    """The folder that holds the project's configuration, else the spec's own folder."""
    folder = spec.resolve().parent
    for candidate in (folder, *folder.parents):
        if (candidate / "cnndsl.toml").is_file() or (candidate / "pyproject.toml").is_file():
            return candidate
    return folder
