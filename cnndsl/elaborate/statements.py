"""The statements of a file, in order: what it declares, and what is misplaced in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..arithmetic import UNKNOWN, Value, evaluate, in_domain, shown
from ..diagnostics import Note
from ..ops.arguments import validate
from ..source import Source, Span
from ..syntax import Assert, Def, Default, File, Input, Layer, Net, Param, Preprocess, Range, Statement, Use
from .build import Build, Frame
from .layers import plan_layer
from .names import Labels, Namer
from .resolve import WORDS, Builtin, Closure, builtin, is_builtin_spelling
from .units import Definition, Library, Missing, Unit

Parse = Callable[[Source], File]
"""Text to syntax, reporting what is wrong."""

MAX_FILES: Final = 50


class Loader:
    """Reads a file's statements, and the files it uses, into units."""

    def __init__(
        self,
        build: Build,
        library: Library,
        parse: Parse,
        read: Callable[[Path], Source | Missing],
        first_members: bool = False,
    ) -> None:
        self.build = build
        self.library = library
        self.parse = parse
        self.read = read
        self.first_members = first_members
        self.units: dict[Path, Unit | None] = {}

    def unit(self, file: File, path: Path | None, main: bool) -> Unit:
        """What a file declares."""
        unit = Unit(file.source, path.parent if path else None)
        unit.lost.update(file.lost)
        if main:
            unit.values.update(self.build.settings)
        for statement in file.statements:
            self._statement(unit, statement, main)
        if main:
            self._settle(unit)
        else:
            unit.nets.clear()
        return unit

    def _settle(self, unit: Unit) -> None:
        """Make stages of the layers that free names are set to: `--set act=GELU`."""
        for name, value in self.build.settings.items():
            known = isinstance(value, str) and (value in unit.definitions or builtin(value) is not None)
            if known and name not in unit.params:
                unit.values[name] = self._stage(unit, value, Span(unit.source, 0, 0))

    def _stage(self, unit: Unit, name: str, span: Span) -> Closure:
        """What a name given from outside stands for; a built-in in the spelling of the specs, so that domains know it."""
        return Closure(Layer(span, name if name in unit.definitions else name.upper(), span), self.frame(unit))

    def frame(self, unit: Unit) -> Frame:
        """Where a file's own expressions are evaluated."""
        return Frame(self.build, unit, unit.defaults, unit.values, Labels(), Namer("", frozenset()))

    def _statement(self, unit: Unit, statement: Statement, main: bool) -> None:
        match statement:
            case Def():
                self._define(unit, statement)
            case Param():
                self._param(unit, statement, main)
            case Default():
                self._default(unit, statement)
            case Use():
                self._use(unit, statement)
            case Net():
                unit.nets.append((statement, unit.defaults))
            case Input():
                self._once("the input is", statement, unit.input)
                unit.input = statement
            case Preprocess():
                self._once("preprocessing is", statement, unit.preprocess)
                unit.preprocess = statement
            case Assert():
                unit.asserts.append(statement)

    def _once(self, what: str, statement: Input | Preprocess, first: Input | Preprocess | None) -> None:
        if first is not None:
            notes = [Note("first here", first.span)]
            self.build.error("CNN027", f"{what} declared twice", statement.span, notes=notes)

    def _define(self, unit: Unit, statement: Def) -> None:
        name = statement.name
        if is_builtin_spelling(name):
            self.build.error(
                "CNN016",
                f"{name} is a built-in layer",
                statement.name_span,
                help=f"definitions may not shadow one: choose another name, or spell it {name.capitalize()}",
            )
        elif not self._first(unit, name, statement):
            return
        unit.definitions[name] = Definition(statement, unit, unit.defaults)
        seen: set[str] = set()
        for parameter in statement.parameters:
            if parameter.name in seen or parameter.name == "cin":
                self.build.error("CNN016", f"the parameter {parameter.name} is taken", parameter.span)
            seen.add(parameter.name)

    def _first(self, unit: Unit, name: str, statement: Def | Param) -> bool:
        if name in unit.first:
            self.build.error(
                "CNN016", f"{name} is declared twice", statement.name_span, notes=[Note("first here", unit.first[name])]
            )
            return False
        unit.first[name] = statement.name_span
        return True

    def _param(self, unit: Unit, statement: Param, main: bool) -> None:
        name = statement.name
        if not self._first(unit, name, statement):
            return
        if name == "cin" or (name.isupper() and builtin(name) is not None):
            self.build.error(
                "CNN016", f"{name} cannot be a parameter: it has a meaning of its own", statement.name_span
            )
            return
        unit.params[name] = statement
        names = self.frame(unit).names
        setting = self.build.settings.get(name) if main else None
        if setting is not None:
            value = self._setting(unit, setting, statement)
        elif statement.default is not None:
            value = evaluate(statement.default, names)
        elif self.first_members and main and statement.domain is not None:
            over = statement.domain
            value = evaluate(over.first if isinstance(over, Range) else over.items[0], names)
        else:
            return
        if value is not UNKNOWN and statement.domain is not None and in_domain(value, statement.domain, names) is False:
            where = "" if setting is None else " (set from outside)"
            at = statement.span if setting is not None or statement.default is None else statement.default.span
            self.build.error(
                "CNN014", f"{name} = {shown(value)} is outside its domain{where}", at,
                expected=statement.domain.span.text, found=shown(value),
            )  # fmt: skip
            value = UNKNOWN
        unit.values[name] = value

    def _setting(self, unit: Unit, setting: Value, statement: Param) -> Value:
        """A value given from outside; the name of a layer or definition is a stage."""
        if not isinstance(setting, str):
            return setting
        if setting in WORDS and builtin(setting) is None:
            return setting
        if setting not in unit.definitions and unit.may_declare(setting):
            return UNKNOWN
        if builtin(setting) is None and setting not in unit.definitions:
            self.build.error(
                "CNN014",
                f"{statement.name} cannot be {setting!r}",
                statement.span,
                expected="a number, on or off, or the name of a layer",
            )
            return UNKNOWN
        return self._stage(unit, setting, statement.span)

    def _default(self, unit: Unit, statement: Default) -> None:
        layer = statement.layer
        found = builtin(layer.name)
        if not isinstance(found, Builtin) or found.kind is None:
            self.build.error(
                "CNN010",
                f"{layer.name} has no defaults to set",
                layer.name_span,
                help="a `default` is of a built-in layer that takes arguments, as in `default CONV(bias=false)`",
            )
            return
        frame = self.frame(unit)
        plan = plan_layer(self.build, layer, found, frame)
        given = dict(plan.given)
        for field, expression in plan.dynamic:
            given[field] = evaluate(expression, frame.names)
        if not plan.valid or UNKNOWN in given.values():
            return
        checked = validate(found.kind, given)
        if isinstance(checked, tuple):
            for problem in checked:
                span = plan.spans.get(problem.argument, layer.span)
                self.build.error(
                    problem.code, problem.message, span,
                    expected=problem.expected, found=problem.found, help=problem.help,
                )  # fmt: skip
            return
        unit.defaults = {**unit.defaults, found.kind.names[0]: given}

    def _use(self, unit: Unit, statement: Use) -> None:
        path = self.library.find(statement.path, unit.folder)
        if isinstance(path, Missing):
            self.build.error("CNN023", path.message, statement.span, help=path.help)
            unit.incomplete = True
            return
        if path not in self.units:
            used = self._load(path, statement)
        elif (used := self.units[path]) is None:
            unit.incomplete = True
            self.build.error(
                "CNN023",
                f'"{statement.path}" uses this file again',
                statement.span,
                help="files may not use each other in a circle",
            )
            return
        if used is None:
            unit.incomplete = True
            return
        unit.incomplete |= used.incomplete
        unit.lost |= used.lost
        for name, definition in used.definitions.items():
            if name in unit.definitions and unit.definitions[name] is not definition:
                self.build.error("CNN016", f'{name} from "{statement.path}" is declared already', statement.span)
            else:
                unit.definitions[name] = definition

    def _load(self, path: Path, statement: Use) -> Unit | None:
        if len(self.units) >= MAX_FILES:
            self.build.error("CNN023", f"more than {MAX_FILES} files are used", statement.span)
            return None
        self.units[path] = None
        source = self.read(path)
        if isinstance(source, Missing):
            self.build.error("CNN023", source.message, statement.span, help=source.help)
            used = Unit(Source(str(path), ""), path.parent)
            used.incomplete = True
        else:
            used = self.unit(self.parse(source), path, main=False)
        self.units[path] = used
        return used
