"""Whether the terms of the loss that see no data outweigh those that do."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxdebug.checks.outcome import Outcome, judged
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import found
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.program import transform
from jaxdebug.programs.summands import Operands, summands, without
from jaxdebug.reports import format_number

NAME = "regulariser"


def regulariser(subject: Subject) -> Outcome:
    """Compare the gradients of the summands with the batch in them, and without.

    Args:
        subject: any.
    """
    pure = subject.pure
    program = subject.program
    graph = build_graph(program.jaxpr)
    output = graph.outputs[0]
    data = graph.inputs[len(pure.start) :]
    if output is None:
        return judged(NAME, "the loss is a constant")
    split = summands(graph, output, data)
    if not split.independent:
        return judged(NAME, "no term of the loss is without data")
    leaves = jax.tree.leaves((list(pure.start), subject.batch))
    moving = pure.split.moving

    def norm(gone: Operands) -> float:
        run = transform(program, without(gone))

        def of(values: Any) -> Any:
            every = [*leaves]
            for place, one in zip(moving, values, strict=True):
                every[place] = one
            return run(every)[0][0]

        gradient = jax.jit(jax.grad(of))([leaves[place] for place in moving])
        return float(np.sqrt(sum(np.square(np.float64(g)).sum() for g in gradient)))

    own, rest = norm(split.dependent), norm(split.independent)
    said = (
        f"gradient of the terms without data {format_number(own)}, of those with data "
        f"{format_number(rest)}"
    )
    numbers = {"regulariser": own, "data": rest}
    findings = []
    if own > rest:
        findings.append(found("strong-regulariser", "loss", said, evidence=numbers))
    return judged(NAME, said, findings, numbers)
