"""Names are shown literally: visible, on one line, without any effect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from jaxdebug.reports.literal import (
    NAME_LIMIT,
    SENTENCE_LIMIT,
    crop_middle,
    escape,
    show_name,
    show_sentence,
)

ANYTHING = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("kernel[/]", "kernel[/]"),
        ("<script>", "<script>"),
        ("../../x", "../../x"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\rc\td\0", r"a\nb\rc\td\x00"),
        ("a\x7f", r"a\x7f"),
        ("\u202eabc\u2069", r"\u202eabc\u2069"),
        ("a\u2028b", r"a\u2028b"),
        ("a\u00a0b", r"a\xa0b"),
        ("\udc80", r"\udc80"),
        ("\U000e0041", r"\U000e0041"),
        ("", "''"),
        ("  ", r"\x20\x20"),
        (" a b ", r"\x20a b\x20"),
        (r"C:\new", r"C:\new"),
        ("größe", "größe"),
    ],
)
def test_a_name_is_shown_literally(name: str, shown: str) -> None:
    assert show_name(name) == shown


def test_ascii_only_escapes_letters_too() -> None:
    assert show_name("größe\u5c42", ascii_only=True) == r"gr\xf6\xdfe\u5c42"
    assert show_name("k" * 999, limit=9, ascii_only=True) == "kkk...kkk"


@given(ANYTHING, st.booleans())
def test_escaping_leaves_only_printable_characters(text: str, ascii_only: bool) -> None:
    shown = escape(text, ascii_only=ascii_only)
    assert shown.isprintable()
    assert shown.isascii() or not ascii_only
    assert escape(shown, ascii_only=ascii_only) == shown


@given(ANYTHING, st.integers(1, 30), st.booleans())
def test_a_crop_fits_and_keeps_both_ends(text: str, cells: int, ascii_: bool) -> None:
    printable = escape(text)
    shown = crop_middle(printable, cells, ascii_only=ascii_)
    assert cell_len(shown) <= cells
    if shown != printable and cells > 3:
        head, _, tail = shown.partition("..." if ascii_ else "…")
        assert printable.startswith(head)
        assert printable.endswith(tail)


def test_a_long_name_becomes_readable(hostile: str) -> None:
    shown = show_name(hostile)
    assert 0 < len(shown) <= NAME_LIMIT
    assert shown.isprintable()


def test_a_crop_keeps_the_beginning_and_the_end() -> None:
    assert show_name("block/" * 1666 + "last", limit=20) == "block/blo…block/last"
    assert crop_middle("abc", 3) == "abc"
    assert crop_middle("abcd", 3) == "a…d"
    assert crop_middle("abcd", 1) == "…"
    assert crop_middle("abcd", 0) == ""


def test_a_sentence_keeps_its_words_and_crops_the_long_ones(hostile: str) -> None:
    shown = show_sentence(f"leaf {hostile} differs")
    assert shown.startswith("leaf ")
    assert shown.endswith(" differs")
    assert shown.isprintable()
    assert len(shown) <= SENTENCE_LIMIT
    assert all(len(word) <= NAME_LIMIT for word in shown.split(" "))
