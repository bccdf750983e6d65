"""Every code that is raised has a page, every page is raised, and the text is there."""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jaxdebug.cli import main
from jaxdebug.findings import Finding, Severity, found
from jaxdebug.findings.codes import FAMILIES, PAGES, nearest, page_of
from jaxdebug.findings.page import Page
from jaxdebug.findings.page_text import listing, page_text, pages_markdown
from tests.findings.findings_page import PAGE

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for path in sorted((ROOT / "jaxdebug").rglob("*.py"))
    if "pages" not in path.parts
]


def raised(source: str) -> set[str]:
    """Strings that look like a code, in a module that makes findings."""
    if not any(maker in source for maker in ("found(", "Finding(", "Spot(")):
        return set()
    return {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[a-z]+(-[a-z]+)+", node.value)
    }


def test_every_page_belongs_to_a_code_that_is_raised() -> None:
    everywhere = set().union(*(raised(path.read_text("utf-8")) for path in SOURCES))
    assert everywhere >= set(PAGES)


def test_a_code_that_is_raised_has_a_page() -> None:
    """First arguments of the calls that make findings; others are checked as made."""
    wrong = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("found", "Finding")
                and isinstance(node.args[0], ast.Constant)
                and node.args[0].value not in PAGES
            ):
                wrong.append(f"{path}:{node.lineno}: {node.args[0].value!r}")
    assert not wrong


def test_findings_are_made_by_the_function_that_asks_for_a_page() -> None:
    direct = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if re.search(r"\bFinding\(", path.read_text("utf-8"))
    ]
    assert direct == ["jaxdebug/findings/finding.py"]


def test_a_code_without_a_page_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'dead-unit': did you mean dead-units"):
        found("dead-unit", "layer", "text")
    with pytest.raises(ValueError, match="found ''"):
        page_of("")


def test_a_finding_takes_what_its_page_says() -> None:
    page = PAGES["dead-units"]
    made = found("dead-units", "relu", "all", line="net.py:3", evidence={"units": 8})
    assert made.severity is page.severity is Severity.WARNING
    assert made.remedies == page.remedies
    assert made.meaning == page.meaning
    assert (made.line, made.evidence) == ("net.py:3", {"units": 8})
    mild = found("dead-units", "relu", "all", severity=Severity.INFO, remedies=("x",))
    assert (mild.severity, mild.remedies, mild.line) == ("info", ("x",), None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.where = "other"  # type: ignore[misc]
    assert Finding("mine", Severity.INFO, "x", "y").meaning == ""


@pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
def test_a_page_is_complete_and_fits(page: Page) -> None:
    for field in dataclasses.fields(page):
        assert getattr(page, field.name), field.name
    for sentence in (page.meaning, page.judged, page.healthy, page.unseen):
        assert sentence.endswith(".")
        assert "  " not in sentence
    assert not page.title.endswith(".")
    assert all(remedy.endswith(".") for remedy in page.remedies)
    for width in (10, 60, 500):
        text = page_text(page, width)
        assert max(map(len, text.splitlines())) <= max(min(width, 100), 48)
    words = " ".join(page_text(page).split())
    for remedy in page.remedies:
        assert remedy in words


def test_codes_are_unique() -> None:
    codes = [page.code for pages in FAMILIES.values() for page in pages]
    assert len(codes) == len(set(codes)) == len(PAGES)


def test_the_documentation_is_what_the_pages_say() -> None:
    assert PAGE.read_text("utf-8") == pages_markdown(), (
        "expected docs/findings.md to follow the pages; write it anew with "
        "`python -m tests.findings.findings_page`"
    )


def test_explain_prints_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "vanishing-gradient"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("vanishing-gradient (warning)")
    assert "What to try" in text


def test_explain_alone_lists_the_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    text = capsys.readouterr().out
    assert text == listing() + "\n"
    assert all(code in text for code in PAGES)


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("vanishing-gradients", "vanishing-gradient"),
        ("DEAD_UNITS", "dead-units"),
        ("saturated", "saturated-units"),
    ],
)
def test_an_unknown_code_names_the_nearest(
    asked: str, near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", asked]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"found {asked!r}: did you mean" in err
    assert near in err


def test_what_resembles_nothing_gets_no_hint() -> None:
    assert nearest("\x1b[31m") == nearest("qqqqqq") == []


@pytest.mark.parametrize("arguments", [["explain"], ["explain", "dead-units"]])
def test_explain_imports_no_jax(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom jaxdebug.cli import main\n"
        f"assert main({arguments!r}) == 0\n"
        "loaded = {'jax', 'numpy', 'rich'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
