"""Which operands of an equation bring what is not finite to one of its results.

An equation is run again. Every value that is not finite is replaced by a harmless one;
then those of one operand alone are put back. If the result is not finite again, that
operand brings it. If none does, the equation makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.nonfinite.frames import Frame
from jaxdebug.checks.nonfinite.shards import Element, Shards, compiled, lead
from jaxdebug.programs._jax import elements, ir
from jaxdebug.programs.elementwise import ELEMENTWISE
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.primitives import COLLECTIVES, STRICT, UNCHANGED

_POINTWISE = """
    add_any bessel_i0e bessel_i1e complex conj erf_inv igamma igamma_grad_a igammac
    imag polygamma random_gamma_grad real regularized_incomplete_beta
    zeta
"""
POINTWISE = ELEMENTWISE | frozenset(_POINTWISE.split())
"""An element of the result is made of the same element of each operand."""

EFFECTS = frozenset({"io_callback"})
"""What is not run again."""

HARMLESS = (0.5, 1.5)

MOST_TOGETHER = 4
"""Of elements that only together show in a result, so many are followed."""


class Kind(Enum):
    """What is followed: NaN alone, or whatever is not finite."""

    NAN = "nan"
    INFINITE = "inf"

    def held(self, array: np.ndarray) -> np.ndarray:
        """Where an operand holds it."""
        return np.isnan(array) if self is Kind.NAN else np.isinf(array)

    def shows(self, value: Any) -> bool:
        """Whether a result shows it."""
        return bool(np.isnan(value) if self is Kind.NAN else ~np.isfinite(value))


Carrier = tuple[int, Element]
"""Number of an operand, and an element of it."""


class Trial:
    """One equation, run again on other operands, looked at in one element."""

    def __init__(self, frame: Frame, index: int, result: int, element: Element) -> None:
        self.raw = frame.jaxpr.jaxpr.eqns[index]
        self.result = result
        self.name = self.raw.primitive.name
        self.atom = self.raw.outvars[result]
        self.elements = [self._same(frame, a, element) for a in self.raw.invars]
        self.pointwise = self.name in POINTWISE
        self.inexact = [
            number
            for number, atom in enumerate(self.raw.invars)
            if is_inexact(atom.aval) and ir.is_array(atom.aval)
        ]
        # Only collectives need the values of all devices of a shard_map.
        shards = frame.shards if self.name in COLLECTIVES else None
        front = 0 if shards is not None else lead(frame.shards, self.atom.aval)
        self.element = element[front:]
        self.fronts = [
            () if shards is not None else at[: _lead(frame, atom)]
            for at, atom in zip(self.elements, self.raw.invars, strict=True)
        ]
        self.starts: dict[int, Element] = {}
        self.operands = self._parts(frame, frame.operands(index), shards is None)
        self._run = self._runner(frame, shards)

    def _parts(self, frame: Frame, values: Sequence[Any], alone: bool) -> list[Any]:
        """As much of the operands as the element needs."""
        if self.pointwise:
            self.element = ()
            return [
                value if _is_key(value) else np.asarray(value)[at]
                for value, at in zip(values, self.elements, strict=True)
            ]
        own = [
            _host(value)[front] if front else value
            for value, front in zip(values, self.fronts, strict=True)
        ]
        block = elements.block_for(self.raw, self.element) if alone else None
        if block is not None:
            self.element = block.element
            self.starts = {
                number: tuple(part.start or 0 for part in parts)
                for number, parts in enumerate(block.operands)
            }
            pairs = zip(own, block.operands, strict=True)
            own = [_host(value)[parts] for value, parts in pairs]
        return [_host(v) if n in self.inexact else v for n, v in enumerate(own)]

    def moved(self) -> Carrier | None:
        """The element that the equation only moves to here, if it is such a one."""
        found = elements.moved_from(self.raw, self.result, self.element)
        if found is None or self.name in COLLECTIVES:
            return None
        return found[0], (*self.fronts[found[0]], *found[1])

    def _same(self, frame: Frame, atom: Any, element: Element) -> Element:
        """The same element of an operand, which may be one number for all."""
        index = frame.at(atom, element, self.atom.aval).element
        front = _lead(frame, atom)
        aval: Any = atom.aval
        shape = aval.shape
        if not shape:
            return index[:front]
        # An axis of length one stands for all.
        own = zip(index[front:], shape, strict=False)
        return (*index[:front], *(0 if n == 1 else at for at, n in own))

    def _runner(
        self, frame: Frame, shards: Shards | None
    ) -> Callable[[Sequence[Any]], list[Any]]:
        raw = self.raw
        if self.pointwise:
            return lambda operands: ir.bind_scalars(raw, operands)
        if shards is None:
            return lambda operands: ir.bind(raw, operands)
        variables = [
            n for n, a in enumerate(raw.invars) if not isinstance(a, ir.Literal)
        ]

        def function(*values: Any) -> list[Any]:
            every = [
                ir.literal_value(a) if isinstance(a, ir.Literal) else None
                for a in raw.invars
            ]
            for number, value in zip(variables, values, strict=True):
                every[number] = value
            return ir.bind(raw, every)

        run = frame.opened.get(("run", id(raw)))
        if run is None:
            run = compiled(
                function,
                [raw.invars[n].aval for n in variables],
                [var.aval for var in raw.outvars],
                shards,
            )
            frame.opened["run", id(raw)] = run
        return lambda operands: run(*(operands[n] for n in variables))

    def value(self, operands: Sequence[Any]) -> Any:
        """The element of the result on these operands."""
        return np.asarray(self._run(operands)[self.result])[self.element]

    def carriers(self, kind: Kind) -> list[Carrier]:
        """The operands, each with an element, that bring it to the result's."""
        moved = self.moved()
        if moved is not None:
            return [moved]
        held = {n: kind.held(self.operands[n]) for n in self.inexact}
        bearing = [n for n, mask in held.items() if mask.any()]
        if not bearing:
            return []
        if self.name in UNCHANGED:
            return [(self.result, self.elements[self.result])]
        strict = kind is Kind.NAN and self.name in STRICT
        if self.name in EFFECTS or (strict and (self.pointwise or self.starts)):
            return [(n, self.element_of(n, int(held[n].argmax()))) for n in bearing]
        background = self.background(kind)
        if background is None:
            return []
        found = []
        for number in bearing:
            places = np.flatnonzero(held[number])
            for place in self._that_show(background, number, places, kind):
                found.append((number, self.element_of(number, place)))
        if not found and self._together(background, held, kind):
            # The largest of several that are all minus infinity.
            found = [(n, self.element_of(n, int(held[n].argmax()))) for n in bearing]
        return found

    def _together(
        self, background: Sequence[Any], held: dict[int, np.ndarray], kind: Kind
    ) -> bool:
        """Whether what all operands hold, put back at once, shows in the result."""
        every = {number: np.flatnonzero(mask) for number, mask in held.items()}
        return kind.shows(self.value(self.put_back(background, every)))

    def element_of(self, number: int, flat: int) -> Element:
        """An element of an operand, from its number in the operands looked at."""
        if self.pointwise:
            return self.elements[number]
        own = np.unravel_index(flat, self.operands[number].shape)
        starts = self.starts.get(number, (0,) * len(own))
        inside = (start + int(at) for start, at in zip(starts, own, strict=True))
        return (*self.fronts[number], *inside)

    def background(self, kind: Kind) -> list[Any] | None:
        """Finite operands on which the result is as it should be."""
        for operands in self.harmless():
            if not kind.shows(self.value(operands)):
                return operands
        return None

    def harmless(self) -> Iterator[list[Any]]:
        """Operands with harmless values, first only where they are not finite."""
        finite = {n: np.isfinite(self.operands[n]) for n in self.inexact}
        for fill in HARMLESS:
            yield self._replaced(
                {n: np.where(finite[n], self.operands[n], fill) for n in self.inexact}
            )
        yield self._replaced(
            {n: _identities(self.operands[n], finite[n]) for n in self.inexact}
        )
        broken = [n for n in self.inexact if not finite[n].all()]
        for numbers in (broken, self.inexact):
            nowhere = {n: np.zeros_like(finite[n]) for n in numbers}
            yield self._replaced(
                {n: _identities(self.operands[n], nowhere[n]) for n in numbers}
            )

    def _replaced(self, changed: dict[int, np.ndarray]) -> list[Any]:
        return [
            changed[n].astype(value.dtype) if n in changed else value
            for n, value in enumerate(self.operands)
        ]

    def _that_show(
        self, background: Sequence[Any], number: int, places: np.ndarray, kind: Kind
    ) -> list[int]:
        """The first element that brings it to the result, or some that do together."""

        def shows(chosen: Any) -> bool:
            return kind.shows(self.value(self.put_back(background, {number: chosen})))

        low, high = 1, len(places)
        if not shows(places):
            return []
        while low < high:
            middle = (low + high) // 2
            if shows(places[:middle]):
                high = middle
            else:
                low = middle + 1
        some = {*range(high - 1, -1, -max(high // MOST_TOGETHER, 1))}
        if high > 1 and not shows(places[high - 1]):
            return [int(places[each]) for each in sorted(some)]
        return [int(places[high - 1])]

    def put_back(
        self, background: Sequence[Any], chosen: Mapping[int, Any]
    ) -> list[Any]:
        """Other operands, with some elements as they really are.

        Args:
            background: the operands.
            chosen: by number of the operand, elements as numbers in the flat array.
        """
        operands = [*background]
        for number, places in chosen.items():
            operand = background[number].copy().reshape(-1)
            operand[places] = self.operands[number].reshape(-1)[places]
            operands[number] = operand.reshape(background[number].shape)
        return operands


def _identities(array: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Identity matrices where a matrix holds something that is not to be kept."""
    if array.ndim < 2:
        return np.where(kept, array, HARMLESS[0])
    whole = kept.all((-2, -1), keepdims=True)
    return np.where(whole, array, np.eye(*array.shape[-2:]))


def _lead(frame: Frame, atom: Any) -> int:
    """How many axes of an operand say whose it is."""
    return 0 if isinstance(atom, ir.Literal) else lead(frame.shards, atom.aval)


def _host(value: Any) -> Any:
    return value if _is_key(value) else np.asarray(value)


def _is_key(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.extended)
