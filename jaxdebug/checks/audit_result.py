"""From what an audit measured on the device to its report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdebug.checks.audit_findings import gradient_findings, value_findings
from jaxdebug.checks.audit_report import AuditReport, LayerAudit, LeafAudit
from jaxdebug.checks.data import examine_inputs
from jaxdebug.checks.layer_findings import layer_findings, leaf_measurements
from jaxdebug.findings import Finding, Severity
from jaxdebug.findings.silence import silenced
from jaxdebug.gradients.differences import evaluations
from jaxdebug.gradients.directions import rms
from jaxdebug.gradients.verdict import LeafVerdict, judge_leaves, settle
from jaxdebug.programs.custom_rules import CustomRule, users_rules_after
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.severed import is_constant, reads
from jaxdebug.reports import Verdict
from jaxdebug.statistics.likeness import apart
from jaxdebug.statistics.summary import Summary, summarize_array

if TYPE_CHECKING:
    from jaxdebug.checks.audit_plan import Measured, Moves, Plan


def judge(plan: Plan, measured: Measured, moves: Moves) -> tuple[LeafVerdict, ...]:
    """The verdict on each leaf from one measurement."""
    differences = measured.differences
    slopes, sizes, errors = [], [], []
    for wide, native, boost, unit in zip(
        differences.gradients,
        measured.gradients,
        measured.boosts,
        moves.directions,
        strict=True,
    ):
        direction = boost * unit
        axes = tuple(range(1, wide.ndim))
        with np.errstate(over="ignore", invalid="ignore"):
            slopes.append(np.sum(np.real(wide * direction), axis=axes))
            norms = np.sqrt(np.sum(np.abs(wide) ** 2, axis=axes))
            gap = np.linalg.norm((wide[0] - native.astype(wide.dtype)).ravel())
        sizes.append(norms * rms(direction))
        errors.append(gap / norms[0] if norms[0] > 0 else gap)
    return judge_leaves(
        plan.loss.split.names,
        np.asarray(differences.loss),
        np.stack(slopes, 1),
        np.stack(sizes, 1),
        np.asarray(differences.losses),
        np.array(errors),
        plan.iterates,
    )


def build_report(
    plan: Plan,
    measured: Measured,
    attempts: Sequence[Sequence[LeafVerdict]],
    leaves: Sequence[Any],
    name: str,
    seed: int,
    seconds: float,
    silence: Sequence[str] = (),
) -> AuditReport:
    """Judge what was measured.

    Args:
        plan: the traced programs and the names of leaves.
        measured: host values of the first look.
        attempts: verdicts on each leaf, of every look.
        leaves: flat arguments, to look for non-finite data.
        name: of what was audited.
        seed: of directions and displacement.
        seconds: wall time of the audit.
        silence: patterns of findings that do not count.
    """
    loss, differences = plan.loss, measured.differences
    verdicts = settle(attempts)
    layers = list(measured.layers)

    def rules_after(index: int) -> tuple[CustomRule, ...]:
        return users_rules_after(
            plan.graph, plan.graph.inputs[loss.split.moving[index]]
        )

    inputs = examine_inputs(
        leaves,
        list(zip(loss.split.moving, loss.split.names, strict=True)),
        loss.split.fixed,
    )
    severed = _severed(plan, verdicts)
    findings = [
        *inputs,
        *value_findings(float(measured.loss), layers),
        *gradient_findings(
            verdicts,
            rules_after,
            follows=any(f.severity is Severity.ERROR for f in inputs)
            or not np.isfinite(float(measured.loss)),
            severed=severed,
        ),
    ]
    parameters = [leaves[index] for index in loss.split.moving]
    numbers = {
        "parameter": [*map(_with_likeness, parameters)],
        "gradient": [
            _with_likeness(array) | severed.get(name, {})
            for name, array in zip(loss.split.names, measured.gradients, strict=True)
        ],
        "update": None
        if measured.updates is None
        else [*map(summarize_array, measured.updates)],
    }
    findings += layer_findings(
        plan,
        layers,
        [*leaf_measurements(loss.split.paths, parameters, numbers)],
        findings,
    )
    findings.sort(key=lambda finding: list(Severity).index(finding.severity))
    kept, quiet = silenced(findings, silence)
    rows = zip(
        loss.split.names,
        loss.split.moving,
        verdicts,
        numbers["parameter"],
        numbers["gradient"],
        numbers["update"] or [None] * len(verdicts),
        strict=True,
    )
    return AuditReport(
        name,
        _verdict(kept, quiet, verdicts),
        kept,
        float(measured.loss),
        float(differences.loss[0]),
        tuple(
            LeafAudit(
                path,
                tuple(leaves[index].shape),
                str(leaves[index].dtype),
                verdict,
                parameter,
                derivative,
                update,
            )
            for path, index, verdict, parameter, derivative, update in rows
        ),
        tuple(LayerAudit(site, numbers) for site, numbers in layers),
        _unseen(plan),
        tuple(
            f"{'/'.join(path)}: {reason}"
            for path, reason in plan.layers.layout.unidentified
        ),
        seed,
        {
            "looks": len(attempts),
            "losses": len(attempts) * evaluations(len(verdicts)),
            "seconds": seconds,
        },
        quiet,
    )


def _severed(plan: Plan, verdicts: Sequence[LeafVerdict]) -> dict[str, dict[str, str]]:
    """Leaves whose gradient is zero whatever the batch, each with how we know.

    Only leaves whose gradient was zero are asked about: another constant gradient,
    as of a plain sum, is none of a severed leaf.
    """
    zero = {
        index
        for index, leaf in enumerate(verdicts)
        if leaf.reason in ("lost-gradient", "flat", "no-effect")
    }
    if not zero:
        return {}
    derivatives = build_graph(plan.layers.program.jaxpr)
    found = {}
    for index in zero:
        if is_constant(derivatives, derivatives.outputs[1 + index]):
            source = plan.graph.inputs[plan.loss.moving[index]]
            read = reads(plan.graph, plan.graph.outputs[0], source)
            found[verdicts[index].path] = {"severed": "read" if read else "unused"}
    return found


def _with_likeness(array: Any) -> Summary:
    array = np.asarray(array)
    return {**summarize_array(array), "apart": apart(array)}


def _verdict(
    findings: Sequence[Finding],
    quiet: Sequence[Finding],
    leaves: Sequence[LeafVerdict],
) -> Verdict:
    # A leaf fails by its finding: where that one is silenced, it does not count.
    accepted = {f.where for f in quiet if f.severity is Severity.ERROR}
    counted = [
        leaf.verdict
        for leaf in leaves
        if leaf.verdict is not Verdict.FAIL or leaf.path not in accepted
    ]
    if any(finding.severity is Severity.ERROR for finding in findings):
        return Verdict.FAIL
    if Verdict.FAIL in counted:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if Verdict.INCONCLUSIVE in counted else Verdict.PASS


def _unseen(plan: Plan) -> tuple[str, ...]:
    native = {*plan.shadow.native, *plan.shadow_gradient.native}
    listed = [str(part) for part in plan.layers.layout.unseen]
    named = {part.primitive for part in plan.layers.layout.unseen}
    listed += [
        f"{primitive}: ran in its native precision also in the float64 check"
        for primitive in sorted(native - named)
    ]
    return tuple(listed)
