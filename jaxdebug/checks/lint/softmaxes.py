"""A softmax of what a softmax gave, and a sigmoid before a loss of logits."""

from __future__ import annotations

from jaxdebug.checks.lint.linted import Linted
from jaxdebug.checks.lint.place import Spot, findings_of
from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.programs.graph import Step
from jaxdebug.programs.ranges.identity import alike, literal_of, maker
from jaxdebug.programs.ranges.softmax import scores_of

_EXPONENTIALS = frozenset({"exp", "exp2"})


def lint_softmax(linted: Linted) -> Outcome:
    """Scores that are probabilities already."""
    spots, count = [], 0
    for step in linted.steps:
        if step.equation.primitive not in _EXPONENTIALS:
            continue
        scores = scores_of(linted.graph, step)
        if scores is not None:
            count += 1
            if linted.ranges[scores].probability == "softmax":
                first = _line_of(linted, scores)
                spots.append(
                    Spot(
                        "double-softmax",
                        step,
                        "the scores of this softmax or cross entropy are the "
                        f"probabilities of a softmax{first}",
                    )
                )
            continue
        sigmoid = _sigmoid_before(linted, step)
        if sigmoid is not None:
            spots.append(
                Spot(
                    "double-softmax",
                    step,
                    "the logits of this log-sigmoid are the probabilities of a "
                    f"sigmoid{_line_of(linted, sigmoid)}",
                )
            )
    said = f"{count} softmaxes looked at" if count else "no softmax in it"
    return judged("softmax", said, findings_of(linted, spots), {"softmaxes": count})


def _line_of(linted: Linted, node: int) -> str:
    made = maker(linted.graph, node)
    line = None if made is None else linted.line(made)
    return f" at {line}" if line else ""


def _sigmoid_before(linted: Linted, step: Step) -> int | None:
    """The result of a sigmoid of which a log-sigmoid is taken: log1p(exp(-|x|))."""
    graph = linted.graph
    readers = [r for node in step.results for r in graph.readers.get(node, ())]
    if not any(reader.equation.primitive == "log1p" for reader in readers):
        return None
    made = maker(graph, step.operands[0])
    passed = ("neg", "abs", "sub")
    while made is not None and made.equation.primitive in passed:
        operands = [node for node in made.operands if node is not None]
        if len(operands) != 1 and literal_of(graph, made, 1) != 0:
            return None
        node = alike(graph, operands[0])
        if linted.ranges[node].probability == "sigmoid":
            return node
        made = graph.made_by[node]
    return None
