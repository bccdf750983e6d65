"""The page that says which primitives each tool sees into.

Run `python -m tests.programs.coverage_page` to write it anew.
"""

from __future__ import annotations

from pathlib import Path

from jaxdebug.programs.coverage import FOREIGN, REGIONS
from jaxdebug.programs.rules.table import DEFAULT_RULES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coverage.md"

INTRODUCTION = """\
# What is seen into

Most primitives of JAX work on arrays. Some hold a program of their own: the body of a
loop, a branch, a jitted function. This page says of each of those whether jaxdebug
goes in.

- *seen into*: the equations inside are treated like those outside. A `probe` measures
  layers there, a `shadow` computes them in float64.
- *opaque*: the primitive runs exactly as it was traced, its results are used like any
  others, and it is named in the report as not seen into. A `shadow` runs it in its
  native dtype.
- *nothing to see*: the program inside only combines two scalars, no layer can be in it.
  A `shadow` traces it again in float64: it is *rebuilt*.

A primitive that is not on this page is opaque if it holds a program, whatever it is
called. One primitive may have different names on different versions of JAX.

| primitive | probe | shadow |
|---|---|---|
"""

LIMITS = """
Inside what is seen into, these are not recorded: the predicate of a `while`; the
derivative rules of `custom_vjp_call` and `custom_jvp_call`, whose results are used; the
operators of `custom_linear_solve` other than its solver.
"""


def page() -> str:
    """The page as it should be."""
    rows = {name: ("seen into", "seen into") for name in DEFAULT_RULES}
    rows |= {name: ("opaque", "opaque, native dtype") for name in FOREIGN}
    rows |= {f"{name}*": ("nothing to see", "rebuilt") for name in REGIONS}
    lines = [
        f"| `{name}` | {probe} | {shadow} |\n"
        for name, (probe, shadow) in sorted(rows.items())
    ]
    return INTRODUCTION + "".join(lines) + LIMITS


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
