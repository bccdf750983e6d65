"""The three answers a check can give."""

import enum


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
