"""Small programs on which a verdict was left open or was once wrong, made minimal."""

from __future__ import annotations

from typing import NamedTuple

from jaxdebug.testing import SmallProgram
from jaxdebug.testing.programs.steps import Input, Step


class Kept(NamedTuple):
    """A program and what must be said of it.

    Attributes:
        program: as its `repr` has it.
        point: of its arguments.
        verdict: that it must get.
        reasons: of what does not pass.
        order: of the derivatives.
    """

    program: SmallProgram
    point: int
    verdict: str
    reasons: tuple[str, ...]
    order: int = 1


_X = Input((2, 2), "float32", "random", 359)
_COARSE = Input((2,), "float32", "coarse", 0)
_BRANCH = Step("cond", (0, 0), (), (Step("squash", (0,), ("vjp", "")),))


def _last(x: Input, *steps: Step) -> SmallProgram:
    return SmallProgram((x,), steps, (len(steps),))


def _where_the_sum_is(x: Input, least: float, most: float) -> int:
    """The first point where the branch is taken, is not, or is at its jump."""
    points = (at for at in range(1000) if least <= x.values(at).sum() <= most)
    return next(points)


KEPT: dict[str, Kept] = {
    "a rule in a branch that is not taken": Kept(
        _last(_X, _BRANCH),
        _where_the_sum_is(_X, -8, -1),
        "inconclusive",
        ("not-reached",),
    ),
    "a rule in a branch that is taken": Kept(
        _last(_X, _BRANCH), _where_the_sum_is(_X, 1, 8), "pass", ()
    ),
    "a branch that is left beside the point": Kept(
        _last(_COARSE, _BRANCH),
        _where_the_sum_is(_COARSE, 0, 0),
        "inconclusive",
        ("not-differentiable", "not-reached"),
    ),
    # It passed: no second derivative of the while loop, and the stop held still.
    "a second derivative that only a stop_gradient inside the rule takes away": Kept(
        _last(
            Input((3, 3), "float32", "random", 12),
            Step("affine", (0, 0), ("vjp-while", "second")),
        ),
        0,
        "inconclusive",
        ("not-implemented",),
        order=2,
    ),
    # It failed: of a gradient of zero, terms that cancel leave less than the rounding
    # of the value, and more than that of the gradient around.
    "a gradient that is zero because its terms cancel": Kept(
        SmallProgram(
            (Input((2, 2), "bfloat16", "coarse", 557),),
            (
                Step("softened", (0,), ("vjp", "")),
                Step("reciprocal", (1,)),
                Step("sort", (2,), (1,)),
                Step("norm", (2,)),
            ),
            (4,),
        ),
        5,
        "pass",
        (),
    ),
    # It failed: what is rounded lies on the kinks of hard-tanh wherever the point is,
    # on two at once, and JAX takes a side of each.
    "rounded numbers on several kinks": Kept(
        _last(
            Input((2, 3), "float32", "coarse", 401),
            Step("scaled", (0,), ("vjp", "")),
            Step("straight-through", (1,)),
            Step("cond", (2, 0), (), (Step("sort", (0,), (0,)),)),
            Step("hard-tanh", (3,)),
        ),
        5,
        "inconclusive",
        ("not-differentiable",),
    ),
    # It failed: a maximum of ties at the end of hard-tanh has no slope along most
    # directions, both ways, and one along others.
    "a corner that is smooth along one direction": Kept(
        _last(
            Input((2, 3), "float32", "coarse", 481),
            Step("max", (0,), (0,)),
            Step("hard-tanh", (1,)),
            Step("sine", (2,), ("jvp", "")),
        ),
        3,
        "pass",
        (),
    ),
}
