"""One gradient at many examples at once: one program, the same steps for all of them.

The parameters are shared, and so are directions and steps: a layer sees the moved
parameters once and all examples side by side. What is looked at is decided for each
example apart, as it is for one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
from jax import lax

from jaxdebug.checks.gradient_answers import (
    Budget,
    Values,
    affordable,
    noise_floor,
    resumed,
    shown,
)
from jaxdebug.checks.gradient_asked import Asked, has_float64, in_chunks, in_float64
from jaxdebug.checks.gradient_differences import CERTAIN, Ask, Looked, look
from jaxdebug.checks.gradient_plan import GradientPlan
from jaxdebug.gradients.determinism import spread
from jaxdebug.gradients.draws import draws, scales
from jaxdebug.gradients.evidence import Evidence, at_points
from jaxdebug.gradients.kinks import Point
from jaxdebug.gradients.leaf import Leaf
from jaxdebug.gradients.moves import (
    GIVEN,
    NEAR,
    Moves,
    Rungs,
    evaluations,
    in_ladders,
    moves_of,
)
from jaxdebug.programs.shadow import widen_on_host

FEW = 16
"""Where less than one example in so many asks, each is answered alone."""


class Chunked(NamedTuple):
    """A plan whose programs take many examples at once."""

    plan: GradientPlan
    own: tuple[bool, ...]
    """For each flat argument whether every example has its own, on a leading axis."""
    native: Callable[..., Any]
    wide: Callable[..., Any]
    moved: Callable[..., Any]
    frozen: Callable[..., Any]

    def at(self, leaves: Sequence[Any], count: int, seed: int, *, once: bool) -> Chunk:
        """Ask the witnesses at every example.

        Args:
            leaves: flat arguments.
            count: how many of the examples are asked about.
            seed: of cotangents, directions and the displacement.
            once: ask at the given point alone, and run the gradient once.
        """
        plan, split = self.plan, self.plan.problem.split
        cotangents = jax.device_put(plan.problem.cotangents(plan.outputs, seed))
        runs = [self.native(leaves, cotangents) for _ in range(1 if once else 2)]
        gradient = runs[0][len(plan.outputs) :]
        spreads = None if once else spread(*jax.device_get(runs), examples=1)
        drawn = draws(split.paths, [leaves[index] for index in split.moving], seed)
        wide = jax.device_get((list(leaves), cotangents, list(gradient)))
        every, cotangents, native = jax.tree.map(widen_on_host, wide)
        # Lengths of steps are shared: from the gradients of all examples.
        sizes = scales([every[index] for index in split.moving], native)
        device = None if has_float64() else jax.devices("cpu")[0]
        held = every, cotangents, drawn, sizes, native
        with in_float64(device):
            given = jax.device_put(held)
        points = (GIVEN,) if once else (GIVEN, NEAR)
        found = self.gather(given, points, device)
        every = at_points(*found)
        evidence = [_row(every, (slice(None), i)) for i in range(count)]
        return Chunk(
            self, held, given, evidence, device, [len(points)] * count, spreads
        )

    def gather(
        self, given: Any, points: Sequence[float], device: Any
    ) -> list[Evidence]:
        """Evidence at each point, on the host; leading axis: examples."""
        with in_float64(device):
            found = [self.wide(*given, jax.device_put(point)) for point in points]
            return jax.device_get(found)


class Chunk(NamedTuple):
    """A plan at many examples, and what its witnesses say of each."""

    chunked: Chunked
    held: tuple[Any, ...]
    """What is given, on the host."""
    given: tuple[Any, ...]
    """Arguments, cotangents, what directions are drawn from, by how much leaves move,
    and gradients; what is each example's own on a leading axis."""
    evidence: Sequence[Evidence]
    device: Any
    points: Sequence[int]
    """At how many points each was asked."""
    spreads: Sequence[Any] | None

    def asked(self, index: int) -> Asked:
        """One example, as if it had been asked alone."""
        every, cotangents, drawn, sizes, native = self.held
        own = self.chunked.own
        leaves = [
            leaf[index] if apart else leaf
            for leaf, apart in zip(every, own, strict=True)
        ]
        spreads = (
            () if self.spreads is None else (float(s[index]) for s in self.spreads)
        )
        return Asked(
            self.chunked.plan,
            (leaves, cotangents, drawn, sizes, [leaf[index] for leaf in native]),
            self.evidence[index],
            self.device,
            self.points[index],
            tuple(spreads),
        )

    def looked_at(
        self, leaves: Sequence[Sequence[Leaf]], budget: Budget
    ) -> tuple[Chunk, list[tuple[Looked, int]]]:
        """Look at every example, as `looked_at` does at one.

        Args:
            leaves: what is known of each, of every example.
            budget: what may be spent on an example.
        """
        # A gradient brings a value with it.
        budget = budget._replace(most=budget.most - self.points[0])
        found = self._answered(leaves, budget, range(len(leaves)))
        if not budget.once:
            return self, [found[i] for i in range(len(leaves))]
        doubtful = [i for i, (s, _) in found.items() if s.certificate.error > CERTAIN]
        chunk = self
        if doubtful:
            chunk = self._and_near(doubtful)
            again = chunk._answered(leaves, budget, doubtful)
            found |= {i: (s, n + found[i][1]) for i, (s, n) in again.items()}
        return chunk, [found[i] for i in range(len(leaves))]

    def _and_near(self, which: Sequence[int]) -> Chunk:
        """The same, with some examples asked near their point too."""
        (near,) = self.chunked.gather(self.given, (NEAR,), self.device)
        evidence, points = list(self.evidence), list(self.points)
        for i in which:
            evidence[i] = at_points(_row(evidence[i], 0), _row(near, i))
            points[i] = 2
        return self._replace(evidence=evidence, points=points)

    def _answered(
        self, leaves: Sequence[Sequence[Leaf]], budget: Budget, which: Sequence[int]
    ) -> dict[int, tuple[Looked, int]]:
        looking = {i: look(self.evidence[i], leaves[i], budget.alone) for i in which}
        found = {i: resumed(each, None) for i, each in looking.items()}
        spent = dict.fromkeys(which, 0)
        while asks := {i: f for i, f in found.items() if isinstance(f, Ask)}:
            for frozen in (False, True):
                wanted = {
                    i: affordable(ask.ladders, budget.most - spent[i])
                    for i, ask in asks.items()
                    if ask.frozen is frozen
                }
                points = self._points(wanted, frozen)
                for i, ladders in wanted.items():
                    spent[i] += evaluations(ladders)
                    missing = [None] * (len(asks[i].ladders) - len(ladders))
                    answer = [*(points[i, ladder] for ladder in ladders), *missing]
                    found[i] = resumed(looking[i], answer)
        seen = {i: f for i, f in found.items() if isinstance(f, Looked)}
        return {i: (f, spent[i]) for i, f in seen.items()}

    def _points(
        self, wanted: Mapping[int, Sequence[Rungs]], frozen: bool
    ) -> dict[tuple[int, Rungs], Point]:
        """What each example's ladders show."""
        values = self._values(wanted, frozen)
        floors = [noise_floor(self.evidence[i]) for i, _ in values]
        ladders = [ladder for _, ladder in values]
        points = shown(ladders, [*values.values()], floors)
        return dict(zip(values, points, strict=True))

    def _values(
        self, wanted: Mapping[int, Sequence[Rungs]], frozen: bool
    ) -> dict[tuple[int, Rungs], Values]:
        """Values on each example's ladders: for all examples at once, or for few."""
        found: dict[tuple[int, Rungs], Values] = {}
        if len(wanted) * FEW <= len(self.evidence):
            for i, ladders in wanted.items():
                asked = self.asked(i)
                values = asked.evaluate(ladders, frozen=frozen) if ladders else []
                found |= {
                    (i, ladder): v for ladder, v in zip(ladders, values, strict=True)
                }
            return found
        union = [*dict.fromkeys(ladder for each in wanted.values() for ladder in each)]
        if not union:
            return found
        function = self.chunked.frozen if frozen else self.chunked.moved
        with in_float64(self.device):
            rows = in_chunks(function, self.given[:4], moves_of(union))
        for i, ladders in wanted.items():
            mine = dict(zip(union, in_ladders(rows[:, i], union), strict=True))
            found |= {(i, ladder): mine[ladder] for ladder in ladders}
        return found


