"""Parameters that the loss does not read, or that no derivative leads back to."""

from __future__ import annotations

from collections.abc import Sequence

from jaxdebug.checks.lint.linted import Linted
from jaxdebug.checks.outcome import Outcome, judged, not_run, undecided
from jaxdebug.findings import Finding, found
from jaxdebug.findings.parts import listed, parts_of_tree
from jaxdebug.programs.cuts import way_of
from jaxdebug.programs.scopes import ModulePath

GIVE = "give `argnums`, the arguments that hold the parameters"


def lint_parameters(linted: Linted) -> tuple[Outcome, Outcome]:
    """The outcomes of `unused` and `blocked`."""
    if not linted.moving:
        why = GIVE
        if linted.own:
            why = "it takes derivatives itself: lint the loss, and " + GIVE
        return not_run("unused", why), not_run("blocked", why)
    graph = linted.graph
    trained = {
        index: path
        for index, path in linted.moving.items()
        if graph.inputs[index] in linted.leading
    }
    lost = {i: path for i, path in linted.moving.items() if i not in trained}
    if not trained and linted.assumed:
        why = (
            "no derivative leads to argument 0, so this seems to be no loss of it: "
            + GIVE
        )
        return undecided("unused", why), undecided("blocked", why)
    ends = [graph.outputs[index] for index in linted.losses]
    read = frozenset(graph.before(*(node for node in ends if node is not None)))
    unused = {i: p for i, p in lost.items() if graph.inputs[i] not in read}
    blocked = {i: p for i, p in lost.items() if i not in unused}
    count = len(linted.moving)
    return (
        judged(
            "unused",
            f"{len(unused)} of {count} leaves",
            _findings(linted, unused, blocked=False),
            {"leaves": count, "unused": len(unused)},
        ),
        judged(
            "blocked",
            f"{len(blocked)} of {count} leaves",
            _findings(linted, blocked, blocked=True),
            {"leaves": count, "blocked": len(blocked)},
        ),
    )


def _findings(
    linted: Linted, lost: dict[int, ModulePath], *, blocked: bool
) -> list[Finding]:
    """One for each part of the tree whose leaves have all lost their gradient."""
    paths = [path or ("(params)",) for path in lost.values()]
    others = {path for index, path in linted.moving.items() if index not in lost}
    findings = []
    for part in parts_of_tree(paths, others):
        indices = [list(lost)[position] for position in part.leaves]
        names = ["/".join(paths[position]) for position in part.leaves]
        where = names[0] if len(names) == 1 else "/".join(part.paths[0])
        message, line = _said(linted, indices, blocked)
        if len(names) > 1:
            message = f"{len(names)} parameters ({listed(names)}): {message}"
        findings.append(
            found(
                "severed-parameter",
                where,
                message,
                line=line,
                evidence={"parameters": names, "read": blocked},
            )
        )
    return findings


def _said(
    linted: Linted, indices: Sequence[int], blocked: bool
) -> tuple[str, str | None]:
    if not blocked:
        return "the loss does not read it", None
    way = way_of(linted.graph, linted.graph.inputs[indices[0]])
    cuts = [cut for cut in way.cuts if not cut.decides] or list(way.cuts)
    line = next((str(cut.line) for cut in cuts if cut.line), None)
    by = f", cut off by {listed(map(str, cuts))}" if cuts else ""
    return f"the loss reads it, but no derivative leads back to it{by}", line
