"""Groups of rows that are alike: whether two splits share more of them than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from jaxdebug.checks.data.chance import tail_bound

EXAMPLES = 5
"""So many pairs are named."""


@dataclass
class Shared:
    """Groups of alike rows in two splits.

    If the rows were dealt to the splits at random, a group of k rows is in both with
    the probability 1 - f^k - (1 - f)^k, where f is the share of the first split: that
    gives the number to be expected, whatever makes rows alike.

    Attributes:
        groups: of two rows or more.
        both: groups that are in both splits.
        expected: of these.
        rows: of the second split that are in such a group.
        examples: pairs of row numbers.
    """

    groups: int = 0
    both: int = 0
    expected: float = 0.0
    rows: int = 0
    examples: list[tuple[int, int]] = field(default_factory=list)

    @property
    def chance(self) -> float:
        """A bound on how likely so many are in both at random."""
        if not self.groups:
            return 1.0
        return tail_bound(self.both, self.groups, self.expected / self.groups)

    def add(self, one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
        """Count more groups.

        Args:
            one: rows of each group in the first split.
            other: in the second.
            share: of all rows, those of the first split.

        Returns:
            bool, which groups are in both.
        """
        size = one + other
        several, both = size > 1, (one > 0) & (other > 0)
        chance = 1 - share**size - (1 - share) ** size
        self.groups += int(several.sum())
        self.both += int(both.sum())
        self.expected += float(chance[several].sum())
        self.rows += int(other[both].sum())
        return both


def counted(groups: np.ndarray, splits: np.ndarray, of: int) -> np.ndarray:
    """How many rows of each split every group has.

    Args:
        groups: int, the number of each row's group, from 0 on.
        splits: of each row.
        of: how many splits there are.

    Returns:
        int[groups, splits].
    """
    size = int(groups.max()) + 1 if len(groups) else 0
    flat = np.bincount(groups * of + splits, minlength=size * of)
    return flat.reshape(size, of)


def pairs_of(count: int) -> list[tuple[int, int]]:
    """Every two of some splits, by index."""
    return [(one, other) for other in range(count) for one in range(other)]


def add_examples(
    shared: Shared,
    pair: tuple[int, int],
    groups: np.ndarray,
    splits: np.ndarray,
    rows: np.ndarray,
    both: np.ndarray,
) -> None:
    """Keep the first rows of the groups that are in both splits, the earliest ones."""
    firsts = np.full((2, len(both)), np.iinfo(np.int64).max)
    for first, split in zip(firsts, pair, strict=True):
        mine = splits == split
        np.minimum.at(first, groups[mine], rows[mine])
    pairs = firsts[:, both].T
    earliest = pairs[np.argsort(pairs[:, 0])[:EXAMPLES]].tolist()
    every = [*shared.examples, *((one, other) for one, other in earliest)]
    shared.examples = sorted(every)[:EXAMPLES]


def listed(pair: Sequence[str], examples: Sequence[tuple[int, int]]) -> str:
    """Pairs of rows in words: `train[3] and eval[7], ...`."""
    one, other = pair
    return ", ".join(f"{one}[{a}] and {other}[{b}]" for a, b in examples)
