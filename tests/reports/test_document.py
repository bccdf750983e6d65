"""A document is frozen data, and one that no renderer could draw cannot be made."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from jaxdebug.reports import Column, Document, Section, Table, Verdict

COLUMNS = (Column("leaf", "path"), Column("error", "number"))


def test_sequences_are_frozen() -> None:
    rows = [["a", 1.0]]
    table = Table(list(COLUMNS), rows)
    rows[0][1] = 2.0
    section = Section("s", ["p"], table, ["i"])
    document = Document("t", Verdict.PASS, "h", [section])
    assert table.rows == (("a", 1.0),)
    assert hash(document) == hash(
        Document("t", Verdict.PASS, "h", (Section("s", ("p",), table, ("i",)),))
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        document.title = "other"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("cell", ["", 0, 1.5, True, None, np.float32(2), np.int8(3)])
def test_a_cell_is_text_a_real_number_or_nothing(cell: Any) -> None:
    assert Table((Column("x"),), ((cell,),)).rows == ((cell,),)


@pytest.mark.parametrize("cell", [b"x", 1j, [1], np.zeros(2), object()])
def test_another_cell_is_refused_with_its_place(cell: Any) -> None:
    with pytest.raises(TypeError, match=r"Table\.rows\[1\], column 'error'"):
        Table(COLUMNS, (("a", 1.0), ("b", cell)))


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2 columns; Table\.rows\[1\] has 1"):
        Table(COLUMNS, (("a", 1.0), ("b",)))


def test_a_table_has_columns_and_leaves_out_no_negative_number() -> None:
    with pytest.raises(ValueError, match="at least one column"):
        Table(())
    with pytest.raises(ValueError, match="more=-1"):
        Table(COLUMNS, (), more=-1)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind='money' in column 'error'"):
        Column("error", "money")  # pyright: ignore[reportArgumentType]


def test_a_single_string_is_no_sequence() -> None:
    with pytest.raises(TypeError, match=r"Section\.paragraphs .* \(item,\)"):
        Section("s", "a sentence")
    with pytest.raises(TypeError, match=r"Section\.listing"):
        Section("s", listing="an item")
    with pytest.raises(TypeError, match=r"Table\.rows\[0\]"):
        Table(COLUMNS, ("ab",))


def test_a_verdict_is_its_word() -> None:
    assert [str(verdict) for verdict in Verdict] == ["pass", "fail", "inconclusive"]
