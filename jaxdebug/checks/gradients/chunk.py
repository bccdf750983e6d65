"""One gradient at many examples at once: one program, the same steps for all of them.

The parameters are shared, and so are directions and steps: a layer sees the moved
parameters once and all examples side by side. What is looked at is decided for each
example apart, as it is for one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax import lax

from jaxdebug.checks.gradients.asked import Asked, OnLadders, Wanted
from jaxdebug.checks.gradients.plan import GradientPlan
from jaxdebug.checks.gradients.programs import (
    Given,
    Programs,
    has_float64,
    in_float64,
    make_programs,
)
from jaxdebug.gradients.determinism import spread
from jaxdebug.gradients.evidence import Evidence, at_points
from jaxdebug.gradients.moves import NEAR, Moves, in_ladders, moves_of

FEW = 16
"""Where less than one example in so many asks, each is answered alone."""


class Chunked(NamedTuple):
    """A plan whose programs take many examples at once."""

    plan: GradientPlan
    own: tuple[bool, ...]
    """For each flat argument whether every example has its own, on a leading axis."""
    programs: Programs

    def at(
        self, leaves: Sequence[Any], count: int, seed: int, points: Sequence[float]
    ) -> Chunk:
        """Ask the witnesses at every example.

        Args:
            leaves: flat arguments.
            count: how many of the examples are asked about.
            seed: of cotangents, directions and the displacement.
            points: to ask at first; the gradient runs once for each.
        """
        plan, run = self.plan, self.programs.native
        cotangents = jax.device_put(plan.problem.cotangents(plan.outputs, seed))
        runs = jax.device_get([run(leaves, cotangents) for _ in points])
        spreads = spread(*runs, examples=1) if len(runs) > 1 else None
        held = plan.held(leaves, runs[0][len(plan.outputs) :], seed)
        device = None if has_float64() else jax.devices("cpu")[0]
        with in_float64(device):
            given = jax.device_put(held)
        found = at_points(*self.programs.evidence(given, points, device))
        evidences = [_row(found, (slice(None), i)) for i in range(count)]
        return Chunk(
            self, held, given, evidences, device, [len(points)] * count, spreads
        )


class Chunk(NamedTuple):
    """A plan at many examples, and what its witnesses say of each."""

    chunked: Chunked
    held: Given
    """What is given, on the host; what is each example's own on a leading axis."""
    given: Given
    """The same on the device."""
    evidences: Sequence[Evidence]
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
            self.evidences[index],
            self.device,
            self.points[index],
            tuple(spreads),
        )

    def and_near(self, which: Sequence[int]) -> Chunk:
        """The same, with some examples asked near their point too."""
        programs = self.chunked.programs
        (near,) = programs.evidence(self.given, (NEAR,), self.device)
        evidences, points = list(self.evidences), list(self.points)
        for i in which:
            evidences[i] = at_points(_row(evidences[i], 0), _row(near, i))
            points[i] = 2
        return self._replace(evidences=evidences, points=points)

    def values(self, wanted: Wanted, *, frozen: bool) -> OnLadders:
        """Values on each example's ladders: for all examples at once, or for few."""
        found: OnLadders = {}
        if len(wanted) * FEW <= len(self.evidences):
            for i, ladders in wanted.items():
                alone = self.asked(i).values({0: ladders}, frozen=frozen)
                found |= {(i, ladder): each for (_, ladder), each in alone.items()}
            return found
        union = [*dict.fromkeys(ladder for each in wanted.values() for ladder in each)]
        rows = self.chunked.programs.values(
            self.given, moves_of(union), self.device, frozen=frozen
        )
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
    those = plan.programs
    wide = _one_by_one(those.wide, own) if on_cpu else jax.vmap(those.wide, many)
    return Chunked(
        plan,
        tuple(own),
        make_programs(
            jax.vmap(those.native, (leaves, None)),
            wide,
            jax.vmap(those.moved, (leaves, *fixed, *moves), -1),
            jax.vmap(those.frozen, (leaves, *fixed, *moves), -1),
        ),
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
