"""From the ranges of what an equation reads to the ranges of what it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf, prod
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from jaxdebug.programs._jax import control, names, operations
from jaxdebug.programs.draws import GENERATORS
from jaxdebug.programs.graph import Graph, Step
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.ranges import arithmetic, arrays
from jaxdebug.programs.ranges.choices import COMPARISONS, chosen, compared, is_same
from jaxdebug.programs.ranges.functions import of_function, rounded, square, whole_power
from jaxdebug.programs.ranges.identity import maker
from jaxdebug.programs.ranges.range import Range, joined, of_aval
from jaxdebug.programs.ranges.softmax import is_softmax, peak_of

Transfer = Callable[[Graph, Step, list[Range]], Range | None]

_RUNNING = frozenset({"cummax", "cummin", "cumprod", "cumsum"})
_ADDING_INTO = frozenset({"scatter-add", "scatter_add"})


def transferred(graph: Graph, step: Step, given: list[Range]) -> list[Range]:
    """The ranges of an equation's results.

    Args:
        graph: the flow of the program.
        step: an equation that has no bodies of ours.
        given: the ranges of its operands.
    """
    avals = [graph.avals[node] for node in step.results]
    data = any(r.data for r in given) and step.equation.primitive not in GENERATORS
    found: Range | None = None
    if avals and _is_number(avals[0]) and not _is_complex(step):
        found = _of(graph, step, given)
    if found is None:
        return [of_aval(aval, data) for aval in avals]
    one = replace(found, data=found.data or data)
    return [one if _is_number(aval) else of_aval(aval, data) for aval in avals]


def _is_number(aval: Any) -> bool:
    dtype = getattr(aval, "dtype", None)
    return dtype is not None and not jax.dtypes.issubdtype(dtype, jax.dtypes.extended)


def _is_complex(step: Step) -> bool:
    raw = step.equation.raw
    avals: list[Any] = [atom.aval for atom in (*raw.invars, *raw.outvars)]
    return any(
        getattr(aval, "dtype", None) is not None
        and jax.dtypes.issubdtype(aval.dtype, np.complexfloating)
        for aval in avals
    )


def _of(graph: Graph, step: Step, given: list[Range]) -> Range | None:
    name, raw = step.equation.primitive, step.equation.raw
    aval = graph.avals[step.results[0]]
    if name in _BY_NAME:
        return _BY_NAME[name](graph, step, given)
    if name in COMPARISONS:
        return compared(name, given[0], given[1], is_same(graph, *step.operands[:2]))
    if name in arrays.MOVING:
        kept = name in arrays.SAME_PLACE
        if name == "gather" and operations.view_gather(raw).outside == "filled":
            return replace(given[0].moved(), nonzero=given[0].nonzero)
        return given[0] if kept else given[0].moved()
    if name in arrays.JOINING:
        count = 2 if name != "concatenate" else len(given)
        return arrays.joined_with(given[:count])
    if name in _RUNNING:
        return arrays.running(given[0], name, max(aval.shape, default=1))
    if name in _ADDING_INTO:
        return arrays.added_into(given[0], given[2])
    if name == "scatter":
        return arrays.joined_with([given[0], given[2]])
    if len(given) == 1:
        dtype = aval.dtype if is_inexact(aval) else None
        return of_function(name, given[0], dtype)
    return None


def _add(graph: Graph, step: Step, given: list[Range]) -> Range:
    return arithmetic.add(*given)


def _subtract(graph: Graph, step: Step, given: list[Range]) -> Range:
    found = arithmetic.subtract(*given)
    axes = peak_of(graph, step)
    if axes is not None:
        return Range(-inf, 0, data=found.data, peak=axes)
    if is_same(graph, *step.operands):
        return Range(0, 0, whole=found.whole, data=found.data)
    return found


def _multiply(graph: Graph, step: Step, given: list[Range]) -> Range:
    if is_same(graph, *step.operands):
        return square(given[0])
    found = arithmetic.multiply(*given)
    for one, other in ((0, 1), (1, 0)):
        if _is_one_hot(graph, step.operands[one]) and given[other].probability:
            return replace(found, probability="picked")
    return found


def _is_one_hot(graph: Graph, node: int | None) -> bool:
    """Whether an array says of each place whether it is that of an index."""
    made = maker(graph, node)
    while made is not None and made.equation.primitive == "convert_element_type":
        made = maker(graph, made.operands[0])
    if made is None or made.equation.primitive != "eq":
        return False
    counters = (maker(graph, operand) for operand in made.operands)
    return any(one is not None and one.equation.primitive == "iota" for one in counters)


def _divide(graph: Graph, step: Step, given: list[Range]) -> Range:
    if is_softmax(graph, step):
        from_data = any(r.data for r in given)
        low = given[0].low_hit if from_data else None
        return Range(0, 1, low, low, data=from_data, probability="softmax")
    whole = not is_inexact(graph.avals[step.results[0]])
    return arithmetic.divide(given[0], given[1], whole)


def _dot(graph: Graph, step: Step, given: list[Range]) -> Range:
    view = operations.view_product(step.equation.raw)
    left = graph.avals[step.operands[0]].shape if step.operands[0] is not None else ()
    count = prod(left[axis] for axis in view.left)
    squares = (
        is_same(graph, *step.operands)
        and view.left == view.right
        and view.left_batch == view.right_batch
        and len(view.left) + len(view.left_batch) == len(left)
    )
    return arrays.contracted(given[0], given[1], count, squares)


def _convolution(graph: Graph, step: Step, given: list[Range]) -> Range:
    return arrays.contracted(given[0], given[1], 1 << 30, False)


def _sum(graph: Graph, step: Step, given: list[Range]) -> Range:
    axes = names.reduced_axes(step.equation.raw)
    node = step.operands[0]
    shape = () if node is None else graph.avals[node].shape
    return arrays.summed(given[0], prod(shape[axis] for axis in axes), axes)


def _product_of(graph: Graph, step: Step, given: list[Range]) -> Range:
    (x,) = given
    if x.low < 0:
        return Range(-inf, inf, whole=x.whole, data=x.data)
    low = x.low if x.low >= 1 else 0.0
    return Range(low, x.high if x.high <= 1 else inf, whole=x.whole, data=x.data)


def _select(graph: Graph, step: Step, given: list[Range]) -> Range | None:
    found = joined(chosen(graph, step, given[1:], given[0]))
    return None if found is None else replace(found, data=any(r.data for r in given))


def _cast(graph: Graph, step: Step, given: list[Range]) -> Range:
    (x,) = given
    aval = graph.avals[step.results[0]]
    if aval.dtype == np.bool_:
        if x.constant is not None:
            return Range(float(x.constant != 0), float(x.constant != 0), whole=True)
        return Range(0, 1, whole=True, data=x.data)
    if not is_inexact(aval):
        low, high = (
            float(np.trunc(bound)) if abs(bound) < inf else bound
            for bound in (x.low, x.high)
        )
        whole = of_aval(aval)
        if low < whole.low or high > whole.high:
            return replace(whole, data=x.data)
        return replace(x, low=low, high=high, whole=True, nonzero=x.nonzero and x.whole)
    return replace(x, low=rounded(x.low, aval.dtype), high=rounded(x.high, aval.dtype))


def _clamp(graph: Graph, step: Step, given: list[Range]) -> Range:
    low, x, high = given
    return arithmetic.smallest(arithmetic.largest(x, low), high)


def _iota(graph: Graph, step: Step, given: list[Range]) -> Range:
    axis = names.counted_axis(step.equation.raw)
    return arrays.positions(graph.avals[step.results[0]], axis)


def _logical(graph: Graph, step: Step, given: list[Range]) -> Range | None:
    a, b = given
    if min(a.low, b.low) < 0 or max(a.high, b.high) > 1:
        if step.equation.primitive == "and" and min(a.low, b.low) >= 0:
            return Range(0, min(a.high, b.high), whole=True)
        return None
    if step.equation.primitive == "and":
        return Range(min(a.low, b.low), min(a.high, b.high), whole=True)
    return Range(max(a.low, b.low), max(a.high, b.high), whole=True)


def _place(graph: Graph, step: Step, given: list[Range]) -> Range:
    """Of an argmax or argmin: a place along its axes."""
    node = step.operands[0]
    shape = () if node is None else graph.avals[node].shape
    axes = operations.reduction_axes(step.equation.raw)
    count = prod(shape[axis] for axis in axes) if axes else prod(shape)
    return Range(0, max(count - 1, 0), whole=True)


_BY_NAME: Mapping[str, Transfer] = MappingProxyType(
    {
        "add": _add,
        "add_any": _add,
        "and": _logical,
        "argmax": _place,
        "argmin": _place,
        "clamp": _clamp,
        "conv_general_dilated": _convolution,
        "convert_element_type": _cast,
        "div": _divide,
        "dot_general": _dot,
        "integer_pow": lambda graph, step, given: whole_power(
            given[0], names.exponent(step.equation.raw)
        ),
        "iota": _iota,
        "max": lambda graph, step, given: arithmetic.largest(*given),
        "min": lambda graph, step, given: arithmetic.smallest(*given),
        "mul": _multiply,
        "or": _logical,
        "pow": lambda graph, step, given: arithmetic.power(*given),
        "reduce_and": lambda graph, step, given: given[0].without_hits(),
        "reduce_max": lambda graph, step, given: arrays.extreme(given[0], True),
        "reduce_min": lambda graph, step, given: arrays.extreme(given[0], False),
        "reduce_or": lambda graph, step, given: given[0].without_hits(),
        "reduce_prod": _product_of,
        "reduce_sum": _sum,
        "rem": lambda graph, step, given: arithmetic.remainder(*given),
        "select_n": _select,
        "sub": _subtract,
    }
)


def loop_starts(step: Step) -> Sequence[int | None]:
    """Operands that a while loop returns if it does not run at all, by result."""
    if step.equation.primitive != "while":
        return ()
    view = control.view_while(step.equation.raw)
    return step.operands[view.predicate_constants + view.body_constants :]
