"""Whether a function depends on phases that a decomposition leaves open.

Complex eigenvectors and singular vectors are known up to a phase each. Which one is
returned is nobody's promise, and a derivative fixes it in another way than a
difference: where the function depends on it, there is no derivative to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.gradients.draws import noise
from jaxdebug.programs._jax import dtypes
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.program import Program, transform
from jaxdebug.programs.shadow import shadow_tool
from jaxdebug.programs.tool import Outcome, Proceed, Tool, Value

DECOMPOSITIONS = frozenset({"eigh", "svd", "eig"})

SEED = 0x6A06E


def turned_function(program: Program) -> Callable[[Sequence[Any]], list[Any]]:
    """The flat outputs with the vectors of every decomposition turned by phases.

    Args:
        program: of the flat outputs.

    Cost:
        That of the function.
    """
    with jax.enable_x64(True):
        avals = [dtypes.wide_aval(aval) for aval in program.jaxpr.in_avals]
        turned = transform(program, _turning_tool(program.x64), avals=avals)
    return lambda leaves: turned(leaves)[0]


def _turning_tool(x64: bool) -> Tool:
    def visit(
        equation: Equation,
        operands: list[Value],
        proceed: Proceed,
    ) -> Outcome:
        results, records = proceed(equation, operands)
        if equation.primitive in DECOMPOSITIONS:
            results = _turned(equation.primitive, results)
        return results, records

    return shadow_tool({}, x64)._replace(visit=visit)


def _turned(primitive: str, results: Sequence[Any]) -> list[Any]:
    """The results with each complex vector times a phase.

    A left and a right singular vector share one: their product stays.
    """
    found = list(results)
    is_svd = primitive == "svd"
    for place, array in enumerate(results):
        rank = getattr(array, "ndim", 0)
        is_vectors = rank >= 2 and jnp.iscomplexobj(array)
        if not is_vectors or (primitive == "eig" and place == 0):
            continue
        rows = is_svd and place == 2
        length = array.shape[-2 if rows else -1]
        angles = noise([jax.ShapeDtypeStruct((length,), np.float64)], SEED)[0]
        phases = jnp.exp(1j * angles)
        found[place] = array * (jnp.conj(phases)[:, None] if rows else phases)
    return found
