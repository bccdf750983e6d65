"""The arrays at a program's sites, and those a model's own code says they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.frameworks import modules
from jaxdebug.frameworks.in_place import returning_changes
from jaxdebug.frameworks.observed import observed, trace_observed
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.layers.parameter_paths import (
    find_parameters,
    with_parameter_paths,
)
from jaxdebug.programs.layers.sites import layer_sites
from jaxdebug.programs.parameters.leaves import leaf_gradients, path_names, state_leaves
from jaxdebug.programs.program import trace, transform
from jaxdebug.programs.tool import Accumulator, Tool

Arrays = dict[tuple[str, str], np.ndarray]
Tap = Callable[[str, Any], Any]


def plain(name: str, x: Any) -> Any:
    """A tap that does nothing: what the traced program has."""
    return x


def seen(
    function: Any, *args: Any, shared: Any = (), marks: bool = False
) -> tuple[Arrays, dict[str, str]]:
    """The arrays at the layers' sites by name and kind, and what was not told."""
    if marks:
        args = modules.split(args)
        program, unmarked = trace_observed(returning_changes(observed(function)), *args)
        assert unmarked == ""
    else:
        program = trace(function, *args)
    graph = build_graph(program.jaxpr)
    inputs = [path[1:] for path in path_names((args, {}))]
    results = jax.tree.unflatten(program.out_tree, range(len(graph.outputs)))
    outputs = path_names(results)
    trained = leaf_gradients(graph, state_leaves(inputs, outputs, graph))
    parameters = find_parameters(graph, inputs, outputs, trained)
    named = with_parameter_paths(graph, parameters, shared)
    layers = layer_sites(named.graph, named.outputs)
    at: dict[Any, list[Any]] = {}
    for place in layers.sites.values():
        at.setdefault(place.address, []).append(place)

    def visit(equation: Any, operands: Any, proceed: Any) -> Any:
        out, records = proceed(equation, operands)
        for place in at.get(equation.address, ()):
            records[place] = place.of(operands, out)
        return out, records

    keep = Accumulator(
        lambda record: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), record),
        lambda total, record, _: record,
        lambda length: True,
    )
    kept = transform(program, Tool(visit, keep))
    made = jax.jit(lambda leaves: list(kept(leaves)[1].values()))
    records = dict(zip(kept.names, made(jax.tree.leaves((args, {}))), strict=True))
    arrays = {
        (site.name, site.kind): np.asarray(records[place])
        for site, place in layers.sites.items()
    }
    reasons = (*named.unidentified, *layers.unidentified)
    return arrays, {"/".join(path): reason for path, reason in reasons}


def told(loss: Callable[..., Any], *args: Any) -> Arrays:
    """What the model's own code says: `loss(tap, *args)` taps each layer's output.

    The cotangent of an output is the gradient by zeros added to it.
    """
    shapes: dict[str, Any] = {}

    def noting(name: str, x: Any) -> Any:
        shapes[_indexed(name, shapes)] = np.zeros(x.shape, x.dtype)
        return x

    jax.eval_shape(lambda *args: loss(noting, *args), *args)

    def moved(zeros: dict[str, Any], *args: Any) -> Any:
        outputs: dict[str, Any] = {}

        def adding(name: str, x: Any) -> Any:
            indexed = _indexed(name, outputs)
            outputs[indexed] = x
            return x + zeros[indexed]

        return loss(adding, *args), outputs

    cotangents, outputs = jax.jit(jax.grad(moved, has_aux=True))(shapes, *args)
    return {
        **{(name, "output"): np.asarray(x) for name, x in outputs.items()},
        **{(name, "cotangent"): np.asarray(x) for name, x in cotangents.items()},
    }


def _indexed(name: str, known: dict[str, Any]) -> str:
    index = 0
    while (f"{name}[{index}]" if index else name) in known:
        index += 1
    return f"{name}[{index}]" if index else name


def check_same(found: Arrays, wanted: Arrays, error: float = 1e-6) -> None:
    """Every array that was found is the wanted one, and none is missing."""
    assert set(found) == set(wanted)
    for key, array in found.items():
        assert array.shape == wanted[key].shape, key
        scale = max(float(np.abs(wanted[key]).max()), 1e-30)
        gap = float(np.abs(array - wanted[key]).max())
        assert gap <= error * scale * 4, (key, gap / scale)
