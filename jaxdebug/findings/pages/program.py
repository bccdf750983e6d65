"""Pages on the traced program itself."""

from __future__ import annotations

from jaxdebug.findings.page import Page
from jaxdebug.findings.severity import Severity

MENTIONED = 1 << 20
"""Bytes from which on a captured constant is mentioned."""

LARGE = 1 << 25
"""Bytes from which on it is a warning."""

PAGES = (
    Page(
        "large-constant",
        "The traced function captures a large array",
        Severity.WARNING,
        "The array becomes part of the compiled program: compilation is slower, the "
        "array is kept in memory twice, a new array means a new compilation, and if "
        "it was meant to be a parameter, it gets no gradient.",
        f"A constant of the trace of {LARGE >> 20} MiB or more; from "
        f"{MENTIONED >> 20} MiB on it is mentioned (info).",
        "It depends on the program alone, not on values: never on a function that "
        f"captures less than {MENTIONED >> 20} MiB.",
        (
            "Pass the array as an argument of the function.",
            "Make tables and masks inside the function, from `jnp.arange`.",
        ),
        "Arrays made inside the program.",
    ),
)
