"""The course of one training: how it begins, its step, and what is asked at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdebug.programs._jax import ir


class Course(NamedTuple):
    """Pure functions of one training, each to be mapped over settings and seeds."""

    begin: Callable[[Any, Any], Any]
    """Of the settings and the arrays at the start: where it stands."""
    step: Callable[..., tuple[Any, Any]]
    """Of the data, the settings, where it stands and what belongs to the step: where it
    stands then, and the loss before."""
    evaluate: Callable[..., Any]
    """Of the data, the settings, where it stands and the number of a batch: its loss.
    """
    evaluations: int
    """How many batches it is evaluated on."""


class Result(NamedTuple):
    """What one training gives, or several."""

    losses: Any
    """Before each step."""
    before: Any
    """Mean evaluation loss at the start."""
    after: Any
    """At the end."""


def scanned(course: Course) -> Callable[..., Result]:
    """A whole training as one function of data, settings, start, and all steps."""

    def run(data: Any, settings: Any, start: Any, steps: Any) -> Result:
        def one(training: Any, at: Any) -> tuple[Any, Any]:
            return course.step(data, settings, training, *at)

        def evaluated(training: Any) -> Any:
            def value(index: Any) -> Any:
                return course.evaluate(data, settings, training, index)

            if not course.evaluations:
                return jnp.nan
            return jnp.mean(jax.lax.map(value, jnp.arange(course.evaluations)))

        first = course.begin(settings, start)
        last, losses = jax.lax.scan(one, first, steps)
        return Result(losses, evaluated(first), evaluated(last))

    return run


def contains_convolution(jaxpr: ir.ClosedJaxpr) -> bool:
    """Whether a program has one, at any depth."""
    return any(
        equation.primitive.name == "conv_general_dilated"
        or any(map(contains_convolution, ir.nested_jaxprs(equation)))
        for equation in jaxpr.jaxpr.eqns
    )
