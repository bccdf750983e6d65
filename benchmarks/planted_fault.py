"""A small training with one fault, and what should be said of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jaxdebug as jd


class Planted(NamedTuple):
    """A training with a fault.

    Attributes:
        make: it, from a seed.
        checks: of which one must warn or fail.
        codes: of which one must be among what is found; any if there is none.
    """

    make: Callable[[int], jd.Workload]
    checks: Sequence[str]
    codes: Sequence[str] = ()

    def is_found(self, told: Sequence[str], mentioned: Sequence[str] = ()) -> bool:
        """Whether one of its checks spoke, with one of its codes.

        Args:
            told: names of checks, and codes of findings, that warned or failed.
            mentioned: the same of what is only mentioned; it counts if it is a code
                that is asked for.
        """
        words = [*told, *(mentioned if self.codes else ())]
        spoke = {part for word in words for part in (word, word.partition("/")[0])}
        return bool(spoke & {*self.checks}) and (
            not self.codes or bool(spoke & {*self.codes})
        )
