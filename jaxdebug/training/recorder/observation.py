"""The second program: of a step's arguments, the statistics of all layers alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.frameworks.in_place import returning_changes
from jaxdebug.frameworks.observed import observed, trace_observed
from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.statistics.probe import probed_program
from jaxdebug.statistics.site_statistics import Layout, Statistics
from jaxdebug.training.recorder.words import Packing, checksums, pack, packing_of
from jaxdebug.training.trends.facts import NO_FACTS, Facts, facts_of


class Reading(NamedTuple):
    """What one observation says, on the host."""

    statistics: Statistics
    checksums: dict[str, int]
    """Of each flat argument, by path."""
    facts: Facts = NO_FACTS
    """What the program says of them."""

    def spoilt(self) -> tuple[str, ...]:
        """Parameters that hold a value that is not finite."""
        return tuple(
            site.name
            for site, numbers in self.statistics
            if site.kind == "parameter" and np.any(numbers["nonfinite"] > 0)
        )


class Observation(NamedTuple):
    """A step under the probe, compiled apart from it: it returns no new state."""

    run: Callable[[Sequence[Any]], jax.Array]
    """Of the flat arguments: all numbers, packed."""
    packing: Packing
    layout: Layout
    inputs: tuple[str, ...]
    """Path of each flat argument."""
    memory: int
    """Bytes that it takes besides its arguments."""
    facts: Facts = NO_FACTS
    """What the program says of its arguments."""

    @property
    def trained(self) -> tuple[int, ...]:
        """Which flat arguments are parameters that every step changes."""
        paths, parameters = self.facts.paths, self.facts.parameters
        found = [parameters.get(paths.get(name, ())) for name in self.inputs]
        return tuple(
            i for i, one in enumerate(found) if one and not (one.frozen or one.waits)
        )

    def read(self, packed: np.ndarray) -> Reading:
        """What the numbers say."""
        core, extras, sums = self.packing.unpack(packed)
        statistics = Statistics(tuple(core), tuple(extras), self.layout)
        named = zip(self.inputs, map(int, sums), strict=True)
        return Reading(statistics, dict(named), self.facts)


def make_observation(
    step: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    statistics: Sequence[Any],
) -> Observation:
    """Trace a step once more, and put it under the probe.

    Args:
        step: the user's function.
        args: of it, modules and what is no array taken apart.
        kwargs: likewise.
        statistics: what to measure beyond the core.
    """
    traced = trace_observed(returning_changes(observed(step)), *args, **kwargs)
    probed = probed_program(traced, (args, kwargs), statistics)

    def numbers(leaves: Sequence[Any]) -> Any:
        _, core, extras = probed.measurement.run(leaves)
        return core, extras, checksums([jax.numpy.asarray(leaf) for leaf in leaves])

    leaves = jax.tree.leaves((args, kwargs))
    # Nothing but the numbers is returned: XLA leaves out what only makes new state.
    compiled = jax.jit(lambda leaves: pack(numbers(leaves))).lower(leaves).compile()
    analysis = compiled.memory_analysis()
    return Observation(
        compiled,
        packing_of(jax.eval_shape(numbers, leaves)),
        probed.layout,
        tuple("/".join(path[1:]) for path in path_names((args, kwargs))),
        analysis.temp_size_in_bytes if analysis is not None else 0,
        facts_of(probed.flow) if probed.flow is not None else NO_FACTS,
    )
