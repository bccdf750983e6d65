"""Which elements of its operands an equation makes one element of a result of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import JaxprEqn

Element = tuple[int, ...]


class Block(NamedTuple):
    """Parts of the operands that are enough for one element of a result."""

    operands: tuple[tuple[slice, ...], ...]
    """Of each operand; every axis is kept, some only as long as one."""
    element: Element
    """Of the result of these parts."""


def moved_from(
    equation: JaxprEqn, result: int, element: Element
) -> tuple[int, Element] | None:
    """The element of an operand that an equation only moves to where it is asked for.

    Args:
        equation: any.
        result: which of its results.
        element: of that result.

    Returns:
        The number of the operand and the element; None if it is no such equation.
    """
    move = _MOVES.get(equation.primitive.name)
    return None if move is None else move(equation, result, element)


def block_for(equation: JaxprEqn, element: Element) -> Block | None:
    """The parts of the operands that are enough; None if it may need all of them."""
    narrow = _NARROWED.get(equation.primitive.name)
    if narrow is None or equation.params.get("out_sharding") is not None:
        return None
    return narrow(equation, element)


def _shape(equation: JaxprEqn, operand: int = 0) -> tuple[int, ...]:
    aval: Any = equation.invars[operand].aval
    return aval.shape


def _broadcast(equation: JaxprEqn, _: int, element: Element) -> tuple[int, Element]:
    axes = equation.params["broadcast_dimensions"]
    lengths = _shape(equation)
    pairs = zip(axes, lengths, strict=True)
    return 0, tuple(0 if n == 1 else element[axis] for axis, n in pairs)


def _reshape(
    equation: JaxprEqn, _: int, element: Element
) -> tuple[int, Element] | None:
    if equation.params.get("dimensions") is not None:
        return None
    out: Any = equation.outvars[0].aval
    flat = int(np.ravel_multi_index(element, out.shape)) if element else 0
    return 0, tuple(map(int, np.unravel_index(flat, _shape(equation))))


def _transpose(equation: JaxprEqn, _: int, element: Element) -> tuple[int, Element]:
    found = [0] * len(element)
    for place, axis in zip(element, equation.params["permutation"], strict=True):
        found[axis] = place
    return 0, tuple(found)


def _squeeze(equation: JaxprEqn, _: int, element: Element) -> tuple[int, Element]:
    removed = equation.params["dimensions"]
    own = iter(element)
    return 0, tuple(
        0 if axis in removed else next(own) for axis in range(len(_shape(equation)))
    )


def _reverse(equation: JaxprEqn, _: int, element: Element) -> tuple[int, Element]:
    turned = equation.params["dimensions"]
    return 0, tuple(
        length - 1 - place if axis in turned else place
        for axis, (place, length) in enumerate(
            zip(element, _shape(equation), strict=True)
        )
    )


def _slice(equation: JaxprEqn, _: int, element: Element) -> tuple[int, Element]:
    starts = equation.params["start_indices"]
    strides = equation.params["strides"] or (1,) * len(starts)
    every = zip(starts, strides, element, strict=True)
    return 0, tuple(start + stride * place for start, stride, place in every)


def _concatenate(equation: JaxprEqn, _: int, element: Element) -> tuple[int, Element]:
    axis = equation.params["dimension"]
    place, operand = element[axis], 0
    while place >= _shape(equation, operand)[axis]:
        place -= _shape(equation, operand)[axis]
        operand += 1
    return operand, (*element[:axis], place, *element[axis + 1 :])


def _split(equation: JaxprEqn, result: int, element: Element) -> tuple[int, Element]:
    axis = equation.params["axis"]
    start = sum(equation.params["sizes"][:result])
    return 0, (*element[:axis], element[axis] + start, *element[axis + 1 :])


_Move = Callable[[JaxprEqn, int, Element], tuple[int, Element] | None]
_MOVES: dict[str, _Move] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "reshape": _reshape,
    "rev": _reverse,
    "slice": _slice,
    "split": _split,
    "squeeze": _squeeze,
    "transpose": _transpose,
}


def _one(place: int) -> slice:
    return slice(place, place + 1)


_WHOLE = slice(None)


def _reduction(equation: JaxprEqn, element: Element) -> Block:
    axes = equation.params["axes"]
    own = iter(element)
    block = tuple(
        _WHOLE if axis in axes else _one(next(own))
        for axis in range(len(_shape(equation)))
    )
    return Block((block,), (0,) * len(element))


def _along(name: str) -> Callable[[JaxprEqn, Element], Block]:
    """Of equations that mix elements along one axis, of operands of one shape."""

    def narrow(equation: JaxprEqn, element: Element) -> Block:
        mixed = equation.params[name]
        block = tuple(
            _WHOLE if axis == mixed else _one(place)
            for axis, place in enumerate(element)
        )
        kept = tuple(p if axis == mixed else 0 for axis, p in enumerate(element))
        return Block((block,) * len(equation.invars), kept)

    return narrow


def _product(equation: JaxprEqn, element: Element) -> Block:
    contracted, batches = equation.params["dimension_numbers"]
    count = len(batches[0])
    rest = iter(element[count:])
    blocks = []
    for side in (0, 1):
        block = []
        for axis in range(len(_shape(equation, side))):
            if axis in contracted[side]:
                block.append(_WHOLE)
            elif axis in batches[side]:
                block.append(_one(element[batches[side].index(axis)]))
            else:
                block.append(_one(next(rest)))
        blocks.append(tuple(block))
    return Block(tuple(blocks), (0,) * len(element))


def _convolution(equation: JaxprEqn, element: Element) -> Block | None:
    params = equation.params
    if params["feature_group_count"] != 1 or params["batch_group_count"] != 1:
        return None
    numbers = params["dimension_numbers"]
    kept = list(element)
    blocks = []
    # The first axis of each spec is the one that is not summed over.
    for side, spec, axis in (
        (0, numbers.lhs_spec, numbers.out_spec[0]),
        (1, numbers.rhs_spec, numbers.out_spec[1]),
    ):
        block = [_WHOLE] * len(_shape(equation, side))
        block[spec[0]] = _one(element[axis])
        kept[axis] = 0
        blocks.append(tuple(block))
    return Block(tuple(blocks), tuple(kept))


_NARROWED: dict[str, Callable[[JaxprEqn, Element], Block | None]] = {
    "conv_general_dilated": _convolution,
    "cumlogsumexp": _along("axis"),
    "cummax": _along("axis"),
    "cummin": _along("axis"),
    "cumprod": _along("axis"),
    "cumsum": _along("axis"),
    "dot_general": _product,
    "reduce_max": _reduction,
    "reduce_min": _reduction,
    "reduce_prod": _reduction,
    "reduce_sum": _reduction,
    "sort": _along("dimension"),
}