def make_chunked(plan: GradientPlan, own: Sequence[bool]) -> Chunked:
    """The programs of a plan, of many examples at once.

    Args:
        plan: of one example.
        own: for each flat argument whether every example has its own.
    """
    leaves = [0 if apart else None for apart in own]
    fixed = (None, None, None)  # cotangents, what directions are drawn from, sizes
    many = (leaves, *fixed, 0, None)
    # There the derivative by the kernel of a convolution, of many images at once in
    # float64, takes thirty times as long as of one after another.
    on_cpu = not has_float64() or jax.default_backend() == "cpu"
    moves = (Moves(*[None] * len(Moves._fields)), None)
    return Chunked(
        plan,
        tuple(own),
        jax.jit(jax.vmap(plan.native, (leaves, None))),
        jax.jit(_one_by_one(plan.wide, own) if on_cpu else jax.vmap(plan.wide, many)),
        jax.jit(jax.vmap(plan.moved, (leaves, *fixed, *moves), -1)),
        jax.jit(jax.vmap(plan.frozen, (leaves, *fixed, *moves), -1)),
    )


def _one_by_one(
    function: Callable[..., Any], own: Sequence[bool]
) -> Callable[..., Any]:
    """A function of every example's leaves and gradient, mapped in one program."""

    def mapped(leaves: Any, *rest: Any) -> Any:
        *fixed, native, displacement = rest

        def one(each: Any) -> Any:
            mine, gradient = each
            pairs = zip(leaves, mine, own, strict=True)
            every = [e if apart else leaf for leaf, e, apart in pairs]
            return function(every, *fixed, gradient, displacement)

        apart = [leaf if a else None for leaf, a in zip(leaves, own, strict=True)]
        return lax.map(one, (apart, native))

    return mapped


def _row(evidence: Evidence, index: Any) -> Evidence:
    return jax.tree.map(lambda each: each[index], evidence)
