"""Numbers that a training loss keeps beside what is trained: batch statistics."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.pure_workload import Arrays
from jaxdebug.checks.subject import Subject


def running_averages(subject: Subject) -> tuple[int, ...]:
    """Which of a workload's arrays a step of training changes, and are not trained.

    Keys and counters are none: an average is of a floating dtype.

    Args:
        subject: any.
    """
    pure, start = subject.pure, list(subject.pure.start)

    def after(arrays: Arrays, batch: object) -> list[object]:
        loss = pure.loss(arrays, batch)
        aux = loss.aux if pure.workload.next_extra else None
        return pure.advance(loss.arrays, aux, 0)

    new = jax.jit(after)(start, subject.batch)
    trained = {*pure.split.moving}
    return tuple(
        number
        for number, (old, one) in enumerate(zip(start, new, strict=True))
        if number not in trained
        and jnp.issubdtype(old.dtype, jnp.floating)
        and not np.array_equal(np.asarray(old), np.asarray(one))
    )
