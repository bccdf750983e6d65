"""Text reports: the verdict first, numbers whole, names literal, nothing hidden."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from jaxdebug.reports import Column, Document, Section, Table, Verdict, render_text
from jaxdebug.reports.literal import show_name

ANYTHING = st.text(st.characters(exclude_categories=()))
CODES = re.compile(r"\x1b\[[0-9;]*m")
SNAPSHOTS = Path(__file__).parent / "snapshots"

COLUMNS = (
    Column("leaf", "path"),
    Column("verdict", "status"),
    Column("relative error", "number"),
    Column("bound", "number"),
    Column("size", "number"),
    Column("what it means", "text"),
)
ROWS = (
    ("encoder/layer_0/attention/query/kernel", "pass", 1.23456e-7, 1e-5, 1797, ""),
    (
        "encoder/layer_1/attention/query/kernel",
        "fail",
        0.5,
        1e-5,
        123456789,
        "the custom rule of `square` at model.py:12 gives half of the derivative",
    ),
    ("kernel[/]\x1b[31m", "inconclusive", float("nan"), None, 3, "on a kink"),
)
DOCUMENT = Document(
    "digits-cnn",
    Verdict.FAIL,
    "1 of 3 leaves disagrees with finite differences: encoder/layer_1.",
    (
        Section(
            "Gradients",
            ("Each leaf along one random direction, against central differences.",),
            Table(COLUMNS, ROWS, more=1200),
        ),
        Section("Not seen into", listing=("pallas_call at model.py:7", "[bold]x[/]")),
        Section("Data", table=Table((Column("field", "path"),))),
    ),
)


def whole(name: str) -> Document:
    """A document that holds one name everywhere a name can stand."""
    columns = (
        Column(name, "path"),
        Column(name, "status"),
        Column(name, "number"),
        Column(name, "text"),
    )
    rows = ((name, name, 1.5e-7, name), (name, "pass", name, name))
    section = Section(name, (name,), Table(columns, rows), (name,))
    return Document(name, Verdict.PASS, name, (section,))


@pytest.mark.parametrize(
    ("name", "width", "ascii_only"),
    [("wide", 100, False), ("narrow", 40, False), ("ascii", 100, True)],
)
def test_snapshot(name: str, width: int, ascii_only: bool) -> None:
    expected = (SNAPSHOTS / f"{name}.txt").read_text("utf-8")
    assert render_text(DOCUMENT, width=width, ascii_only=ascii_only) == expected


@pytest.mark.parametrize("width", [40, 41, 55, 72, 90, 100, 160, 400])
def test_every_number_is_whole_at_every_width(width: int) -> None:
    text = render_text(DOCUMENT, width=width)
    numbers = ["1.235e-07", "1e-05", "1,797", "0.5", "123,456,789", "nan", "3", "1,200"]
    assert set(numbers) <= set(text.split())
    assert {"pass", "fail", "inconclusive"} <= set(text.split())
    assert max(map(cell_len, text.splitlines())) <= width


def test_many_number_columns_stay_readable_at_forty() -> None:
    columns = (Column("site", "path"), *(Column(f"m{i}", "number") for i in range(20)))
    row = ("a/b", *(-1.23456e-300 * 10**i for i in range(20)))
    text = render_text(
        Document("t", None, "", (Section("s", table=Table(columns, (row,))),)), width=40
    )
    for i in range(20):
        assert re.search(rf"^  m{i} +-1\.235e-{300 - i}$", text, re.MULTILINE)


def test_four_columns_stay_a_table_at_forty() -> None:
    columns = (COLUMNS[0], COLUMNS[2], COLUMNS[4])
    rows = [(leaf, error, size) for leaf, _, error, _, size, _ in ROWS]
    text = render_text(
        Document("t", None, "", (Section("s", table=Table(columns, rows)),)), width=40
    )
    lines = text.splitlines()
    assert any(line.startswith("leaf") and line.endswith("size") for line in lines)
    assert any(line.endswith("1.235e-07        1,797") for line in lines)


def test_paths_are_cropped_in_the_middle_unless_they_would_look_alike() -> None:
    columns = (Column("leaf", "path"), Column("x", "number"))
    one, two = "decoder/layer_0/mlp/kernel", "decoder/layer_1/mlp/kernel"
    other = "embedding/of/the/tokens/table" * 3

    def draw(*paths: str) -> str:
        rows = [(path, 123456789012) for path in paths]
        section = Section("s", table=Table(columns, rows))
        return render_text(Document("t", None, "", (section,)), width=40)

    assert "embedding/…/table        123" in draw(other, one)
    assert "decoder/…/mlp/kernel     123" in draw(other, one)
    assert "decoder/…/mlp/kernel     123" in draw(two, two)
    alike = draw(one, two, other)
    assert "decoder/layer_0/mlp/     123,456,789,012\nkernel\n" in alike
    assert "decoder/layer_1/mlp/     123,456,789,012\nkernel\n" in alike
    assert "embedding/…/table        123" in alike
    long = f"a/{'k' * 40}/b"
    assert f"a/{'k' * 9}…{'k' * 9}/b  123" in draw(long)
    # Without a slash to break at, a path is broken where the column ends.
    words = draw(*("k" * 12 + digit + "k" * 15 for digit in "01"))
    assert f"{'k' * 12}0{'k' * 10}  123,456,789,012\nkkkkk\n" in words


def test_the_verdict_comes_first() -> None:
    assert render_text(DOCUMENT).startswith("FAIL  digits-cnn\n1 of 3")
    assert render_text(Document("doctor", None)) == "doctor\n"


def test_rows_left_out_are_counted() -> None:
    def draw(more: int) -> str:
        table = Table((Column("a"),), (("x",),), more=more)
        return render_text(Document("t", None, "", (Section("s", table=table),)))

    assert "… 1 more row\n" in draw(1)
    assert "… 2 more rows\n" in draw(2)
    assert "more" not in draw(0)


def test_colour_only_on_request_and_only_colour() -> None:
    plain = render_text(DOCUMENT, width=100)
    coloured = render_text(DOCUMENT, width=100, color=True)
    assert "\x1b" not in plain
    assert coloured.startswith("\x1b[1;31mFAIL\x1b[0m")
    assert CODES.sub("", coloured) == plain


@pytest.mark.parametrize(
    "variables",
    [
        {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"},
        {"NO_COLOR": "1", "TERM": "dumb"},
        {"COLUMNS": "50"},
    ],
    ids=repr,
)
def test_the_environment_decides_nothing_but_the_default_width(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    plain = render_text(DOCUMENT, width=100)
    coloured = render_text(DOCUMENT, width=100, color=True)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert render_text(DOCUMENT, width=100) == plain
    assert render_text(DOCUMENT, width=100, color=True) == coloured


def test_the_default_width_is_that_of_the_terminal_but_at_least_forty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert render_text(DOCUMENT) == render_text(DOCUMENT, width=60)
    monkeypatch.setenv("COLUMNS", "7")
    assert render_text(DOCUMENT) == render_text(DOCUMENT, width=40)
    assert render_text(DOCUMENT, width=-1) == render_text(DOCUMENT, width=40)


def check_clean(text: str, width: int, ascii_only: bool) -> None:
    """Nothing but printable lines of the right width, without blanks at their ends."""
    lines = text.split("\n")
    assert lines.pop() == ""
    for line in lines:
        assert line.isprintable()
        assert line == line.rstrip(" ")
        assert cell_len(line) <= width
    assert text.isascii() or not ascii_only


@pytest.mark.parametrize("width", [40, 100])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_hostile_name_has_no_effect(
    hostile: str, width: int, ascii_only: bool
) -> None:
    document = whole(hostile)
    text = render_text(document, width=width, ascii_only=ascii_only)
    check_clean(text, width, ascii_only)
    assert text.startswith("PASS  ")
    assert "1.5e-07" in text.split()
    shown = show_name(hostile, ascii_only=ascii_only)
    if len(shown) < 30 and " " not in shown:
        assert text.split("\n")[0] == f"PASS  {shown}"
    assert len(text.splitlines()) < 600
    coloured = render_text(document, width=width, color=True, ascii_only=ascii_only)
    assert CODES.sub("", coloured) == text


@given(ANYTHING, st.sampled_from([40, 57, 100]), st.booleans())
def test_any_name_has_no_effect(name: str, width: int, ascii_only: bool) -> None:
    text = render_text(whole(name), width=width, ascii_only=ascii_only)
    check_clean(text, width, ascii_only)
    assert "1.5e-07" in text.split()
