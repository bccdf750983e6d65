"""Short, readable spellings of numbers."""

import decimal
import numbers

# Twelve digits and their separators still fit a column of a narrow terminal.
_LONGEST_COUNT = 10**12
_DASH = "\N{EN DASH}"


def format_number(
    value: numbers.Real | float | bool | None, *, ascii_only: bool = False
) -> str:
    """Spell a number with four significant digits, or a count in full.

    Args:
        value: A Python or NumPy real number, a bool, or None for "not measured".
        ascii_only: Use only ASCII characters.

    Returns:
        Counts with thousands separators, other numbers with four significant digits,
        "nan", "inf", "-inf", "yes" or "no", and a dash for None. At most 16
        characters.

    Example:
        >>> format_number(1797), format_number(0.000000123456)
        ('1,797', '1.235e-07')
        >>> format_number(float("-inf")), format_number(None, ascii_only=True)
        ('-inf', '-')
    """
    if value is None:
        return "-" if ascii_only else _DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        count = int(value)
        if abs(count) < _LONGEST_COUNT:
            return f"{count:,}"
        # A float would overflow on counts above 1.8e308; a decimal does not.
        return f"{decimal.Decimal(count):.3e}"
    return f"{float(value):.4g}"


def format_apart(one: float, other: float) -> tuple[str, str]:
    """Spell two numbers with as many digits as tell them apart, four at least.

    Example:
        >>> format_apart(2.0, 3.0), format_apart(1.0, 1.00000012)
        (('2', '3'), ('1', '1.0000001'))
        >>> format_apart(float("nan"), 1.0), format_apart(0.5, 0.5)
        (('nan', '1'), ('0.5', '0.5'))
    """
    for digits in range(4, 18):
        texts = f"{float(one):.{digits}g}", f"{float(other):.{digits}g}"
        if texts[0] != texts[1]:
            return texts
    return format_number(float(one)), format_number(float(other))
