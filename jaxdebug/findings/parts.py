"""Leaves that have something in common, as parts of the tree that they fill."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

Path = tuple[str, ...]


class Part(NamedTuple):
    """A part of a tree, with those that differ from it in numbers only."""

    paths: tuple[Path, ...]
    leaves: tuple[int, ...]
    """Positions of the leaves in it."""


def parts_of_tree(leaves: Sequence[Path], others: Collection[Path]) -> list[Part]:
    """The largest parts of a tree that hold none of the other leaves.

    Parts whose names differ in numbers only, such as experts, are one.
    """
    parts: dict[Path, list[int]] = defaultdict(list)
    for index, path in enumerate(leaves):
        length = len(path)
        while length > 1 and not any(
            other[: length - 1] == path[: length - 1] for other in others
        ):
            length -= 1
        parts[path[:length]].append(index)
    alike: dict[Path, list[Path]] = defaultdict(list)
    for path in parts:
        alike[unnumbered(path)].append(path)
    return [
        Part(tuple(paths), tuple(index for path in paths for index in parts[path]))
        for paths in alike.values()
    ]


def unnumbered(path: Path) -> Path:
    """A path without the numbers in its names."""
    return tuple(re.sub(r"\d+", "", part) for part in path)


def listed(names: Iterable[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    every = list(names)
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + rest
