"""Second derivatives: the derivative of what a gradient says along one vector.

A gradient contracted with a fixed vector is a function like any other, and its
gradient, reverse over reverse, is the Hessian times that vector. So every witness of
a first derivative is one of the second. What it is compared with is the same of the
function without custom rules, where no rule was used in either derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxdebug.gradients.coordinates import Coordinates, compared
from jaxdebug.gradients.custom_calls import CallSite
from jaxdebug.gradients.draws import noise
from jaxdebug.programs.equation import Address

ROUNDING = 1e-10
"""A second derivative that changes the first by less than this part of it, over the
scale of its operand, is rounding: where a function is linear it is nothing else."""

ROUNDED = 64 * float(np.finfo(np.float64).eps)
"""So is what the rounding of an operand changes of the first derivative: differences
of large numbers, such as logarithms of nothing, are known to no more."""

Function = Callable[..., list[Any]]


def pulled_back(function: Function, cotangents: Sequence[Any]) -> Function:
    """What the pullback of a function makes of fixed cotangents, as a function."""

    def pulled(*operands: Any) -> list[Any]:
        return list(jax.vjp(function, *operands)[1](list(cotangents)))

    return pulled


def second_or_refused(
    site: CallSite,
    call: tuple[Function, Function],
    operands: Sequence[Any],
    cotangents: Sequence[Any],
    seed: int,
    refused: dict[Address, str] | None,
) -> Coordinates | None:
    """The second derivatives of a call; None if there are none to compare.

    Args:
        site: the call.
        call: as a function of its moving operands, with its rule and without.
        operands: at which they are compared, float64.
        cotangents: of the results.
        seed: of the cotangents of the first derivative.
        refused: receives the call and why, if JAX cannot differentiate it twice.
    """
    if site.body != "reverse":
        return None
    try:
        return second_gaps(*call, operands, cotangents, seed)
    except (NotImplementedError, TypeError, ValueError) as error:
        # What JAX raises of a rule that it cannot differentiate, such as a callback.
        if refused is not None:
            refused[site.address] = str(error).partition("\n")[0]
        return None


def second_gaps(
    rule: Function,
    body: Function,
    operands: Sequence[Any],
    cotangents: Sequence[Any],
    seed: int,
) -> Coordinates:
    """Compare the second derivatives of a function with a rule and of its body.

    Args:
        rule: the function, with its rule.
        body: the same without.
        operands: at which they are compared, float64.
        cotangents: of the results.
        seed: of the cotangents of the first derivative.

    Cost:
        A pullback of the pullback by the rule, and one of that of the body.
    """
    by_rule, by_body = (pulled_back(each, cotangents) for each in (rule, body))
    first, pull = jax.vjp(by_rule, *operands)
    outer = noise(first, seed)
    right = jax.vjp(by_body, *operands)[1](outer)
    size = jnp.max(jnp.stack([_largest(each) for each in first]))
    found = [
        _beyond_rounding(compared(p, r), size * _rounding(_largest(operand)))
        for p, r, operand in zip(pull(outer), right, operands, strict=True)
    ]
    return jax.tree.map(lambda *each: jnp.stack(each), *found)


def _rounding(operand: Array) -> Array:
    return jnp.maximum(ROUNDING / operand, ROUNDED * operand)


def _beyond_rounding(found: Coordinates, rounding: Array) -> Coordinates:
    small = found.absolute <= rounding
    return found._replace(gap=jnp.where(small, 0, found.gap))


def _largest(array: Any) -> Array:
    """Largest size; 1 if all elements are zero."""
    largest = jnp.max(jnp.abs(array), initial=0)
    return jnp.where(largest > 0, largest, 1)
