"""Regions of elementwise equations with one array as their input."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.programs._jax import ir, names
from jaxdebug.programs.equation import Address
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.places import Place
from jaxdebug.programs.scopes import Direction

_ELEMENTWISE = """
    abs acos acosh add and asin asinh atan atan2 atanh cbrt ceil clamp
    convert_element_type copy cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1
    floor ge gt integer_pow is_finite le lgamma log log1p logistic lt max min mul ne
    neg nextafter not one_minus_square or pow reduce_precision rem round rsqrt select_n
    sign sin sinh sqrt square sub tan tanh xor
"""
ELEMENTWISE = frozenset(_ELEMENTWISE.split())

FUNCTION_CALLS = frozenset(
    {"closed_call", "custom_jvp_call", "custom_vjp_call", "jit", "pjit"}
)
"""Calls that a library's activation function may be made of."""


@dataclass(frozen=True)
class Region:
    """Elementwise equations of one level that lead from one array to another."""

    root: int
    output: int
    steps: tuple[Step, ...]
    """In the order of the program; the last one makes the output."""
    entry: Place

    def apply(self, value: Any) -> Any:
        """The output for an input of the shape that was traced."""
        return self._evaluate(value, ir.bind)

    def pointwise(self, value: Any) -> Any:
        """The output for inputs of any shape."""
        return self._evaluate(value, _bind_pointwise)

    def in_single_precision(self, value: Any) -> Any:
        """The output for inputs of any shape, with no rounding to fewer digits."""
        return self._evaluate(value, _bind_in_single_precision)

    def _evaluate(self, value: Any, bind: Callable[..., list[Any]]) -> Any:
        values = {self.root: value}
        for step in self.steps:
            raw = step.equation.raw
            operands = [
                ir.literal_value(cast(ir.Literal, atom))
                if node is None
                else values[node]
                for node, atom in zip(step.operands, raw.invars, strict=True)
            ]
            values.update(zip(step.results, bind(raw, operands), strict=True))
        return values[self.output]

    @property
    def called(self) -> str:
        """The functions it calls; empty if it calls none that has a name."""
        return _joined(
            name
            for step in self.steps
            if (name := names.function_name(step.equation.raw)) is not None
            and not name.startswith("_")
        )

    @property
    def primitives(self) -> str:
        """What it is made of."""
        made_of = _primitives(step.equation.raw for step in self.steps)
        return _joined(name for name in made_of if name not in _UNNAMED)


def _primitives(equations: Iterable[Any]) -> Iterator[str]:
    """What equations are, and those in the functions that they call."""
    for raw in equations:
        yield raw.primitive.name
        if raw.primitive.name in FUNCTION_CALLS:
            for body in ir.nested_jaxprs(raw):
                yield from _primitives(body.jaxpr.eqns)


def _joined(names: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(names))[:60]


_UNNAMED = FUNCTION_CALLS | {"broadcast_in_dim", "convert_element_type", "copy"}


def regions(graph: Graph) -> Iterator[Region]:
    """Every region of the forward part whose output something else reads."""
    levels: dict[Address, list[Step]] = defaultdict(list)
    calls: set[Address] = set()
    for step in graph.steps:
        if step.direction is not Direction.FORWARD or _is_below(step, calls):
            continue
        levels[step.address[:-1]].append(step)
        if step.opened and _is_elementwise(step.equation.raw):
            calls.add(step.address)
    for steps in levels.values():
        yield from _regions_of_level(graph, steps, calls)


def _is_below(step: Step, calls: set[Address]) -> bool:
    """Whether it stands in a body of one of the calls."""
    ends = range(1, len(step.address) - 1, 2)
    return any(step.address[:end] in calls for end in ends)


