"""Loops run again, one iteration after the other, as far as somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxdebug.checks.nonfinite.frames import (
    Frame,
    Position,
    Source,
    filled,
    made_avals,
    run_all,
)
from jaxdebug.checks.nonfinite.shards import Element, compiled, lead
from jaxdebug.programs._jax import control, ir

MOST_BYTES = 2**28
"""Of carries that are kept; of a longer loop only every so manieth one is."""

MOST_FRAMES = 8
"""Iterations whose values are kept: the search goes from one to the one before."""


class Loop:
    """A scan or while: what each iteration starts with, and a frame of each."""

    def __init__(self, frame: Frame, index: int) -> None:
        self.frame = frame
        self.index = index
        self.raw = frame.jaxpr.jaxpr.eqns[index]
        operands = frame.operands(index)
        if self.raw.primitive.name == "scan":
            view = control.view_scan(self.raw)
            self.body = view.body
            self.tests: list[Any] = []
            self.predicate = None
            self.length: int | None = view.length
            self.reverse = view.reverse
            first, count = view.constants, view.carry
        else:
            loop = control.view_while(self.raw)
            self.body = loop.body
            self.tests = operands[: loop.predicate_constants]
            self.predicate = loop.predicate
            self.length, self.reverse = None, False
            first = loop.predicate_constants + loop.body_constants
            count = len(operands) - first
        self.skipped = len(self.tests)
        self.constants = operands[self.skipped : first]
        self.rows = operands[first + count :]
        self.carried = count
        self.kept: dict[int, list[Any]] = {0: operands[first : first + count]}
        self.stride = 1
        self.frames: dict[int, Frame] = {}
        """Of the iterations that were asked for last."""
        self.goes: list[np.ndarray] = []
        """Of a while: at each iteration, whose elements took part in it."""

    def source(self, result: int, element: Element) -> Position:
        """What became an element of one of the results of the loop."""
        atom = self.raw.outvars[result]
        if result < self.carried:
            last = self._last(atom, element)
            if last == 0:
                return self._outside(len(self.constants) + result, element, atom.aval)
            return self._inside(last - 1, result, element, atom.aval)
        front = lead(self.frame.shards, atom.aval)
        row = element[front]
        rest = (*element[:front], *element[front + 1 :])
        body = self.body.jaxpr.outvars[result]
        like = getattr(body, "aval", None)
        return self._inside(self._when(row), result, rest, like)

    def _when(self, row: int) -> int:
        """The iteration that reads and makes a row."""
        assert self.length is not None
        return self.length - 1 - row if self.reverse else row

    def _outside(self, operand: int, element: Element, like: Any) -> Position:
        atom = self.raw.invars[self.skipped + operand]
        return self.frame.at(atom, element, like)

    def _inside(self, count: int, output: int, element: Element, like: Any) -> Position:
        inner = self.iteration(count)
        return inner.at(self.body.jaxpr.outvars[output], element, like)

    def iteration(self, count: int) -> Frame:
        """Everything that one iteration made."""
        if count in self.frames:
            return self.frames[count]
        row = self._when(count) if self.length is not None else count
        inputs = [*self.constants, *self.carry(count), *self._row(count)]

        def enter(position: int, element: Element) -> Source:
            aval = self.body.jaxpr.invars[position].aval
            start = len(self.constants)
            if position < start:
                return self._outside(position, element, aval)
            if position < start + self.carried:
                if count == 0:
                    return self._outside(position, element, aval)
                return self._inside(count - 1, position - start, element, aval)
            front = lead(self.frame.shards, aval)
            whole = (*element[:front], row, *element[front:])
            return self._outside(position, whole, aval)

        frame = Frame(
            self.body,
            self.frame.equation(self.index).inside(0),
            inputs,
            enter,
            self.frame.shards,
            (*self.frame.iteration, row),
            self.frame.branch,
            (*self.frame.order, self.index, count),
        )
        while len(self.frames) >= MOST_FRAMES:
            del self.frames[next(iter(self.frames))]
        self.frames[count] = filled(frame, self._all(*inputs))
        return frame

    def carry(self, count: int) -> list[Any]:
        """What an iteration starts with."""
        start = max(kept for kept in self.kept if kept <= count)
        carry = self.kept[start]
        for done in range(start, count):
            carry, _ = self._step(done, carry)
            self._keep(done + 1, carry)
        return carry

    def _last(self, atom: Any, element: Element) -> int:
        """How many iterations an element of the carry took part in."""
        if self.length is not None:
            return self.length
        self._run_to_the_end()
        return sum(bool(self._goes(goes, atom, element)) for goes in self.goes)

    def _goes(self, goes: np.ndarray, atom: Any, element: Element) -> Any:
        if goes.ndim == 0:
            return goes
        assert self.predicate is not None
        aval: Any = self.predicate.out_avals[0]
        shards = self.frame.shards
        front = lead(shards, atom.aval)
        index = element if shards is None else shards.moved(element, atom.aval, aval)
        del front
        return goes[index[: goes.ndim]]

    def _run_to_the_end(self) -> None:
        if self.goes and not self.goes[-1].any():
            return
        count, carry = 0, self.kept[0]
        while True:
            advanced, goes = self._step(count, carry)
            self.goes.append(np.asarray(goes))
            if not self.goes[-1].any():
                return
            carry, count = advanced, count + 1
            self._keep(count, carry)

    def _keep(self, count: int, carry: list[Any]) -> None:
        if count % self.stride:
            return
        self.kept[count] = carry
        each = sum(getattr(value, "nbytes", 0) for value in carry)
        if each * len(self.kept) > MOST_BYTES and len(self.kept) > 16:
            self.stride *= 2
            self.kept = {c: v for c, v in self.kept.items() if c % self.stride == 0}

    def _row(self, count: int) -> list[Any]:
        if self.length is None:
            return []
        row = self._when(count)
        start = len(self.constants) + self.carried
        avals = [var.aval for var in self.body.jaxpr.invars[start:]]
        # Not a constant: each row would be compiled for itself.
        at = np.int32(row)
        pairs = zip(self.rows, avals, strict=True)
        return [
            lax.dynamic_index_in_dim(rows, at, lead(self.frame.shards, aval), False)
            for rows, aval in pairs
        ]

    def _step(self, count: int, carry: Sequence[Any]) -> tuple[list[Any], Any]:
        """The next carry, and of a while, which elements take part."""
        if self.predicate is None:
            values = [*self.constants, *carry, *self._row(count)]
            return self._advance(*values), None
        *carry, goes = self._advance(*self.tests, *self.constants, *carry)
        return carry, goes

    @cached_property
    def _all(self) -> Any:
        """Every value of an iteration."""
        return compiled(
            lambda *inputs: run_all(self.body, inputs)[1],
            self.body.in_avals,
            [*made_avals(self.body)],
            self.frame.shards,
        )

    @cached_property
    def _advance(self) -> Any:
        body, predicate = self.body, self.predicate
        if predicate is None:
            return compiled(
                lambda *inputs: ir.evaluate(body, inputs)[: self.carried],
                body.in_avals,
                body.out_avals[: self.carried],
                self.frame.shards,
                often=True,
            )
        tests = len(self.tests)

        def function(*inputs: Any) -> list[Any]:
            fixed, carry = inputs[tests : -self.carried], inputs[-self.carried :]
            (goes,) = ir.evaluate(predicate, [*inputs[:tests], *carry])
            new = ir.evaluate(body, [*fixed, *carry])
            pairs = zip(new, carry, strict=True)
            return [*(_chosen(goes, a, b) for a, b in pairs), goes]

        return compiled(
            function,
            [*predicate.in_avals[:tests], *body.in_avals],
            [*body.out_avals, *predicate.out_avals],
            self.frame.shards,
            often=True,
        )


def _chosen(goes: Any, new: Any, old: Any) -> Any:
    """The new value of the elements that take part in an iteration."""
    if jax.dtypes.issubdtype(new.dtype, jax.dtypes.extended):
        return new
    wide = jnp.reshape(goes, goes.shape + (1,) * (new.ndim - goes.ndim))
    return jnp.where(wide, new, old)
