"""Documents as plain text for a terminal, a log or a file."""

import io
import re
import shutil
from typing import TYPE_CHECKING

from jaxdebug.reports.document import Document, Section
from jaxdebug.reports.literal import show_name, show_sentence
from jaxdebug.reports.table_text import STATUS_STYLES, draw_table, lay_out

if TYPE_CHECKING:
    from rich.console import Console

NARROWEST = 40
_USUAL = 100

# Blanks at the end of a line, with the colour codes that stand among them.
_TRAILING = re.compile(r"(?: |\x1b\[[0-9;]*m)+$", re.MULTILINE)
_CODE = re.compile(r"\x1b\[[0-9;]*m")


def render_text(
    document: Document,
    *,
    width: int | None = None,
    color: bool = False,
    ascii_only: bool = False,
) -> str:
    """Render a document as text: the verdict first, then the sections in order.

    Every string of the document is shown literally: escape sequences, line breaks and
    markup in it are visible and have no effect. Numbers are never cut; where a table
    is too wide for them, each row is drawn as a small block of its own.

    Args:
        document: What to draw.
        width: The cells of a line; by default those of the terminal, or 100 where
            there is none. Less than 40 counts as 40.
        color: Add colours. The caller knows whether the output is a terminal and
            whether `NO_COLOR` is set; nothing is read from the environment here.
        ascii_only: Use only ASCII characters, for terminals that know no others.

    Returns:
        Lines without blanks at their ends, the last one ended by a line break.

    Example:
        >>> from jaxdebug.reports import Column, Section, Table, Verdict
        >>> leaves = Table(
        ...     (Column("leaf", "path"), Column("error", "number")),
        ...     (("conv/kernel[/]", 1.23e-7),),
        ... )
        >>> section = Section("Gradients", table=leaves)
        >>> document = Document("digits", Verdict.PASS, "All agree.", (section,))
        >>> print(render_text(document, width=40, ascii_only=True))
        PASS  digits
        All agree.
        <BLANKLINE>
        Gradients
        ---------
        leaf               error
        ------------------------
        conv/kernel[/]  1.23e-07
        <BLANKLINE>
    """
    if width is None:
        width = shutil.get_terminal_size((_USUAL, 24)).columns
    console = _console(max(width, NARROWEST), color)
    _print_heading(console, document, ascii_only)
    for section in document.sections:
        _print_section(console, section, ascii_only)
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    return _TRAILING.sub(lambda match: "".join(_CODE.findall(match[0])), drawn)


def _console(width: int, color: bool) -> "Console":
    """A console that depends on nothing but its arguments."""
    from rich.console import Console

    return Console(
        file=io.StringIO(),
        width=width,
        color_system="standard" if color else None,
        force_terminal=color,
        no_color=not color,
        force_jupyter=False,
        force_interactive=False,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},
    )


def _print_heading(console: "Console", document: Document, ascii_only: bool) -> None:
    from rich.text import Text

    heading = Text()
    if document.verdict is not None:
        verdict = document.verdict.value
        heading.append(verdict.upper(), style=STATUS_STYLES[verdict])
        heading.append("  ")
    # The title stays on the verdict's line, however long it is.
    rest = console.width - heading.cell_len
    title = show_name(document.title, limit=rest, ascii_only=ascii_only)
    heading.append(title, style="bold")
    console.print(heading)
    if document.headline:
        _print_sentence(console, document.headline, ascii_only)


def _print_section(console: "Console", section: Section, ascii_only: bool) -> None:
    from rich.text import Text

    shown = show_name(section.title, limit=console.width, ascii_only=ascii_only)
    title = Text(shown, style="bold")
    line = "-" if ascii_only else "─"
    console.print()
    console.print(title)
    console.print(Text(line * title.cell_len))
    for paragraph in section.paragraphs:
        _print_sentence(console, paragraph, ascii_only)
    if section.table is not None:
        if section.paragraphs:
            console.print()
        for part in draw_table(section.table, console.width, ascii_only=ascii_only):
            console.print(part)
    if section.listing and section.table is not None:
        console.print()
    mark = Text("-" if ascii_only else "•")
    for item in section.listing:
        row = (mark, Text(show_sentence(item, ascii_only=ascii_only)))
        console.print(lay_out([row], (1, console.width - 2), gap=1))


def _print_sentence(console: "Console", sentence: str, ascii_only: bool) -> None:
    from rich.text import Text

    shown = Text(show_sentence(sentence, ascii_only=ascii_only))
    console.print(shown, overflow="fold")
