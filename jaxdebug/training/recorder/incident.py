"""A value that is not finite, met in training: which step made it, and what."""

from __future__ import annotations

from dataclasses import dataclass

from jaxdebug.checks.nonfinite.report import NonfiniteReport
from jaxdebug.findings import Finding, found


class NonFiniteError(ArithmeticError):
    """Raised by `watch(..., on_nonfinite="raise")`; the message is the incident."""


@dataclass(frozen=True)
class Incident:
    """What is known of a value that is not finite.

    Attributes:
        seen: the step at which it was seen.
        signs: where: names of scalars, or of parameters.
        step: the step that made it, by a replay; None if there was none.
        started: the step from which it was replayed.
        exact: whether the replay gave the same scalars as the training.
        unlike: what it did not give the same, or why there was none.
        report: which operation made it, and why; None if that is not known.
        untraced: why it is not, although the step is.
        bundle: folder with what the step was given, for `jd.replay`; empty if there
            is none.
        is_skipped: whether the step passed over it, and the state is finite.
        lasts: whether the state that the step left is not finite; None if that is not
            known.
    """

    seen: int
    signs: tuple[str, ...]
    step: int | None = None
    started: int | None = None
    exact: bool = False
    unlike: str = ""
    report: NonfiniteReport | None = None
    untraced: str = ""
    bundle: str = ""
    is_skipped: bool = False
    lasts: bool | None = None

    @property
    def finding(self) -> Finding:
        """The incident as a finding: the operation, or at least the step."""
        signs = ", ".join(self.signs)
        evidence = {"seen": self.seen, "step": self.step, "exact": self.exact}
        report = self.report
        code = "skipped-step" if self.is_skipped else "nonfinite-step"
        if report is None:
            why = f"; which operation is not known, because {self.untraced}"
            message = f"{self._steps()}; first seen in {signs}"
            message += why if self.untraced else ""
            return found(code, "step", message, evidence=evidence)
        made, given = report.cause or report.failed, report.given
        remedies = report.remedies
        if given is not None and report.findings:  # nothing is wrong with the step
            remedies = report.findings[0].remedies
        where = "step" if given is None else given.name
        return found(
            code,
            made.layer if made else where,
            f"{self._steps()}: {report.reason or 'what made it was not found'}; first "
            f"seen in {signs}{self._left()}",
            remedies=remedies or None,
            line=made.line if made else None,
            evidence=evidence,
        )

    def _steps(self) -> str:
        if self.step is None:
            return f"at step {self.seen}, and could not be replayed: {self.unlike}"
        how = "exactly" if self.exact else f"but not exactly: {self.unlike}"
        return f"in step {self.step}, replayed from step {self.started} {how}"

    def _left(self) -> str:
        return "; the state that the step left is finite" * (self.lasts is False)

    def __str__(self) -> str:
        said = self.finding
        at = f" at {said.line}" if said.line else ""
        head = f"not finite in {said.where}{at}: {said.message}."
        kept = f"What the step was given: {self.bundle}" if self.bundle else ""
        parts = head, kept, self.report
        return "\n\n".join(str(part) for part in parts if part)
