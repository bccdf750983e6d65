"""How the leaves of a train step's state go through it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from jaxdebug.frameworks.in_place import Changes, changes_of
from jaxdebug.programs.graph import Graph, build_graph
from jaxdebug.programs.parameters.carried import carried_leaves
from jaxdebug.programs.parameters.leaves import (
    Leaf,
    LeafGradient,
    leaf_gradients,
    path_names,
    state_leaves,
)
from jaxdebug.programs.program import Program
from jaxdebug.programs.scopes import Direction


class StepFlow(NamedTuple):
    """How the leaves of a program's state go through it."""

    graph: Graph
    inputs: list[tuple[str, ...]]
    """Path of each input; the first key is the argument's position."""
    outputs: list[tuple[str, ...]]
    """Path of each output."""
    trained: list[LeafGradient]
    """Leaves of a train step's state, with their gradients."""
    changes: Changes
    """What it does to the objects of its arguments."""
    leaves: list[Leaf]
    """Of its state: trained ones, and others that lead to their new value."""

    def carried(self) -> list[Leaf]:
        """Leaves of its state that are no parameters; none of what trains nothing."""
        trained = [found.leaf for found in self.trained]
        found = self.graph, self.inputs, self.outputs, self.leaves
        return carried_leaves(*found, trained) if trained else []


def step_flow(program: Program, arguments: Any) -> StepFlow:
    """Find the leaves that a program trains, if it is a train step.

    Args:
        program: of a function that `returning_changes` returned.
        arguments: `(args, kwargs)` it was traced with, for the names of inputs.
    """
    graph = build_graph(program.jaxpr)
    # The first key tells positional from keyword arguments.
    inputs = [path[1:] for path in path_names(arguments)]
    results = jax.tree.unflatten(program.out_tree, range(len(graph.outputs)))
    outputs = path_names(results)
    changes = changes_of(program, graph, inputs)
    if not (changes.steps or _is_to_train(graph, changes)):
        # Only a train step has parameters, some of which it leaves as they are.
        for output in changes.kept:
            graph.outputs[output] = None
    leaves = state_leaves(inputs, outputs, graph)
    trained = leaf_gradients(graph, leaves)
    return StepFlow(graph, inputs, outputs, trained, changes, leaves)


def _is_to_train(graph: Graph, changes: Changes) -> bool:
    """Whether it derives, and was given an optimiser that it may have forgotten."""
    backward = (step.direction is Direction.BACKWARD for step in graph.steps)
    return changes.optimiser and any(backward)
