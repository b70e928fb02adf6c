"""The zoo: the architectures that the package ships, by the names that they are usually called."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from .record import Record

INDEX: Final = "zoo.toml"


class Member(Record):
    """One network of a family: its usual name, the family's spec, and the settings that make it of the spec.

    `reference` is who has the same network under the same name: `torchvision`, `timm`, or nothing where only the paper does.
    """

    name: str
    spec: str
    settings: Mapping[str, Any]
    year: int
    paper: str
    reference: str | None = None

    def __hash__(self) -> int:
        return hash(self.name)


def specs_folder() -> Path:
    """Where the specs that the package ships lie: in an installed package, or at the repository's root."""
    here = Path(__file__).parent
    return here / "_specs" if (here / "_specs").is_dir() else here.parent / "specs"


@cache
def members() -> dict[str, Member]:
    """Every member by name, in the order of the index."""
    import tomllib

    with (specs_folder() / INDEX).open("rb") as file:
        families = tomllib.load(file)
    found: dict[str, Member] = {}
    for spec, family in families.items():
        for name, given in family["members"].items():
            settings = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
            reference = family.get("references", {}).get(name, family.get("reference"))
            found[name] = Member(name, spec, settings, family["year"], family["paper"], reference)
    return found


def find(name: str) -> tuple[Path, Mapping[str, Any]] | None:
    """The spec and the settings of a member, or of a spec below the folder by its own name; None for another name."""
    member = members().get(name)
    folder = specs_folder().resolve()
    path = (folder / f"{member.spec if member else name.removesuffix('.cnn')}.cnn").resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        return None
    return path, member.settings if member else {}


def matching(pattern: str) -> list[Member]:
    """The members whose name has this part, or fits this pattern with `*` and `?`, in the order of the index."""
    from fnmatch import fnmatchcase

    wanted = pattern.lower().removeprefix("zoo:")
    if not any(c in wanted for c in "*?["):
        wanted = f"*{wanted}*"
    return [member for name, member in members().items() if fnmatchcase(name.lower(), wanted)]


def same(name: str) -> str | None:
    """The member that a name is but for case and signs: `ResNet-18` is `resnet18`."""
    return next((member for member in members() if _plain(member) == _plain(name)), None)


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


def closest(name: str, least: float = 0.4) -> list[str]:
    """The names most like one that is not in the zoo, best first; `least` is how like, from 0 to 1."""
    import difflib

    return difflib.get_close_matches(name.lower(), list(members()), 3, least)
