"""Whether inputs, targets and outputs have the shapes and dtypes that were declared."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import jaxtyped

from jaxdebug.checks.outcome import CannotRun, Outcome, judged
from jaxdebug.checks.subject import Subject
from jaxdebug.findings import Finding, found

NAME = "shapes"


def shapes(subject: Subject) -> Outcome:
    """Compare arrays with the types of `expect`, axes of one name with each other.

    Args:
        subject: with `expect`.
    """
    expected = subject.workload.expect
    if not expected:
        raise CannotRun(
            "give `expect`, such as {'outputs': Float[Array, 'batch classes']}"
        )
    batch = subject.batch
    findings: list[Finding] = []
    said = []
    with jaxtyped("context"):
        for field, kind in expected.items():
            if field == "outputs":
                tree = subject.predict(subject.pure.start, batch)
            else:
                tree = subject.pick(batch, field)
            leaves = jax.tree.leaves(tree)
            shown = ", ".join(_spelled(leaf) for leaf in leaves)
            said.append(f"{field} {shown}")
            # jaxtyping knows NumPy's arrays and JAX's by the type that is written.
            fits = [
                isinstance(leaf, kind) or isinstance(np.asarray(leaf), kind)
                for leaf in leaves
            ]
            if not all(fits) or not leaves:
                message = f"expected {_name(kind)}; found {shown or 'no array'}"
                findings.append(found("unexpected-shape", field, message))
    return judged(NAME, "; ".join(said), findings)


def _spelled(leaf: Any) -> str:
    return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))
