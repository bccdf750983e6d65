"""What the parameters of array operations say: axes, shapes, how far, which rule."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from jax.extend.core import JaxprEqn
from jax.lax import GatherScatterMode


class Convolution(NamedTuple):
    """Axes of a convolution's operands and result, and its groups."""

    batch: int
    """Axis of the batch in the left operand."""
    features: int
    """Axis of the features in the left operand."""
    inputs: int
    """Axis of the kernel that is contracted with the features."""
    result: int
    """Axis of the batch in the result."""
    groups: int


def view_convolution(equation: JaxprEqn) -> Convolution:
    """What a conv_general_dilated contracts."""
    numbers = equation.params["dimension_numbers"]
    groups = equation.params["feature_group_count"]
    groups *= equation.params["batch_group_count"]
    left, kernel, out = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    return Convolution(left[0], left[1], kernel[1], out[0], groups)


class Product(NamedTuple):
    """Axes of a dot_general."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    left_batch: tuple[int, ...]
    right_batch: tuple[int, ...]


def view_product(equation: JaxprEqn) -> Product:
    """Which axes a dot_general sums over and which it pairs."""
    (left, right), (left_batch, right_batch) = equation.params["dimension_numbers"]
    return Product(tuple(left), tuple(right), tuple(left_batch), tuple(right_batch))


class Gather(NamedTuple):
    """What a gather reads."""

    axes: tuple[int, ...]
    """For each number of an index, the axis of the operand."""
    sizes: tuple[int, ...]
    """Of the slice that is read, for each axis of the operand."""
    outside: str
    """What becomes of an index outside: `clamped`, `filled` or `unspecified`."""


def view_gather(equation: JaxprEqn) -> Gather:
    """How a gather indexes its operand."""
    params: Any = equation.params
    mode = GatherScatterMode.from_any(params["mode"])
    fills = mode == GatherScatterMode.FILL_OR_DROP
    clips = mode == GatherScatterMode.CLIP
    outside = "filled" if fills else "clamped" if clips else "unspecified"
    axes = tuple(params["dimension_numbers"].start_index_map)
    return Gather(axes, tuple(params["slice_sizes"]), outside)


def slice_sizes(dynamic_slice: JaxprEqn) -> tuple[int, ...]:
    """Sizes of the slice that a dynamic_slice reads."""
    return tuple(dynamic_slice.params["slice_sizes"])


def permutation(transpose: JaxprEqn) -> tuple[int, ...]:
    """For each axis of the result, the axis of the operand."""
    return tuple(transpose.params["permutation"])


def reduction_axes(equation: JaxprEqn) -> tuple[int, ...]:
    """Axes that a reduction takes away, an argmax or a sum over devices among them."""
    return tuple(equation.params.get("axes", ()))


def dropped_axes(squeeze: JaxprEqn) -> tuple[int, ...]:
    """Axes of length one that a squeeze takes away."""
    return tuple(squeeze.params["dimensions"])


def donated(call: JaxprEqn) -> tuple[bool, ...]:
    """For each operand of a jitted call, whether its memory is given away."""
    return tuple(call.params["donated_invars"])


def offset_axes(gather: JaxprEqn) -> tuple[int, ...]:
    """Axes of a gather's result that lie inside the slices that it reads."""
    return tuple(gather.params["dimension_numbers"].offset_dims)


def output_features(convolution: JaxprEqn) -> int:
    """Axis of the kernel that the result has as its features."""
    return convolution.params["dimension_numbers"].rhs_spec[0]


def _name(item: tuple[str, Any]) -> str:
    return item[0]


def key_of(equation: JaxprEqn) -> Hashable:
    """What an equation does, apart from its operands; None if that cannot be compared.

    An equation with an effect does something else each time.
    """
    if equation.effects:
        return None
    key = (equation.primitive.name, tuple(sorted(equation.params.items(), key=_name)))
    try:
        hash(key)
    except TypeError:
        return None
    return key
