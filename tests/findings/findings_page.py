"""The page of all findings.

Run `python -m tests.findings.findings_page` to write it anew.
"""

from __future__ import annotations

from pathlib import Path

from jaxdebug.findings.page_text import pages_markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "findings.md"

if __name__ == "__main__":
    PAGE.write_text(pages_markdown(), "utf-8")
