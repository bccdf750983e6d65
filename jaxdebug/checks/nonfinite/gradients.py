"""Gradients that are not finite in a step that passes over them: no output tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxdebug.checks.nonfinite.frames import Frame
from jaxdebug.checks.nonfinite.opened import body_of
from jaxdebug.frameworks.step_flow import StepFlow
from jaxdebug.programs._jax import ir
from jaxdebug.programs.places import Place, Site
from jaxdebug.programs.program import Program
from jaxdebug.statistics.leaf_sites import NO_LEAVES, leaf_sites
from jaxdebug.statistics.measurement import Measurement, Wanted, measurement
from jaxdebug.statistics.statistic import Statistic

FLAGS = Statistic(
    "nonfinite",
    measure=lambda array: holds_nonfinite(array),
    finalize=lambda flags: {"nonfinite": flags},
    combine=lambda left, right: left | right,
    empty=lambda struct: jnp.zeros(struct.shape, bool),
    kinds=("gradient",),
)


def holds_nonfinite(array: Any) -> Any:
    """One bit: whether an element is NaN or infinite."""
    return ~jnp.isfinite(array).all()


class Gradients(NamedTuple):
    """The gradients of a train step, and the program that looks at them."""

    sites: tuple[tuple[Site, Place], ...]
    measured: Measurement | None
    """None if there are none."""

    def run(
        self, jaxpr: ir.ClosedJaxpr, leaves: Sequence[Any]
    ) -> tuple[Sequence[Any], list[Any]]:
        """Results of the program, and of each gradient one bit."""
        if self.measured is None:
            return ir.evaluate(jaxpr, leaves), []
        results, _, records = self.measured.run(leaves)
        return results, [jnp.any(r.record) for r in records]

    def in_frame(self, frame: Frame) -> Iterator[tuple[str, Frame, Any]]:
        """Name and place of each gradient that the frame of the program leads to."""
        for site, place in self.sites:
            found = _follow(frame, place)
            if found is not None:
                yield f"gradient of {site.name}", *found


def gradients_of(program: Program, flow: StepFlow) -> Gradients:
    """Find the gradients of a program, if it is a train step.

    Args:
        program: the program.
        flow: its leaves on their way through it.
    """
    if not any(trained.place is not None for trained in flow.trained):
        return Gradients((), None)
    found = leaf_sites(flow.graph, flow.inputs, flow.outputs, flow.trained).gradients
    own = tuple((site, place, FLAGS) for site, place in found.items())
    wanted = Wanted({}, NO_LEAVES, own=own)
    return Gradients(tuple(found.items()), measurement(program, wanted))


def _follow(frame: Frame, place: Place) -> tuple[Frame, Any] | None:
    """The frame and the variable of a place; None if it is inside a loop."""
    *enclosing, last = place.address
    for index, number in zip(enclosing[::2], enclosing[1::2], strict=True):
        inner = body_of(frame, index, number)
        if inner is None:
            return None
        frame = inner
    raw = frame.jaxpr.jaxpr.eqns[last]
    return frame, place.of(raw.invars, raw.outvars)
