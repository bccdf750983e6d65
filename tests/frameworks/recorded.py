"""The arrays at a program's sites themselves, to compare with a framework's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.frameworks.observed import observed, trace_observed
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.layers.sites import LayerSites, layer_sites
from jaxdebug.programs.places import Place, Site
from jaxdebug.programs.program import trace, transform
from jaxdebug.programs.tool import Accumulator, Tool

Arrays = dict[tuple[str, str], list[np.ndarray]]


class Recorded(NamedTuple):
    """A function under a tool that hands out every site's array."""

    layers: LayerSites
    run: Callable[..., tuple[Any, dict[Site, jax.Array]]]


def recorded(function: Callable[..., Any], *args: Any, marks: bool = True) -> Recorded:
    """Trace a function and find the arrays of its layers."""
    if marks:
        program, unmarked = trace_observed(observed(function), *args)
        assert unmarked == ""
    else:
        program = trace(function, *args)
    layers = layer_sites(build_graph(program.jaxpr))
    at = defaultdict(set)
    for place in layers.sites.values():
        at[place.address].add(place)

    def visit(equation: Any, operands: Any, proceed: Any) -> Any:
        results, records = proceed(equation, operands)
        for place in sorted(at.get(equation.address, ())):
            values = operands if place.operand else results
            records = {**records, place: values[place.index]}
        return results, records

    def nothing(*_: Any) -> Any:
        raise AssertionError("records of loops stay rows")

    tool = Tool(visit, accumulate=Accumulator(nothing, nothing, lambda length: True))
    transformed = transform(program, tool)

    def run(*args: Any) -> tuple[Any, dict[Site, jax.Array]]:
        results, records = transformed(jax.tree.leaves((args, {})))
        arrays: dict[Place, Any] = records  # type: ignore[assignment]
        out = jax.tree.unflatten(program.out_tree, results)
        return out, {site: arrays[place] for site, place in layers.sites.items()}

    return Recorded(layers, run)


def by_name(sites: dict[Site, Any]) -> Arrays:
    """Path and kind, and the arrays in the order of their indices."""
    found: dict[tuple[str, str], dict[int, np.ndarray]] = defaultdict(dict)
    for site, array in sites.items():
        found["/".join(site.path), site.kind][site.index] = np.asarray(array)
    for indexed in found.values():
        assert sorted(indexed) == list(range(len(indexed)))
    return {key: [a for _, a in sorted(each.items())] for key, each in found.items()}


def assert_same(found: Arrays, wanted: Arrays) -> None:
    """The same names, and arrays equal to a millionth of the largest element."""
    assert found.keys() == wanted.keys()
    for key, arrays in wanted.items():
        assert len(found[key]) == len(arrays), key
        for one, other in zip(found[key], arrays, strict=True):
            assert one.shape == other.shape, key
            scale = np.abs(other).max(initial=0) or 1.0
            np.testing.assert_allclose(
                one, other, rtol=0, atol=1e-6 * scale, err_msg=str(key)
            )