def _regions_of_level(
    graph: Graph, steps: Sequence[Step], calls: set[Address]
) -> Iterator[Region]:
    constant: set[int] = set()
    root_of: dict[int, int] = {}
    needed: dict[int, tuple[Step, ...]] = {}
    for step in steps:
        members = _is_elementwise(step.equation.raw)
        arrays = [n for n in step.operands if n is not None and n not in constant]
        if not arrays:
            if members or step.equation.primitive == "broadcast_in_dim":
                constant.update(step.results)
                for node in step.results:
                    needed[node] = _merged(step, needed)
            continue
        if not members:
            continue
        roots = {root_of.get(node, node) for node in arrays}
        if len(roots) > 1:
            continue
        (root,) = roots
        shape = graph.avals[root].shape
        if any(graph.avals[node].shape != shape for node in (*arrays, *step.results)):
            continue
        for node in step.results:
            root_of[node] = root
            needed[node] = _merged(step, needed)
    for node, root in root_of.items():
        if not (_is_real(graph.avals[node]) and _is_real(graph.avals[root])):
            continue
        if _is_read_outside(graph, node, root_of, calls):
            chain = needed[node]
            entry = next(step for step in chain if root in step.operands)
            place = Place(entry.address, entry.operands.index(root), operand=True)
            yield Region(root, node, chain, place)


def _merged(step: Step, needed: dict[int, tuple[Step, ...]]) -> tuple[Step, ...]:
    """The equations that an equation needs, and itself, in the program's order."""
    every = {step.address: step}
    for node in step.operands:
        if node is not None:
            every.update((before.address, before) for before in needed.get(node, ()))
    return tuple(every[address] for address in sorted(every))


def _is_read_outside(
    graph: Graph, node: int, root_of: dict[int, int], calls: set[Address]
) -> bool:
    """Whether the forward part reads it other than inside the region."""
    for passed in graph.onward(node):
        if passed in graph.outputs:
            return True
        for reader in graph.readers.get(passed, ()):
            if reader.direction is not Direction.FORWARD or _is_below(reader, calls):
                continue
            if reader.opened and reader.address not in calls:
                continue  # what it leads into reads it
            if any(root_of.get(result) != root_of[node] for result in reader.results):
                return True
    return False


def _is_real(aval: Any) -> bool:
    dtype = getattr(aval, "dtype", None)
    return dtype is not None and jax.dtypes.issubdtype(dtype, np.floating)


def _is_elementwise(raw: Any) -> bool:
    """Whether an equation is elementwise, or calls a function that is."""
    if raw.primitive.name in ELEMENTWISE:
        return True
    if raw.primitive.name not in FUNCTION_CALLS:
        return False
    return all(
        _is_elementwise(inner) or _makes_constant(inner)
        for body in ir.nested_jaxprs(raw)
        for inner in body.jaxpr.eqns
    )


def _makes_constant(raw: Any) -> bool:
    return raw.primitive.name == "broadcast_in_dim" and not raw.invars[0].aval.shape


def _read(atom: Any, values: dict[Any, Any]) -> Any:
    return ir.literal_value(atom) if isinstance(atom, ir.Literal) else values[atom]


def _bind_in_single_precision(raw: Any, operands: Sequence[Any]) -> list[Any]:
    """Run an elementwise equation in float32, whatever it was traced in."""
    name = raw.primitive.name
    wide = [
        jnp.asarray(x, jnp.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x
        for x in map(jnp.asarray, operands)
    ]
    if name == "reduce_precision":
        return wide
    if name == "convert_element_type" and _is_real(raw.outvars[0].aval):
        return [wide[0].astype(jnp.float32)]
    return _bind_pointwise(raw, wide, _bind_in_single_precision)


def _bind_pointwise(
    raw: Any,
    operands: Sequence[Any],
    inner_bind: Callable[[Any, Sequence[Any]], list[Any]] | None = None,
) -> list[Any]:
    """Run an elementwise equation where constants are still scalars."""
    name = raw.primitive.name
    if name == "broadcast_in_dim":
        return [operands[0]]
    if name in FUNCTION_CALLS:
        body = next(iter(ir.nested_jaxprs(raw)))
        values = dict(zip(body.jaxpr.invars, operands, strict=True))
        values.update(zip(body.jaxpr.constvars, body.consts, strict=True))
        for inner in body.jaxpr.eqns:
            read = [_read(atom, values) for atom in inner.invars]
            results = (inner_bind or _bind_pointwise)(inner, read)
            values.update(zip(inner.outvars, results, strict=True))
        return [_read(atom, values) for atom in body.jaxpr.outvars]
    shape = jnp.broadcast_shapes(*(jnp.shape(operand) for operand in operands))
    wide = [
        jnp.broadcast_to(jnp.asarray(operand), shape)
        if jnp.shape(operand) != shape
        else operand
        for operand in operands
    ]
    return ir.bind(raw, wide)
