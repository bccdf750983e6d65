"""The three answers a check can give."""

import enum
from collections.abc import Iterable


class Verdict(enum.StrEnum):
    """What a check concluded.

    Attributes:
        PASS: Agreement within the stated bound.
        FAIL: A disagreement, or a value that is not finite.
        INCONCLUSIVE: The numbers decide neither; the report says why.
    """

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


WORST_FIRST = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
"""In which order verdicts count."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on a whole from those on its parts; pass if there are none."""
    return min(verdicts, key=WORST_FIRST.index, default=Verdict.PASS)
