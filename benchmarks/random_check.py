"""One verdict on a random program, and what its gradient is."""

from __future__ import annotations

from typing import NamedTuple

from jaxdebug.testing.programs.expected import Expected


class Check(NamedTuple):
    """One verdict.

    Attributes:
        program: what was checked, as printed: it can be built again.
        mistake: kind of the mistake in its rule; empty if there is none.
        point: of its arguments.
        order: of the derivatives.
        known: what its gradient is.
        verdict: of `check_gradients`; `raised` if it raised.
        reasons: of what does not pass.
    """

    program: str
    mistake: str
    point: int
    order: int
    known: Expected
    verdict: str
    reasons: tuple[str, ...]

    @property
    def wrong(self) -> bool:
        """Whether the verdict is not what the gradient is."""
        forbidden = {Expected.RIGHT: "fail", Expected.WRONG: "pass"}
        raised = self.verdict == "raised"
        return raised or self.verdict == forbidden.get(self.known)

    def __str__(self) -> str:
        reasons = ", ".join(self.reasons)
        return f"{self.program} at {self.point}: {self.verdict} ({reasons})"
