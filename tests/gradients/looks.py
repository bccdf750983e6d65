"""One leaf, looked at: losses of a function of one variable, and its gradient."""

from collections.abc import Callable

import numpy as np

from jaxdebug.gradients.differences import COARSE, JITTER, STEPS
from jaxdebug.gradients.verdict import LeafVerdict, judge_leaves

Function = Callable[[float], float]


def look(
    function: Function,
    gradient: Function,
    point: float,
    *,
    jitter: float = JITTER,
    others: float = 0.0,
    precision: float = 0.0,
    iterates: bool = False,
) -> LeafVerdict:
    """The verdict on a gradient along a direction of length one.

    Args:
        function: the loss along the direction.
        gradient: what is claimed to be its derivative.
        point: where it is looked at.
        jitter: displacement of the second point.
        others: typical slope of a second leaf, which agrees.
        precision: relative error of the native gradient.
        iterates: whether the leaf goes through a loop of open length.
    """
    points = np.array([point, point + jitter])
    loss = np.array([function(x) for x in points])
    steps = (COARSE, *STEPS)
    ladder = [[[function(x + h), function(x - h)] for h in steps] for x in points]
    slopes = np.array([gradient(x) for x in points])
    steady = [[[x + others * h, x - others * h] for h in steps] for x in loss]
    return judge_leaves(
        ("w", "other"),
        loss,
        np.stack([slopes, [others, others]], 1),
        np.abs(np.stack([slopes, [others, others]], 1)),
        np.stack([np.array(ladder), np.array(steady)], 1),
        np.array([precision, 0.0]),
        (iterates, False),
    )[0]
