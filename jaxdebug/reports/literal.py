"""Show a name that somebody else chose, literally and on one line.

Names of parameters, modules, files and batch fields come from the user's program. Any
of them may hold line breaks, terminal escape sequences, characters that reverse the
direction of the text, markup of a rendering library, or ten thousand characters.

The rule: a character that `str.isprintable` calls unprintable is written as a Python
escape (`\\x1b`, `\\n`, `\\u202e`, `\\udc80`). That covers the control characters C0 and
C1, format characters (bidi overrides, zero-width characters), line and paragraph
separators, every space but the plain one, lone surrogates and unassigned characters.
A backslash stays as it is, so that Windows paths stay readable and escaping twice is
escaping once; the exact name is in the JSON.
"""

# Long enough for a file's path with its line, short enough for a few terminal lines.
NAME_LIMIT = 200
# A sentence this long holds something that was never meant to be read as one.
SENTENCE_LIMIT = 2000

_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape_character(character: str) -> str:
    short = _SHORT_ESCAPES.get(character)
    if short is not None:
        return short
    point = ord(character)
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def escape(text: str, *, ascii_only: bool = False) -> str:
    r"""Write every unprintable character of a text as a visible escape.

    Args:
        text: Any string, lone surrogates included.
        ascii_only: Escape every character outside ASCII as well.

    Returns:
        A printable string on one line.

    Example:
        >>> print(escape("\x1b[31mred\nkernel[/]"))
        \x1b[31mred\nkernel[/]
    """
    if text.isprintable() and (text.isascii() or not ascii_only):
        return text
    return "".join(
        character
        if character.isprintable() and (character.isascii() or not ascii_only)
        else _escape_character(character)
        for character in text
    )


def crop_middle(text: str, cells: int, *, ascii_only: bool = False) -> str:
    """Shorten a printable text by taking out its middle.

    Args:
        text: A printable string.
        cells: The most terminal cells the result may take; wide characters take two.
        ascii_only: Mark the gap with three dots instead of an ellipsis.

    Returns:
        The text itself if it fits, otherwise its beginning, a mark and its end.

    Example:
        >>> crop_middle("encoder/layer_0/attention/kernel", 16, ascii_only=True)
        'encode.../kernel'
    """
    from rich.cells import cell_len

    if len(text) <= cells and cell_len(text) <= cells:
        return text
    mark = "..." if ascii_only else "…"
    budget = cells - len(mark)
    while budget > 0:
        tail = _leading(text[::-1], budget - budget // 2)[::-1]
        head = _leading(text, budget // 2)
        cropped = f"{head}{mark}{tail}"
        # Characters that join into one cell or two are measured only as a whole.
        if cell_len(cropped) <= cells:
            return cropped
        budget -= 1
    return mark[: max(cells, 0)]


def _leading(text: str, cells: int) -> str:
    """Return the longest beginning within so many cells and so many characters."""
    from rich.cells import cell_len

    used = 0
    for index, character in enumerate(text[:cells]):
        used += cell_len(character)
        if used > cells:
            return text[:index]
    return text[:cells]


def show_name(name: str, *, limit: int = NAME_LIMIT, ascii_only: bool = False) -> str:
    r"""Make a name fit to stand in a sentence or a cell.

    Args:
        name: Any string.
        limit: The most terminal cells the result may take.
        ascii_only: Use only ASCII characters.

    Returns:
        The name, escaped and cropped in the middle. The empty name is shown as two
        quotes, and a space at either end as an escape, since neither can be seen.

    Limits:
        Two names that differ only in a middle that was cropped look alike; the JSON
        report holds them whole.

    Example:
        >>> show_name(""), show_name("../../x"), print(show_name(" a\tb"))
        \x20a\tb
        ("''", '../../x', None)
    """
    if not name:
        return "''"
    core = name.strip(" ")
    leading = len(name) - len(name.lstrip(" "))
    trailing = len(name) - len(core) - leading
    shown = "\\x20" * leading + escape(core, ascii_only=ascii_only)
    if core:
        shown += "\\x20" * trailing
    return crop_middle(shown, limit, ascii_only=ascii_only)


def show_sentence(text: str, *, ascii_only: bool = False) -> str:
    """Make a sentence fit to be wrapped over lines.

    Args:
        text: Any string; names inside it may be hostile.
        ascii_only: Use only ASCII characters.

    Returns:
        The sentence, escaped, with over-long words and an over-long whole cropped in
        the middle.

    Example:
        >>> show_sentence("leaf [bold]kernel[/] differs")
        'leaf [bold]kernel[/] differs'
    """
    words = escape(text, ascii_only=ascii_only).split(" ")
    shown = " ".join(
        crop_middle(word, NAME_LIMIT, ascii_only=ascii_only) for word in words
    )
    return crop_middle(shown, SENTENCE_LIMIT, ascii_only=ascii_only)
