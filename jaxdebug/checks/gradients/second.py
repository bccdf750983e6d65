"""The problem of second derivatives: of the gradient along one vector."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.gradients.problem import Problem, gradient_by_jax
from jaxdebug.programs.equation import Address
from jaxdebug.programs.program import Program, transform
from jaxdebug.programs.strip import stripped_rules
from jaxdebug.programs.tool import IDENTITY

SEED = 2
"""Of the vector and of the cotangents of the first derivative: both are part of the
program, so they are the same in every check."""


class Second(NamedTuple):
    """The problem of second derivatives, and other functions that should agree."""

    problem: Problem
    """Of the gradient along a vector, by reverse mode."""
    without_rules: Callable[..., list[Any]]
    """That function without custom rules."""
    mirrored: Callable[..., list[Any]] | None
    """Its gradient by forward mode, of flat arguments and the cotangent; None if some
    are complex."""


def second_problem(
    problem: Problem, program: Program, gradient: Program, kept: Collection[Address]
) -> Second:
    """The problem of the gradient along a vector, and that function without rules.

    Args:
        problem: of the first derivative.
        program: of the flat outputs.
        gradient: of flat arguments and cotangents: outputs, then the gradient.
        kept: addresses of calls that keep their rule in the function without rules.
    """
    split, avals = problem.split, program.jaxpr.in_avals
    outputs = program.jaxpr.out_avals
    cotangents = problem.cotangents(outputs, SEED)
    vector = _vector([avals[index] for index in split.moving])
    bare = transform(program, IDENTITY, rules=stripped_rules(_keeps(kept)))

    def along(leaves: Sequence[Any]) -> list[Any]:
        found = gradient(*leaves, *cotangents)[len(outputs) :]
        return [_contracted(found, vector)]

    def without_rules(*leaves: Any) -> list[Any]:
        by_body = gradient_by_jax(lambda flat: bare(flat)[0], split)
        found = by_body(leaves, cotangents)[len(outputs) :]
        return [_contracted(found, vector)]

    by_jax = gradient_by_jax(along, split)

    def function(*leaves: Any) -> list[Any]:
        return along(leaves)

    def whole(*arrays: Any) -> list[Any]:
        return by_jax(arrays[: split.count], arrays[split.count :])

    def mirrored(*arrays: Any) -> list[Any]:
        leaves, (cotangent,) = arrays[: split.count], arrays[split.count :]

        def first(moving: Sequence[Any]) -> list[Any]:
            every = split.with_moving(leaves, moving)
            return gradient(*every, *cotangents)[len(outputs) :]

        start = [leaves[index] for index in split.moving]
        tangents = [(cotangent * part).astype(part.dtype) for part in vector]
        return jax.jvp(first, (start,), (tangents,))[1]

    again = Problem(function, whole, split, False, False)
    real = not any(map(np.iscomplexobj, vector))
    return Second(again, without_rules, mirrored if real else None)


def _keeps(kept: Collection[Address]) -> Callable[[Any], bool]:
    return lambda equation: equation.address in kept


def _vector(leaves: Sequence[Any]) -> list[np.ndarray]:
    """Numbers of either sign between 1/2 and 3/2, of the shapes of some leaves."""
    random = np.random.default_rng(SEED)

    def part(shape: tuple[int, ...]) -> np.ndarray:
        return random.uniform(0.5, 1.5, shape) * random.choice([-1.0, 1.0], shape)

    found = []
    for leaf in leaves:
        is_complex = jax.dtypes.issubdtype(leaf.dtype, np.complexfloating)
        drawn = part(leaf.shape) + (1j * part(leaf.shape) if is_complex else 0)
        found.append(np.asarray(drawn).astype(leaf.dtype))
    return found


def _contracted(arrays: Sequence[Any], vector: Sequence[np.ndarray]) -> Any:
    """Sum of products, in one dtype whatever those of the arrays are."""
    wide = any(array.dtype in (np.float64, np.complex128) for array in arrays)
    dtype = np.float64 if wide else np.float32
    total = jnp.zeros((), dtype)
    for array, part in zip(arrays, vector, strict=True):
        total = total + jnp.sum(jnp.real(array * part).astype(dtype))
    return total
