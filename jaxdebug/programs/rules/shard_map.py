"""shard_map: each shard makes its records; outside they are added up.

In a shard_map that checks what varies over the mesh, values that are the same
on several shards are counted once. Without the check JAX does not know, and
every shard counts.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec

from jaxdebug.programs._jax import calls
from jaxdebug.programs._jax.sharding import gathered
from jaxdebug.programs.equation import Equation
from jaxdebug.programs.rules.rule import Body, Rule, Run, plain_body
from jaxdebug.programs.tool import Outcome, Record, Tool, Value


def _bodies(equation: Equation) -> tuple[Body, ...]:
    return (plain_body(calls.view_shard_map(equation.raw).body),)


def _apply(equation: Equation, operands: list[Value], tool: Tool, run: Run) -> Outcome:
    view = calls.view_shard_map(equation.raw)
    axes: dict[Any, tuple[str, ...]] = {}

    def body(*values: Value) -> tuple[list[Value], list[Record]]:
        results, records = run(view.body, values, equation.inside(0))
        for name, record in records.items():
            axes[name] = _split_along(view, record)
        # Record by record: their names have no order, which a dict's keys need.
        first = partial(jax.tree.map, lambda leaf: jnp.expand_dims(leaf, 0))
        return results, [first(records[name]) for name in axes]

    # The specs of the records are known only once the body has been traced.
    everywhere = PartitionSpec(view.axes)
    jax.eval_shape(lambda *values: view.bind(body, values, everywhere), *operands)
    specs = [PartitionSpec(split or None) for split in axes.values()]
    results, stacked = view.bind(body, operands, specs)
    totals = [_fold(tool, record) for record in stacked]
    return list(results), dict(zip(axes, totals, strict=True))


def _split_along(view: calls.ShardMap, record: Record) -> tuple[str, ...]:
    """The mesh axes along which the record differs, in the mesh's order."""
    if not view.checked:
        return view.axes
    leaves = jax.tree.leaves(record)
    varying = [calls.varying_axes(jax.typeof(leaf)) for leaf in leaves]
    return tuple(axis for axis in view.axes if any(axis in v for v in varying))


def _fold(tool: Tool, stacked: Record) -> Record:
    """Add up the records of the shards."""
    stacked = jax.tree.map(gathered, stacked)
    shards = jax.tree.leaves(stacked)[0].shape[0]
    if shards == 1:
        return jax.tree.map(lambda leaf: leaf[0], stacked)
    struct = jax.tree.map(lambda leaf: jax.typeof(leaf[0]), stacked)

    def add(total: Record, step: tuple[Any, Record]) -> tuple[Record, None]:
        index, record = step
        return tool.accumulate.combine(total, record, index), None

    indices = jnp.arange(shards, dtype=jnp.int32)
    total, _ = lax.scan(add, tool.accumulate.empty(struct), (indices, stacked))
    return total


SHARD_MAP = Rule(_bodies, _apply)
