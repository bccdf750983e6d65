"""A page as text for a terminal, and all pages as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from jaxdebug.findings.codes import FAMILIES
from jaxdebug.findings.page import Page

NARROWEST, WIDEST = 40, 100

INTRODUCTION = """\
# Findings

What jaxdebug has to say, by code. `jaxdebug explain CODE` prints the same page. A code
never changes its meaning.

A finding that is known and accepted can be silenced, by code or by code and place. It
is still listed, but no longer counts:

```toml
[tool.jaxdebug]
silence = ["dead-units:encoder/*", "flat-gradient"]
```
"""


def page_text(page: Page, width: int = 80) -> str:
    """The page for a terminal, so many columns wide."""
    width = min(max(width, NARROWEST), WIDEST)
    lines = [f"{page.code} ({page.severity})", *textwrap.wrap(page.title + ".", width)]
    for title, text in _parts(page):
        lines += ["", title, *_wrapped(text, width, "  ")]
    lines += ["", "What to try"]
    for number, remedy in enumerate(page.remedies, 1):
        lines += _wrapped(remedy, width, f"  {number}. ")
    lines += ["", "What it cannot tell", *_wrapped(page.unseen, width, "  ")]
    return "\n".join(lines)


def listing() -> str:
    """All codes with their titles, for a terminal."""
    pages = [page for family in FAMILIES.values() for page in family]
    longest = max(len(page.code) for page in pages)
    lines = []
    for family, members in FAMILIES.items():
        lines += ["", family]
        lines += [f"  {page.code:{longest}}  {page.title}" for page in members]
    return "\n".join([*lines[1:], "", "`jaxdebug explain CODE` says more about one."])


def pages_markdown() -> str:
    """The documentation of all pages."""
    return INTRODUCTION + "".join(_markdown())


def _markdown() -> Iterator[str]:
    for family, pages in FAMILIES.items():
        yield f"\n## {family}\n"
        for page in pages:
            yield f"\n### {page.code}\n\n"
            yield f"*{page.title}.* Severity: {page.severity}.\n"
            for title, text in _parts(page):
                yield f"\n**{title}.** {text}\n"
            yield "\n**What to try.**\n\n"
            for number, remedy in enumerate(page.remedies, 1):
                yield f"{number}. {remedy}\n"
            yield f"\n**What it cannot tell.** {page.unseen}\n"


def _parts(page: Page) -> tuple[tuple[str, str], ...]:
    return (
        ("What it means", page.meaning),
        ("How it is judged", page.judged),
        ("On healthy models", page.healthy),
    )


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )
