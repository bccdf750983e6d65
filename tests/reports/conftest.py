"""Names as a hostile or careless program spells them."""

import pytest

HOSTILE = {
    "markup": "kernel[/]",
    "bold": "[bold]kernel[/bold]",
    "link": "[link=https://example.org]kernel",
    "html": "<script>alert(1)</script>",
    "climbing": "../../x",
    "colour": "\x1b[31mred",
    "terminal-title": "\x1b]0;owned\x07",
    "c1": "\x9b31mred",
    "lines": "a\nPASS  b\r\nc",
    "tab": "a\tb",
    "nul": "a\0b",
    "delete": "a\x7fb",
    "bidi": "a\u202eb\u2066c",
    "separators": "a\u2028b\u2029c",
    "invisible": "a\u200bb\ufeffc\u00a0d",
    "empty": "",
    "blank": "   ",
    "surrogate": "a\udc80b",
    "emoji": ":smile: \N{GRINNING FACE}",
    "wide": "\N{CJK UNIFIED IDEOGRAPH-5C42}" * 60,
    "combining": "e\N{COMBINING ACUTE ACCENT}" * 60,
    "backslash": r"C:\new\x1b.py",
    "percent": "%s {0} {x!r}",
    "long": "block/" * 1666 + "last",
    "long-word": "k" * 10_000,
    "long-sentence": "k " * 5_000,
    "long-combining": "\N{COMBINING ACUTE ACCENT}" * 10_000,
}


@pytest.fixture(params=list(HOSTILE.values()), ids=list(HOSTILE))
def hostile(request: pytest.FixtureRequest) -> str:
    """Each hostile name in turn."""
    return request.param
