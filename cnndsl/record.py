"""Record: frozen, typed, compared by value, and cheap to define.

`dataclasses` writes and compiles source text for every class, about half a millisecond each; the compiler has some
seventy small classes, and a linter that runs in CI should not spend 40 ms on their definitions. A `Record` is declared and
type-checked like a frozen dataclass (PEP 681) and costs a few microseconds to define.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self, dataclass_transform

_MISSING: Any = object()


@dataclass_transform(frozen_default=True)
class Record:
    """Base of the frozen value classes: fields are the annotations, in order; a class attribute is a default.

    Fields named in `uncompared` (positions in a text, mostly) are left out of equality and of the hash.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    uncompared: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        own = (
            name
            for name, annotation in cls.__dict__.get("__annotations__", {}).items()
            if not str(annotation).startswith(("ClassVar", "typing.ClassVar")) and name not in cls.fields
        )
        cls.fields = (*cls.fields, *own)
        cls._compared = tuple(name for name in cls.fields if name not in cls.uncompared)

    _compared: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *values: Any, **named: Any) -> None:
        cls = type(self)
        state = self.__dict__
        state.update(zip(cls.fields, values, strict=False))
        if len(values) == len(cls.fields) and not named:
            return
        if len(values) > len(cls.fields):
            raise TypeError(f"{cls.__name__} takes {len(cls.fields)} values, got {len(values)}")
        for name in cls.fields[len(values) :]:
            value = named.pop(name) if name in named else getattr(cls, name, _MISSING)
            if value is _MISSING:
                raise TypeError(f"{cls.__name__} needs {name}")
            state[name] = value
        if named:
            raise TypeError(f"{cls.__name__} has no field {', '.join(named)}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        mine, theirs = self.__dict__, other.__dict__
        return all(mine[name] == theirs[name] for name in self._compared)

    def __hash__(self) -> int:
        state = self.__dict__
        return hash((type(self), *[state[name] for name in self._compared]))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._compared)
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(self.__dict__[name] for name in self.fields)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return type(self)(**{**{name: self.__dict__[name] for name in self.fields}, **changes})
