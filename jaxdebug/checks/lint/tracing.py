"""From a function and its arguments to the traced program that is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.arguments import AuditInputError
from jaxdebug.checks.lint.linted import Linted
from jaxdebug.frameworks import modules
from jaxdebug.frameworks.held import hold_leaf, hold_static, require_constants
from jaxdebug.frameworks.in_place import returning_changes
from jaxdebug.frameworks.observed import observed, trace_observed
from jaxdebug.frameworks.step_flow import step_flow
from jaxdebug.programs.layers.parameter_paths import (
    find_parameters,
    with_parameter_paths,
)
from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.program import Program
from jaxdebug.programs.ranges.twins import with_twins


def linted_of(
    fn: Callable[..., Any],
    argnums: Sequence[int] | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Linted:
    """Trace a function and find out what is known of it.

    Args:
        fn: the function.
        argnums: positions of the arguments that hold parameters; None if not said.
        args: arrays, shape structs, modules, and whatever else it takes.
        kwargs: its keyword arguments.
    """
    arguments = hold_static(fn, args, kwargs)
    (args, kwargs), _ = modules.take_apart(arguments, other=hold_leaf(fn))
    require_constants("lint", (args, kwargs))
    traced = trace_observed(returning_changes(observed(fn)), *args, **kwargs)
    program = traced.program
    avals = jax.tree.map(jax.typeof, (args, kwargs))
    flow = step_flow(program, avals)
    found = find_parameters(*flow[:4])
    named = with_parameter_paths(flow.graph, found, modules.shared_scopes())
    inputs = path_names(avals)
    losses = _losses(program)
    own = any(step.differentiated for step in named.graph.steps)
    assumed = argnums is None and not own and bool(losses)
    numbers = (0,) if assumed else argnums
    moving = _moving(avals, inputs, numbers)
    if assumed and any(path[:1] == ("params",) for path in moving.values()):
        # A train state, or Linen's variables: what stands beside is not trained.
        moving = {i: path for i, path in moving.items() if path[0] == "params"}
    if argnums is not None and not moving:
        raise AuditInputError(
            f"expected floating-point arrays in what argnums={tuple(argnums)} names; "
            "found none. Give the position of the parameters."
        )
    if not losses:
        results = enumerate(program.jaxpr.out_avals)
        losses = tuple(index for index, aval in results if is_inexact(aval))
    trained = frozenset(moving or found.paths)
    return Linted(
        program,
        fn,
        avals,
        with_twins(named.graph),
        inputs,
        moving,
        assumed and bool(moving),
        losses,
        own,
        trained,
        _batch(avals, inputs, trained),
        _state(program, avals) if own else (),
    )


def _moving(
    avals: Any, inputs: Sequence[tuple[str, ...]], numbers: Sequence[int] | None
) -> dict[int, tuple[str, ...]]:
    """Flat inputs that are differentiated by, with their paths."""
    if numbers is None:
        return {}
    wanted = {("0", str(number)) for number in numbers}
    trainable = modules.trainable(avals)
    leaves = jax.tree.leaves(avals)
    return {
        index: path[2:] if len(numbers) == 1 else path[1:]
        for index, path in enumerate(inputs)
        if path[:2] in wanted and trainable[index] is not False
        if is_inexact(leaves[index])
    }


def _state(program: Program, avals: Any) -> tuple[tuple[int, int], ...]:
    """Flat inputs and the outputs that are their new values.

    An argument is a state if the function returns something of the same structure and
    the same shapes, alone or in a tuple.
    """
    args, kwargs = jax.tree.unflatten(
        jax.tree.structure(avals), range(len(jax.tree.leaves(avals)))
    )
    every = range(program.out_tree.num_leaves)
    result = jax.tree.unflatten(program.out_tree, every).result
    results = [result, *result] if isinstance(result, tuple) else [result]
    found: dict[int, int] = {}
    for argument in (*args, *kwargs.values()):
        inputs = jax.tree.leaves(argument)
        for one in results:
            outputs = jax.tree.leaves(one)
            if jax.tree.structure(one) != jax.tree.structure(argument) or not inputs:
                continue
            pairs = list(zip(inputs, outputs, strict=True))
            old, new = program.jaxpr.in_avals, program.jaxpr.out_avals
            if all(old[i].shape == new[o].shape for i, o in pairs):
                found = {**dict(pairs), **found}
                break
    return tuple(found.items())


def _losses(program: Program) -> tuple[int, ...]:
    """The flat output that is a loss: the only one, or the first of a tuple."""
    every = range(program.out_tree.num_leaves)
    shaped = jax.tree.unflatten(program.out_tree, every).result
    first = shaped[0] if isinstance(shaped, tuple) and shaped else shaped
    if not isinstance(first, int):
        return ()
    aval: Any = program.jaxpr.out_avals[first]
    is_loss = aval.shape == () and jax.dtypes.issubdtype(aval.dtype, np.floating)
    return (first,) if is_loss else ()


def _batch(
    avals: Any, inputs: Sequence[tuple[str, ...]], trained: frozenset[int]
) -> tuple[int, ...]:
    """Flat inputs that have one entry for each example along their first axis.

    Those of the first argument besides the parameters that holds at least a matrix
    and whose arrays are all of one length, and all others of that length; known only
    if there are two of them.
    """
    lengths: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
    leaves = jax.tree.leaves(avals)
    data = [i for i, leaf in enumerate(leaves) if i not in trained and _is_data(leaf)]
    trained_arguments = {inputs[index][:2] for index in trained}
    for index in data:
        argument = inputs[index][:2]
        if argument not in trained_arguments:
            lengths.setdefault(argument, []).append(leaves[index].shape)
    for shapes in lengths.values():
        firsts = {shape[0] for shape in shapes}
        if len(firsts) == 1 and max(map(len, shapes)) > 1:
            (length,) = firsts
            found = tuple(i for i in data if leaves[i].shape[0] == length)
            return found if len(found) > 1 and length > 1 else ()
    return ()


def _is_data(aval: Any) -> bool:
    dtype = aval.dtype
    if jax.dtypes.issubdtype(dtype, jax.dtypes.extended) or not aval.shape:
        return False
    return dtype != np.uint32  # keys of the old kind
