"""From what an audit measured on the device to its report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxdebug.checks.audits.layer_findings import layer_findings, leaf_measurements
from jaxdebug.checks.audits.plan import Measured, Plan
from jaxdebug.checks.audits.report import AuditReport, LayerAudit, LeafAudit
from jaxdebug.checks.audits.value_findings import value_findings
from jaxdebug.checks.batch_values import examine_inputs
from jaxdebug.checks.gradients.asked import Asked
from jaxdebug.checks.gradients.findings import remarks, wrong_gradients
from jaxdebug.checks.gradients.judged import judge_gradient
from jaxdebug.checks.gradients.result import settled, unchecked
from jaxdebug.checks.gradients.wider import Wider
from jaxdebug.findings import Finding, Severity
from jaxdebug.findings.finding import worst_first
from jaxdebug.findings.silence import silenced
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.gradients.rule_verdict import RuleVerdict
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.severed import is_constant, reads
from jaxdebug.reports import Verdict
from jaxdebug.statistics.likeness import apart
from jaxdebug.statistics.summary import Summary, summarize_array


def build_report(
    plan: Plan,
    measured: Measured,
    asked: Asked,
    leaves: Sequence[Any],
    name: str,
    expected: Sequence[str],
    seed: int,
    started: float,
    silence: Sequence[str] = (),
    wider: Wider | None = None,
) -> AuditReport:
    """Judge what was measured.

    Args:
        plan: the traced programs and the names of leaves.
        measured: host values, in the model's own precision.
        asked: the witnesses of the gradient.
        leaves: flat arguments on the host, to look for non-finite data.
        name: of what was audited.
        expected: rules that are meant to differ from their function.
        seed: of directions and displacement.
        started: when the audit began, in seconds.
        silence: patterns of findings that do not count.
        wider: asks about the gradient again with float64 arguments.
    """
    split = plan.gradient.problem.split
    judged = judge_gradient(asked, expected)
    judged, asked = settled(judged, asked, leaves, wider)
    # Whoever trains a parameter wants its gradient, whatever keeps it back.
    checks = tuple(
        replace(leaf, verdict=Verdict.FAIL) if leaf.withheld else leaf
        for leaf in judged.leaves
    )
    layers = list(measured.layers)
    inputs = examine_inputs(
        leaves, list(zip(split.moving, split.names, strict=True)), split.fixed
    )
    severed = _severed(plan, checks)
    broken = any(finding.severity is Severity.ERROR for finding in inputs)
    findings = [
        *inputs,
        *value_findings(float(measured.loss), layers),
        *wrong_gradients(
            checks,
            judged.rules,
            follows=broken or not np.isfinite(float(measured.loss)),
        ),
        *judged.whole,
        # Of a severed leaf the rules have more to say than a remark.
        *(found for found in remarks(checks) if found.where not in severed),
    ]
    parameters = [leaves[index] for index in split.moving]
    numbers = {
        "parameter": [*map(_with_likeness, parameters)],
        "gradient": [
            _with_likeness(array) | severed.get(name, {})
            for name, array in zip(split.names, measured.gradients, strict=True)
        ],
        "update": None
        if measured.updates is None
        else [*map(_update, parameters, measured.updates)],
    }
    findings += layer_findings(
        plan,
        layers,
        [*leaf_measurements(split.paths, parameters, numbers)],
        findings,
        [leaf.path for leaf in checks if leaf.causes or leaf.way == "declared"],
    )
    kept, quiet = silenced(worst_first(findings), silence)
    rows = zip(
        checks,
        numbers["parameter"],
        numbers["gradient"],
        numbers["update"] or [None] * len(checks),
        strict=True,
    )
    return AuditReport(
        name,
        _verdict(kept, (*checks, *judged.rules)),
        kept,
        float(measured.loss),
        float(asked.evidence.value[0]),
        tuple(LeafAudit(*row) for row in rows),
        judged.rules,
        judged.certificate,
        tuple(LayerAudit(site, numbers) for site, numbers in layers),
        unchecked(plan.gradient),
        tuple(
            f"{'/'.join(path)}: {reason}"
            for path, reason in plan.layers.layout.unidentified
        ),
        seed,
        {
            "values": judged.values,
            "gradients": judged.gradients,
            "seconds": time.perf_counter() - started,
        },
        quiet,
    )


def _severed(plan: Plan, leaves: Sequence[LeafCheck]) -> dict[str, dict[str, str]]:
    """Leaves whose gradient is zero whatever the batch, each with how we know.

    Only leaves whose gradient was zero are asked about: another constant gradient,
    as of a plain sum, is none of a severed leaf.
    """
    zero = {
        index
        for index, leaf in enumerate(leaves)
        if leaf.withheld or leaf.reason in ("lost-gradient", "flat", "no-effect")
    }
    if not zero:
        return {}
    graph, split = plan.gradient.graph, plan.gradient.problem.split
    derivatives = build_graph(plan.layers.program.jaxpr)
    found = {}
    for index in zero:
        if is_constant(derivatives, derivatives.outputs[1 + index]):
            source = graph.inputs[split.moving[index]]
            read = reads(graph, graph.outputs[0], source)
            found[leaves[index].path] = {"severed": "read" if read else "unused"}
    return found


def _update(old: Any, added: Any) -> Summary:
    """A new value less the old one, and how many are the old one nevertheless."""
    # On the host: a compiler may keep more digits than the dtype has.
    old, added = np.asarray(old), np.asarray(added)
    new = (old + added).astype(old.dtype)
    lost = np.count_nonzero((new == old) & (added != 0))
    return {**summarize_array(new - old), "lost": lost}


def _with_likeness(array: Any) -> Summary:
    array = np.asarray(array)
    return {**summarize_array(array), "apart": apart(array)}


def _verdict(
    findings: Sequence[Finding], judged: Sequence[LeafCheck | RuleVerdict]
) -> Verdict:
    # What fails has a finding: where that one is silenced, it does not count.
    if any(finding.severity is Severity.ERROR for finding in findings):
        return Verdict.FAIL
    undecided = any(each.verdict is Verdict.INCONCLUSIVE for each in judged)
    return Verdict.INCONCLUSIVE if undecided else Verdict.PASS
