"""Which of several checks are asked for."""

from __future__ import annotations

from collections.abc import Sequence


def selected(
    tool: str, known: Sequence[str], only: Sequence[str], skip: Sequence[str]
) -> frozenset[str]:
    """The names that are asked for.

    Args:
        tool: for messages.
        known: all names.
        only: those that are wanted; none stands for all.
        skip: those that are not.

    Raises:
        TypeError: if one of them is no sequence of names.
        ValueError: if there is no check of a name; says which there are.
    """
    for option, names in (("only", only), ("skip", skip)):
        is_sequence = isinstance(names, Sequence | set | frozenset)
        if isinstance(names, str) or not is_sequence:
            raise TypeError(
                f"{tool}: expected {option} to be a list of names of checks; found "
                f"{names!r}. Write {option}=[{known[0]!r}]."
            )
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f"{tool}: expected {option} to name checks; found "
                f"{', '.join(map(repr, unknown))}. There are {', '.join(known)}."
            )
    return frozenset(only or known) - frozenset(skip)
