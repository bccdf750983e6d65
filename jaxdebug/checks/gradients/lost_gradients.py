"""Findings on gradients that are zero although the loss depends on the parameter."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from jaxdebug.checks.gradients.ways import cut_line, cut_text
from jaxdebug.findings import Finding, found
from jaxdebug.findings.parts import listed, parts_of_tree
from jaxdebug.gradients.leaf_check import LeafCheck
from jaxdebug.reports import format_number


def lost_gradients(lost: Sequence[LeafCheck], others: Collection[str]) -> list[Finding]:
    """One finding for each part of the tree that has lost its gradients.

    What cuts off a module, such as a stop_gradient behind it, cuts off all its leaves.

    Args:
        lost: the leaves.
        others: paths of all other leaves.
    """
    split = [tuple(leaf.path.split("/")) for leaf in lost]
    findings = []
    for part in parts_of_tree(split, {tuple(path.split("/")) for path in others}):
        leaves = [lost[index] for index in part.leaves]
        names = [leaf.path for leaf in leaves]
        steepest = max(leaves, key=lambda leaf: abs(leaf.difference))
        slope = f"{format_number(steepest.difference)} ± {format_number(steepest.bar)}"
        message = (
            "the gradient is zero everywhere, but the loss depends on it: finite "
            f"differences in float64 give a slope of {slope}"
        )
        if len(leaves) > 1:
            message = (
                f"the gradients of all {len(leaves)} parameters in it"
                f"{_and_alike(len(part.paths))} are zero everywhere, but the loss "
                "depends on them: finite differences in float64 give a slope of "
                f"{slope} for {steepest.path} ({listed(names)})"
            )
        if steepest.cuts:
            message += f"; it is cut off by {cut_text(steepest)}"
        where = names[0] if len(names) == 1 else "/".join(part.paths[0])
        evidence = {
            "slope": steepest.slope,
            "difference": steepest.difference,
            "bar": steepest.bar,
            "way": steepest.way,
            "cuts": steepest.cuts,
        }
        if len(leaves) > 1:
            evidence |= {"parameters": names}
        line = cut_line(steepest)
        findings.append(
            found("lost-gradient", where, message, line=line, evidence=evidence)
        )
    return findings


def _and_alike(parts: int) -> str:
    return f" and in {parts - 1} more like it" if parts > 1 else ""
