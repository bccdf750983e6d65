"""What a user declares of a model: words, and `frozen:` with a pattern of paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

DECLARATIONS = (
    "causal",
    "permutation-invariant",
    "time-ordered",
    "augmented",
    "resampled",
)
"""Words that stand for a property of the whole model, or of its data."""

FROZEN = "frozen:"
"""What stands before the pattern of parameters that must not change."""


def require_declarations(
    owner: str, declare: Any, words: Sequence[str] = ()
) -> tuple[str, ...]:
    """Refuse, in the name of `owner`, what is no tuple of declarations.

    Args:
        owner: what the user called.
        declare: what the user gave.
        words: of `DECLARATIONS`, those that the owner can test.

    Raises:
        TypeError: if it is no tuple of strings.
        ValueError: if it holds a declaration that the owner cannot test.
    """
    known = ", ".join([*map(repr, words), f"'{FROZEN}PATH'"])
    if not isinstance(declare, tuple) or not all(
        isinstance(entry, str) for entry in declare
    ):
        found = repr(declare)
        short = found if len(found) <= 40 else f"<{type(declare).__qualname__}>"
        raise TypeError(
            f"{owner}: declare must be a tuple of str; found declare={short}. Write "
            f"declare=({words[0] if words else 'frozen:encoder/*'!r},) for one."
        )
    for entry in declare:
        # An unknown word would be a property the user believes tested.
        if entry not in words and not entry.startswith(FROZEN):
            raise ValueError(
                f"{owner}: declare knows {known}; found {entry!r} in declare."
            )
        if entry.startswith(FROZEN) and not entry.removeprefix(FROZEN).strip():
            raise ValueError(
                f"{owner}: expected a pattern of paths after {FROZEN!r}; found "
                f"{entry!r} in declare. Write '{FROZEN}encoder/*'."
            )
    return declare


def frozen_patterns(declare: Iterable[str]) -> tuple[str, ...]:
    """The patterns of parameters that are declared frozen."""
    return tuple(
        entry.removeprefix(FROZEN) for entry in declare if entry.startswith(FROZEN)
    )


def matches_path(pattern: str, path: Sequence[str]) -> bool:
    """Whether a pattern is of a path, or of its end from some key on.

    Args:
        pattern: keys with slashes between them; `*` and the other wildcards of
            `fnmatch` stand for any characters, slashes too.
        path: of a leaf, key by key.

    Example:
        >>> matches_path("encoder/*", ("params", "encoder", "Dense_0", "kernel"))
        True
        >>> matches_path("encoder/*", ("params", "my_encoder", "kernel"))
        False
    """
    ends = ("/".join(path[start:]) for start in range(len(path)))
    return any(pattern == end or fnmatchcase(end, pattern) for end in ends)
