"""Which axes of a program's arrays count the examples of a batch.

The batch is followed from the inputs through every operation that keeps it apart, also
where it is one digit of a longer axis, as in (batch * time, features).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod
from typing import Any, NamedTuple

from jaxdebug.programs._jax import names, operations
from jaxdebug.programs.graph import Graph, Step


class Digit(NamedTuple):
    """The batch among the numbers of an axis."""

    axis: int
    inner: int = 1
    """How many numbers of the axis belong to each example, in a row."""


Digits = frozenset[Digit]
NONE: Digits = frozenset()

_SHAPELESS = frozenset({"iota", "random_bits", "threefry2x32", "rng_bit_generator"})
_REDUCTIONS = ("reduce_", "argmax", "argmin")


class BatchAxes:
    """The batch axes of every node of a graph.

    Args:
        graph: the flow of a program.
        inputs: flat inputs whose first axis is the batch.
        size: of the batch.
    """

    def __init__(self, graph: Graph, inputs: Collection[int], size: int) -> None:
        self.graph, self.size = graph, size
        self.mixing: list[Step] = []
        """Reshapes that put parts of several examples together."""
        start = frozenset({Digit(0)})
        self.found: dict[int, Digits] = {graph.inputs[i]: start for i in inputs}
        for step in graph.steps:
            given = [NONE if n is None else self[n] for n in step.operands]
            if not step.opened:
                self._follow(step, given)

    def __getitem__(self, node: int) -> Digits:
        if node not in self.found:
            self.found[node] = NONE  # for what a loop feeds back into itself
            sources = self.graph.fed_by.get(node, ())
            entered = self.graph.entered.get(node)
            if entered is not None:
                sources = () if entered[1] is None else (entered[1],)
            every = (self._passed(self[s], s, node) for s in sources)
            self.found[node] = frozenset().union(*every)
        return self.found[node]

    def whole(self, node: int) -> tuple[int, ...]:
        """Axes of an array that are the batch and nothing else."""
        shape = self.graph.avals[node].shape
        return tuple(
            sorted(
                digit.axis
                for digit in self[node]
                if digit.inner == 1 and shape[digit.axis] == self.size
            )
        )

    def _passed(self, digits: Digits, source: int, node: int) -> Digits:
        """Digits of what goes into a scan or comes out: its rows have an axis less."""
        before, after = (len(_shape(self.graph, n)) for n in (source, node))
        if before == after + 1:
            return frozenset(d._replace(axis=d.axis - 1) for d in digits if d.axis)
        if before + 1 == after:
            return frozenset(d._replace(axis=d.axis + 1) for d in digits)
        return digits

    def _follow(self, step: Step, given: Sequence[Digits]) -> None:
        if not any(given):
            return
        name = step.equation.primitive
        for node in step.results:
            shape = getattr(self.graph.avals[node], "shape", ())
            self.found[node] = self._made(step, name, given, shape)

    def _made(
        self, step: Step, name: str, given: Sequence[Digits], shape: Sequence[int]
    ) -> Digits:
        raw = step.equation.raw
        first = given[0]
        if name in _SHAPELESS:
            return NONE
        if name == "reshape":
            return self._reshaped(step, first, shape)
        if name == "transpose":
            order = operations.permutation(raw)
            return frozenset(d._replace(axis=order.index(d.axis)) for d in first)
        if name == "broadcast_in_dim":
            axes = names.broadcast_axes(raw)
            return frozenset(d._replace(axis=axes[d.axis]) for d in first)
        if name == "squeeze":
            return _without(first, operations.dropped_axes(raw))
        if name.startswith(_REDUCTIONS):
            if name.startswith("reduce_window") or name == "reduce_precision":
                return self._kept(step, given, shape)
            return _without(first, operations.reduction_axes(raw))
        if name == "dot_general":
            return _of_product(operations.view_product(raw), step, self.graph, given)
        if name == "conv_general_dilated":
            view = operations.view_convolution(raw)
            digits = (d for d in first if d.axis == view.batch)
            return frozenset(d._replace(axis=view.result) for d in digits)
        if name == "gather":
            return _of_gather(raw, given[1]) or self._kept(step, given[:1], shape)
        return self._kept(step, given, shape)

    def _kept(
        self, step: Step, given: Sequence[Digits], shape: Sequence[int]
    ) -> Digits:
        """Of what leaves axes in their place."""
        found: set[Digit] = set()
        for node, digits in zip(step.operands, given, strict=False):
            own = () if node is None else self.graph.avals[node].shape
            if len(own) == len(shape):
                found |= {d for d in digits if own[d.axis] == shape[d.axis]}
        return frozenset(found)

    def _reshaped(self, step: Step, digits: Digits, new: Sequence[int]) -> Digits:
        node = step.operands[0]
        old = () if node is None else self.graph.avals[node].shape
        strides = [prod(new[axis + 1 :]) for axis in range(len(new))]
        found: set[Digit] = set()
        for digit in digits:
            low = prod(old[digit.axis + 1 :]) * digit.inner
            high = low * self.size
            ends = [
                stride * length
                for stride, length in zip(strides, new, strict=True)
                if length == self.size and low < stride < high
            ]
            aligned = all(_is_aligned(stride, low, high) for stride in strides)
            # As long as the batch, and made of a part of it and of another axis.
            if not aligned or any(end > high for end in ends):
                self.mixing.append(step)
                continue
            for axis, stride in enumerate(strides):
                if stride <= low and high <= stride * new[axis]:
                    found.add(Digit(axis, low // stride))
                    break
        self._note_cut(step, digits, found, old, new)
        return frozenset(found)

    def _note_cut(
        self,
        step: Step,
        digits: Digits,
        found: Collection[Digit],
        old: Sequence[int],
        new: Sequence[int],
    ) -> None:
        """Note a reshape to the shape of a transposed array: it moves nothing.

        The batch is then one with a part of another axis, of which the new axis has
        the length.
        """
        whole = {prod(old[axis:]) for axis in range(len(old) + 1)}
        for digit in digits:
            others = (old[: digit.axis], old[digit.axis + 1 :])
            lengths = {
                prod(run[start:end])
                for run in others
                for start in range(len(run))
                for end in range(start + 1, len(run) + 1)
            }
            if digit.inner != 1 or old[digit.axis] != self.size:
                continue
            for now in found:
                cut = prod(new[now.axis + 1 :]) not in whole
                if now.inner > 1 and cut and new[now.axis] in lengths:
                    self.mixing.append(step)
                    return


def _shape(graph: Graph, node: int) -> tuple[int, ...]:
    return getattr(graph.avals[node], "shape", ())


def _is_aligned(stride: int, low: int, high: int) -> bool:
    """Whether an axis of a stride cuts no example in pieces of unequal place."""
    if stride <= low:
        return low % stride == 0
    if stride < high:
        return stride % low == 0 and high % stride == 0
    return stride % high == 0


def _without(digits: Digits, axes: Sequence[int]) -> Digits:
    return frozenset(
        d._replace(axis=d.axis - sum(axis < d.axis for axis in axes))
        for d in digits
        if d.axis not in axes
    )


def _of_product(
    view: operations.Product, step: Step, graph: Graph, given: Sequence[Digits]
) -> Digits:
    """Of a product: paired axes first, then what is left of both operands."""
    found: set[Digit] = set()
    place = len(view.left_batch)
    sides = (
        (view.left, view.left_batch, given[0], step.operands[0]),
        (view.right, view.right_batch, given[1], step.operands[1]),
    )
    for summed, paired, digits, node in sides:
        rank = 0 if node is None else len(graph.avals[node].shape)
        free = [a for a in range(rank) if a not in summed and a not in paired]
        for digit in digits:
            if digit.axis in paired:
                found.add(digit._replace(axis=paired.index(digit.axis)))
            elif digit.axis in free:
                found.add(digit._replace(axis=place + free.index(digit.axis)))
        place += len(free)
    return frozenset(found)


def _of_gather(raw: Any, digits: Digits) -> Digits:
    """Of rows that are looked up: the axes of the indices."""
    offsets = operations.offset_axes(raw)
    rank = len(raw.outvars[0].aval.shape)
    free = [axis for axis in range(rank) if axis not in offsets]
    return frozenset(
        d._replace(axis=free[d.axis]) for d in digits if d.axis < len(free)
    )
