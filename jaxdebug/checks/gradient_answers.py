"""Values of a function, for those that ask for them: at most so many."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxdebug.checks.gradient_asked import Asked
from jaxdebug.checks.gradient_differences import (
    CERTAIN,
    DIRECTIONS,
    Answer,
    Ask,
    Looked,
    look,
)
from jaxdebug.gradients.evidence import Evidence
from jaxdebug.gradients.kinks import Point, points_on_ladder
from jaxdebug.gradients.ladder import as_ladder
from jaxdebug.gradients.leaf import Leaf
from jaxdebug.gradients.moves import FINE, SHORT, Rungs, evaluations

EPS = float(np.finfo(np.float64).eps)


class Budget(NamedTuple):
    """How much is looked at.

    Attributes:
        alone: along how many directions each leaf moves alone.
        most: evaluations of the function that may be spent.
        once: whether the given point alone is looked at, if that certifies it.
    """

    alone: int
    most: float = math.inf
    once: bool = False


STANDARD = Budget(alone=1)

BUDGETS = {
    "certificate": Budget(alone=0, once=True),
    "standard": STANDARD,
    "exhaustive": Budget(alone=DIRECTIONS),
}

LEAST = 1 + 2 * len(SHORT) * DIRECTIONS
"""Evaluations that certify a gradient."""


def require_budget(tool: str, budget: Any) -> Budget:
    """The budget of that name, or of so many evaluations.

    Raises:
        ValueError: if there is none.
    """
    if isinstance(budget, str) and budget in BUDGETS:
        return BUDGETS[budget]
    least = LEAST + 2  # with those that the two gradients bring
    if isinstance(budget, int) and not isinstance(budget, bool) and budget >= least:
        return Budget(alone=1, most=budget)
    names = ", ".join(map(repr, BUDGETS))
    raise ValueError(
        f"{tool} expects budget to be {names}, or a number of evaluations from "
        f"{least} on; found {budget!r}."
    )


Values = tuple[float, np.ndarray]
"""At the point of a ladder, and (rungs, 2) forward and backward."""


def foreseen(budget: Budget, leaves: int) -> int:
    """Evaluations that a right gradient of a smooth function takes at first."""
    given = 0 if budget.once else 1 + 2 * len(FINE)
    alone = 2 * len(SHORT) * budget.alone * leaves
    return int(min(LEAST + given + alone, budget.most - 2))


def looked_at(
    asked: Asked, leaves: Sequence[Leaf], budget: Budget
) -> tuple[Asked, Looked, int]:
    """Look at a gradient; near its point too, where the point itself is not enough.

    Args:
        asked: the plan at its arguments.
        leaves: what is known of each.
        budget: what may be spent.

    Returns:
        The plan where it was asked in the end, what was seen, and the evaluations.
    """
    found, spent = answered(asked, leaves, budget)
    if budget.once and found.certificate.error > CERTAIN:
        asked = asked.and_near()
        found, more = answered(asked, leaves, budget)
        spent += more
    return asked, found, spent


def answered(
    asked: Asked, leaves: Sequence[Leaf], budget: Budget
) -> tuple[Looked, int]:
    """Answer whoever looks at a gradient, and count the evaluations."""
    spent = 0
    looking, answer = look(asked.evidence, leaves, budget.alone), None
    while not isinstance(ask := resumed(looking, answer), Looked):
        ladders = affordable(ask.ladders, budget.most - spent)
        spent += evaluations(ladders)
        values = asked.evaluate(ladders, frozen=ask.frozen) if ladders else []
        missing = [None] * (len(ask.ladders) - len(ladders))
        floors = [noise_floor(asked.evidence)] * len(ladders)
        answer = [*shown(ladders, values, floors), *missing]
    return ask, spent


def resumed(
    looking: Generator[Ask, Answer, Looked], answer: Answer | None
) -> Ask | Looked:
    """What is asked for next, or what was seen in the end."""
    try:
        return next(looking) if answer is None else looking.send(answer)
    except StopIteration as done:
        return done.value


def affordable(ladders: Sequence[Rungs], left: float) -> Sequence[Rungs]:
    """As many of the first ladders as so many evaluations allow."""
    if evaluations(ladders) <= left:
        return ladders
    counts = (n for n in range(len(ladders)) if evaluations(ladders[: n + 1]) > left)
    return ladders[: next(counts)]


def noise_floor(evidence: Evidence) -> float:
    """Noise of values: a step in float64 is only taken up to the rounding of leaves."""
    return 4 * EPS * evidence.norm(1)


def shown(
    ladders: Sequence[Rungs], values: Sequence[Values], floors: Sequence[float]
) -> list[Point]:
    """What each ladder shows.

    Args:
        ladders: where the values were taken.
        values: of each.
        floors: noise of the values of each, if more than can be measured.
    """
    found: dict[int, Point] = {}
    # Ladders of the same steps are judged as one array.
    for steps in dict.fromkeys(ladder.steps for ladder in ladders):
        rows = [row for row, ladder in enumerate(ladders) if ladder.steps == steps]
        points = points_on_ladder(
            as_ladder(
                np.stack([values[row][1] for row in rows]),
                np.array([values[row][0] for row in rows]),
                np.asarray(steps),
            ),
            noise=np.array([floors[row] for row in rows]),
        )
        found |= {row: points.at(place) for place, row in enumerate(rows)}
    return [found[row] for row in range(len(ladders))]
