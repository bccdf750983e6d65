"""The equations behind a value, without asking which element came from where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxdebug.checks.nonfinite.frames import Frame, Position
from jaxdebug.programs._jax import ir

_FAR = 24
"""So many values are looked at."""


def equations_behind(
    frame: Frame, atom: Any, through: frozenset[str]
) -> Iterator[tuple[Frame, ir.JaxprEqn]]:
    """Equations that a value is made by, nearest first.

    Functions that are called are gone into, other bodies are not.

    Args:
        frame: that the value is of.
        atom: the value.
        through: primitives behind whose results their operands are looked at too.
    """
    queue: list[tuple[Frame, Any]] = [(frame, atom)]
    for count, (here, value) in enumerate(queue):
        if count > _FAR or isinstance(value, ir.Literal):
            continue
        if value not in here.made_by:
            inputs = here.jaxpr.jaxpr.invars
            if value in inputs and here.level.enclosing:
                element = (0,) * np.ndim(here.value(value))
                outside = here.enter(inputs.index(value), element)
                if isinstance(outside, Position):
                    queue.append((outside.frame, outside.atom))
            continue
        index, result = here.made_by[value]
        if index in here.called:
            inner, body = here.called[index]
            place = body.results.index(result)
            queue.append((inner, inner.jaxpr.jaxpr.outvars[place]))
            continue
        raw = here.jaxpr.jaxpr.eqns[index]
        yield here, raw
        if raw.primitive.name in through:
            queue += [(here, operand) for operand in raw.invars]
