"""Silencing findings that the user knows of: by code, or by code and place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from jaxdebug.findings.codes import PAGES, nearest
from jaxdebug.findings.finding import Finding


def silenced(
    findings: Sequence[Finding], patterns: Iterable[str]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Part findings into those that count and those that the user silenced.

    Args:
        findings: in any order, which is kept.
        patterns: `"code"`, or `"code:where"`; both may hold the wildcards of
            `fnmatch` (`*` matches `/` too).

    Returns:
        The findings that are kept, and those that are silenced.

    Raises:
        TypeError: if `patterns` is no sequence of strings.
        ValueError: if a pattern names no code.

    Example:
        >>> from jaxdebug.findings import found
        >>> several = [found("dead-units", "encoder/relu", "all"),
        ...            found("dead-units", "decoder/relu", "all")]
        >>> kept, quiet = silenced(several, ["dead-units:encoder/*"])
        >>> [finding.where for finding in kept], [finding.where for finding in quiet]
        (['decoder/relu'], ['encoder/relu'])
    """
    checked = require_patterns("silence", patterns)
    kept, quiet = [], []
    for finding in findings:
        matching = any(_matches(pattern, finding) for pattern in checked)
        (quiet if matching else kept).append(finding)
    return tuple(kept), tuple(quiet)


def require_patterns(name: str, patterns: object) -> tuple[str, ...]:
    """Refuse what is no list of patterns, or names a code that does not exist.

    Args:
        name: what to call the patterns in the message.
        patterns: what the user gave.

    Raises:
        TypeError: if `patterns` is no sequence of strings.
        ValueError: if a pattern names no code.
    """
    expected = (
        f"expected {name} to be a list of codes of findings, or of code:where, such as "
        '["dead-units:encoder/*"]'
    )
    if isinstance(patterns, str) or not isinstance(patterns, Iterable):
        raise TypeError(f"{expected}; found {patterns!r}.")
    listed = tuple(patterns)
    for pattern in listed:
        if not isinstance(pattern, str):
            raise TypeError(f"{expected}; found the entry {pattern!r}.")
        code = pattern.partition(":")[0]
        if not any(fnmatchcase(known, code) for known in PAGES):
            near = nearest(code)
            hint = f"Did you mean {', '.join(near)}? " if near else ""
            raise ValueError(
                f"{expected}; found the entry {pattern!r}, which names no code. "
                f"{hint}Known codes: {', '.join(PAGES)}."
            )
    return listed


def _matches(pattern: str, finding: Finding) -> bool:
    code, colon, where = pattern.partition(":")
    if not fnmatchcase(finding.code, code):
        return False
    # A name may hold brackets, which are wildcards: it always matches itself.
    return not colon or finding.where == where or fnmatchcase(finding.where, where)
