"""What a planted mistake is, and the arrays that losses are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import optax

RANDOM = np.random.default_rng(1)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


X, Y, CLASSES = normal(6, 5), normal(6), np.arange(6) % 3
W = normal(5, 3)
CE = optax.softmax_cross_entropy_with_integer_labels
Loss = Callable[..., Any]


class Planted(NamedTuple):
    """A mistake.

    Attributes:
        lint: that finds it.
        code: of its finding.
        fault: the loss that has it.
        repair: the loss that has not.
        args: of both; the parameters first.
        where: of the finding, if it is told.
    """

    lint: str
    code: str
    fault: Loss
    repair: Loss
    args: tuple[Any, ...] = (W, X, CLASSES)
    where: str = "(top)"
