"""Values of a function, for those that ask for them: at most so many."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from jaxdebug.checks.gradients.asked import OnLadders, Wanted
from jaxdebug.checks.gradients.differences import (
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
from jaxdebug.gradients.moves import BOTH, FINE, GIVEN, SHORT, Rungs, evaluations

EPS = float(np.finfo(np.float64).eps)


class Budget(NamedTuple):
    """How much is looked at.

    Attributes:
        alone: along how many directions each leaf moves alone.
        most: evaluations of the function that may be spent.
        once: whether the given point alone is looked at, if that certifies it.
        eager: whether the gradient runs without jit too.
    """

    alone: int
    most: float = math.inf
    once: bool = False
    eager: bool = False

    @property
    def points(self) -> Sequence[float]:
        """The points at which the witnesses are asked first."""
        return (GIVEN,) if self.once else BOTH

    @property
    def left(self) -> float:
        """What may be spent on values: each gradient brings one with it."""
        return self.most - len(self.points)


STANDARD = Budget(alone=1)

BUDGETS = {
    "certificate": Budget(alone=0, once=True),
    "standard": STANDARD,
    "exhaustive": Budget(alone=DIRECTIONS, eager=True),
}

Answered = tuple[Looked, int]
"""What was seen of a gradient, and how many values that took."""

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


class Asking(Protocol):
    """Gradients at one example or at many, that are looked at side by side."""

    @property
    def evidences(self) -> Sequence[Evidence]:
        """What the witnesses say of each."""
        ...

    def and_near(self, which: Sequence[int]) -> Self:
        """The same, some of them asked near their point too."""
        ...

    def values(self, wanted: Wanted, *, frozen: bool) -> OnLadders:
        """Values of each on ladders, by example and ladder."""
        ...


def foreseen(budget: Budget, leaves: int) -> int:
    """Evaluations that a right gradient of a smooth function takes at first."""
    given = 0 if budget.once else 1 + 2 * len(FINE)
    alone = 2 * len(SHORT) * budget.alone * leaves
    return int(min(LEAST + given + alone, budget.most - 2))


A = TypeVar("A", bound=Asking)


def looked_at(
    asking: A, leaves: Sequence[Sequence[Leaf]], budget: Budget
) -> tuple[A, list[Answered]]:
    """Look at gradients; near a point too, where the point itself is not enough.

    Args:
        asking: the gradients.
        leaves: what is known of each leaf, of each gradient.
        budget: what may be spent on each.

    Returns:
        The gradients where they were asked in the end, and what was seen of each.
    """
    found = answered(asking, dict(enumerate(leaves)), budget)
    bounds = {i: seen.certificate.error for i, (seen, _) in found.items()}
    doubtful = [i for i, bound in bounds.items() if budget.once and bound > CERTAIN]
    if doubtful:
        asking = asking.and_near(doubtful)
        again = answered(asking, {i: leaves[i] for i in doubtful}, budget)
        found |= {i: (seen, more + found[i][1]) for i, (seen, more) in again.items()}
    return asking, [found[i] for i in range(len(leaves))]


def answered(
    asking: Asking, leaves: Mapping[int, Sequence[Leaf]], budget: Budget
) -> dict[int, Answered]:
    """Answer whoever looks at gradients, all at the same time.

    Args:
        asking: the gradients.
        leaves: what is known of each leaf, of those that are looked at.
        budget: what may be spent on each.
    """
    evidence, spent = asking.evidences, dict.fromkeys(leaves, 0)
    looking = {i: look(evidence[i], each, budget.alone) for i, each in leaves.items()}
    found = {i: _resumed(each, None) for i, each in looking.items()}
    while asks := {i: each for i, each in found.items() if isinstance(each, Ask)}:
        for frozen in (False, True):
            wanted = {
                i: affordable(ask.ladders, budget.left - spent[i])
                for i, ask in asks.items()
                if ask.frozen is frozen
            }
            points = _points(asking, wanted, frozen)
            for i, ladders in wanted.items():
                spent[i] += evaluations(ladders)
                missing = [None] * (len(asks[i].ladders) - len(ladders))
                answer = [*(points[i, ladder] for ladder in ladders), *missing]
                found[i] = _resumed(looking[i], answer)
    seen = {i: each for i, each in found.items() if isinstance(each, Looked)}
    return {i: (each, spent[i]) for i, each in seen.items()}


def _resumed(
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


def _points(
    asking: Asking, wanted: Wanted, frozen: bool
) -> dict[tuple[int, Rungs], Point]:
    """What each ladder shows."""
    wanted = {i: ladders for i, ladders in wanted.items() if ladders}
    if not wanted:
        return {}
    values = asking.values(wanted, frozen=frozen)
    found: dict[tuple[int, Rungs], Point] = {}
    # Ladders of the same steps are judged as one array.
    for steps in dict.fromkeys(ladder.steps for _, ladder in values):
        keys = [key for key in values if key[1].steps == steps]
        points = points_on_ladder(
            as_ladder(
                np.stack([values[key][1] for key in keys]),
                np.array([values[key][0] for key in keys]),
                np.asarray(steps),
            ),
            noise=np.array([noise_floor(asking.evidences[i]) for i, _ in keys]),
        )
        found |= {key: points.at(place) for place, key in enumerate(keys)}
    return found
