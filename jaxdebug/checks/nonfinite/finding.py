"""What made a value not finite, as a finding."""

from __future__ import annotations

from jaxdebug.checks.nonfinite.origin import Origin
from jaxdebug.checks.nonfinite.report import NonfiniteInput
from jaxdebug.findings import Finding, found


def nonfinite_finding(
    failed: Origin | None,
    cause: Origin | None,
    given: NonfiniteInput | None,
    reason: str,
    remedies: tuple[str, ...],
) -> Finding:
    """The whole as one finding, at the cause."""
    origin = cause or failed
    if given is not None or origin is None:
        where = "(top)" if given is None else given.name
        return found(
            "nonfinite-input",
            where,
            reason,
            line=None if failed is None else failed.line,
        )
    return found(
        "nonfinite-operation",
        origin.layer,
        reason,
        remedies=remedies or None,
        line=origin.line or None,
        evidence={"primitive": origin.primitive, "direction": origin.direction},
    )
