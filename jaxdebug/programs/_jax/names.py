"""What an equation's parameters call things: functions, axes."""

from __future__ import annotations

from typing import Any

from jax.extend.core import JaxprEqn

from jaxdebug.programs._jax.ir import nested_jaxprs


def function_name(equation: JaxprEqn) -> str | None:
    """Name of the function that an equation calls, where JAX keeps one.

    A function with a derivative rule has none of its own; the jitted function in
    it, or around it, has.
    """
    name = equation.params.get("name")
    if isinstance(name, str):
        return name
    for body in nested_jaxprs(equation):
        for inner in body.jaxpr.eqns:
            if (found := function_name(inner)) is not None:
                return found
    return None


def channel_axis(convolution: JaxprEqn) -> int:
    """Axis of the channels in the result of a convolution."""
    return convolution.params["dimension_numbers"].out_spec[1]


def image_axes(convolution: JaxprEqn) -> tuple[int, ...]:
    """Axes of the batch, of each spatial axis and of the channels, in the result."""
    batch, channel, *spatial = convolution.params["dimension_numbers"].out_spec
    return (batch, *spatial, channel)


def reduced_axes(reduction: JaxprEqn) -> tuple[int, ...]:
    """Axes that a reduction adds up."""
    return tuple(reduction.params["axes"])


def looks_up_rows(gather: JaxprEqn) -> bool:
    """Whether a gather reads whole slices along the first axis of its operand.

    The first number of each index is then the row. A slice under vmap has the starts
    of the other axes beside it, which can only be zero.
    """
    numbers = gather.params["dimension_numbers"]
    aval: Any = gather.invars[0].aval
    starts = tuple(numbers.start_index_map)
    return (
        starts == tuple(range(len(starts)))
        and tuple(numbers.collapsed_slice_dims) in ((0,), ())
        and not numbers.operand_batching_dims
        and tuple(gather.params["slice_sizes"]) == (1, *aval.shape[1:])
    )


def contracted_axes(product: JaxprEqn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Axes of the two operands that a `dot_general` without batches sums over."""
    (left, right), batches = product.params["dimension_numbers"]
    return ((), ()) if any(batches) else (tuple(left), tuple(right))


def counted_axis(iota: JaxprEqn) -> int:
    """The axis along which an iota counts."""
    return iota.params["dimension"]


def broadcast_axes(broadcast: JaxprEqn) -> tuple[int, ...]:
    """For each axis of the operand, the axis of the result."""
    return tuple(broadcast.params["broadcast_dimensions"])


def chosen_axis(top_k: JaxprEqn) -> int:
    """Axis along which the largest elements are chosen."""
    last = top_k.params.get("reduction_dimension", -1)
    return top_k.params.get("axis", last)


def exponent(power: JaxprEqn) -> int:
    """To which whole number an integer_pow raises its operand."""
    return power.params["y"]
