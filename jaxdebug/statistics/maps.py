"""The feature maps of the first example, as pictures want them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxdebug.programs.graph import Graph
from jaxdebug.programs.layers.feature_maps import MapAxes, map_axes
from jaxdebug.programs.places import Place, Site
from jaxdebug.statistics.statistic import Statistic


def first_maps(
    graph: Graph, sites: Mapping[Site, Place]
) -> Iterator[tuple[Site, Place, Statistic]]:
    """Layer outputs that are feature maps, with what takes those of the first example.

    Args:
        graph: the flow of the program.
        sites: its layers.
    """
    made: dict[Place, Statistic | None] = {}
    for site, place in sites.items():
        if site.kind != "output":
            continue
        if place not in made:
            step = graph.step_at(place.address)
            node = place.of(step.operands, step.results)
            axes = None if node is None else map_axes(graph, node)
            made[place] = None if axes is None else _of_first_example(axes)
        statistic = made[place]
        if statistic is not None:
            yield site, place, statistic


def _of_first_example(axes: MapAxes) -> Statistic:
    def measure(array: Any) -> Any:
        order = (axes.batch, axes.row, axes.column, axes.channel)
        first = lax.transpose(lax.stop_gradient(array), order)[0]
        return jnp.abs(first) if jnp.iscomplexobj(first) else first.astype(np.float32)

    # Where a loop does not keep its iterations apart, and of shards, the last counts.
    return Statistic(
        "map",
        measure,
        lambda first: {"map": np.asarray(first)},
        combine=lambda before, last: last,
        kinds=("output",),
    )
