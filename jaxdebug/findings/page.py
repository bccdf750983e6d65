"""The page of a finding's code: what `jaxdebug explain` and the documentation say."""

from __future__ import annotations

from dataclasses import dataclass

from jaxdebug.findings.severity import Severity


@dataclass(frozen=True)
class Page:
    """What a code means, for everything that speaks of it.

    Attributes:
        code: the stable name; its meaning never changes.
        title: the finding in one short sentence.
        severity: how bad it usually is. A finding may be milder or worse where
            `judged` says so.
        meaning: what it does to the training.
        judged: what is compared with what, with the thresholds.
        healthy: the null model: how often it fires on healthy runs, and why.
        remedies: what to try, most useful first.
        unseen: what this finding cannot tell.
    """

    code: str
    title: str
    severity: Severity
    meaning: str
    judged: str
    healthy: str
    remedies: tuple[str, ...]
    unseen: str
