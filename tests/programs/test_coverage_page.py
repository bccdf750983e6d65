"""docs/coverage.md is what the rule table says."""

from __future__ import annotations

from tests.programs.coverage_page import PAGE, page


def test_the_page_is_the_rule_table() -> None:
    assert PAGE.read_text("utf-8") == page(), (
        "expected docs/coverage.md to follow the rules; write it anew with "
        "`python -m tests.programs.coverage_page`"
    )
