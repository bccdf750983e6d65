"""Numbers are short, and no number is mistaken for another of another size."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdebug.reports import format_number


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (0, "0"),
        (1797, "1,797"),
        (-1234567, "-1,234,567"),
        (999_999_999_999, "999,999,999,999"),
        (10**12, "1.000e+12"),
        (-(10**400), "-1.000e+400"),
        (0.0, "0"),
        (1.0, "1"),
        (0.1234567, "0.1235"),
        (1.2e-7, "1.2e-07"),
        (1.23456e-7, "1.235e-07"),
        (12345.6, "1.235e+04"),
        (-2.5e-300, "-2.5e-300"),
        (5e-324, "4.941e-324"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (True, "yes"),
        (False, "no"),
        (None, "\N{EN DASH}"),
        (np.float32(0.1), "0.1"),
        (np.float16("inf"), "inf"),
        (np.int64(1797), "1,797"),
        (np.uint8(7), "7"),
    ],
)
def test_spelling(value: Any, spelled: str) -> None:
    assert format_number(value) == spelled


def test_nothing_has_an_ascii_spelling() -> None:
    assert format_number(None, ascii_only=True) == "-"


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_four_digits_are_right_and_the_spelling_is_short(value: float) -> None:
    spelled = format_number(value)
    assert len(spelled) <= 16
    read = float(spelled.replace(",", ""))
    # At the largest float the fourth digit rounds up to infinity when read back.
    if math.isfinite(read):
        assert math.isclose(read, value, rel_tol=5.001e-4, abs_tol=5e-324)
