"""An array's error followed back through a program to what made it.

From an array back, always to the operand that brings most of the error, as long as
the error is inherited. All arrays on the way were measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxdebug.checks.precision.plan import Lost
from jaxdebug.programs.graph import Graph, Step, reached
from jaxdebug.programs.places import Place, is_inexact
from jaxdebug.statistics.rounding_tool import PASSIVE

MOST = 0.5**0.5
"""Part of an error that is more than half of its square."""

_SELECTING = frozenset(
    {"clamp", "concatenate", "dynamic_update_slice", "max", "min", "pad", "select_n"}
)
"""Of several operands some elements: an absolute error tells whose."""

_KEEPING = """
    abs convert_element_type cbrt div dynamic_slice gather integer_pow mul reduce_max
    reduce_min rsqrt slice split sqrt square tile
"""
KEEPING = _SELECTING | frozenset(_KEEPING.split())
"""They make no relative error of an element much larger."""


class Passed(NamedTuple):
    """An equation on the way back."""

    step: Step
    place: Place
    lost: Lost
    before: float
    """Relative error of the operand that brings most of it."""
    after: float
    """Relative error of the result, where it matters later."""


@dataclass(frozen=True, eq=False)
class Blame:
    """Follows errors back through one program.

    Attributes:
        graph: the flow of the program.
        places: what rounding did to every array that was measured.
    """

    graph: Graph
    places: Mapping[Place, Lost]

    def trail(self, node: int | None) -> tuple[Passed, ...]:
        """From an array back to the equation that made its error."""
        passed = []
        for each in self.back(node):
            passed.append(each)
            broken = np.isinf(each.lost.error)
            if broken and each.lost.numbers["overflows"] and not np.isinf(each.before):
                break
            if not broken and each.lost.made >= MOST * each.after:
                break
        return tuple(passed)

    def back(self, node: int | None) -> Iterator[Passed]:
        """The equations behind an array, by what brings most of its error."""
        seen: set[int] = set()
        current = self._largest([] if node is None else [node], seen, broken=True)
        carried = 0.0
        while current is not None:
            step, lost = self._made_by(current)
            place = Place(step.address, step.results.index(current))
            seen.add(current)
            broken = np.isinf(lost.error)
            behind = self._brings_most(step, lost, seen)
            before = 0.0 if behind is None else self._made_by(behind)[1].error
            after = lost.error if broken else max(lost.error, carried)
            yield Passed(step, place, lost, before, after)
            # These make no error larger than it is element by element: if it looks
            # larger, it was so before, in the elements that count here.
            keeps = step.equation.primitive in KEEPING and not broken
            carried = after if keeps else 0.0
            current = behind

    def explained(self, node: int | None) -> float:
        """The rounding error of the narrowest dtype that an array is made with."""
        found = [0.0]
        for before in () if node is None else self.graph.before(node):
            aval = self.graph.avals[before]
            if is_inexact(aval):
                found.append(float(jnp.finfo(aval.dtype).eps))
        return max(found)

    def _made_by(self, node: int) -> tuple[Step, Lost]:
        step = self.graph.made_by[node]
        assert step is not None
        return step, self.places[Place(step.address, step.results.index(node))]

    def _brings_most(self, step: Step, lost: Lost, seen: set[int]) -> int | None:
        """The array behind an equation that brings most of its error."""
        nodes = [n for n in step.operands if n is not None]
        numbers = lost.numbers
        if np.isinf(lost.error):
            return self._largest(nodes, seen, broken=True)
        if numbers["first"] or numbers["second"]:
            most = 0 if numbers["first"] >= numbers["second"] else 1
            found = step.operands[most]
            here = self._largest([] if found is None else [found], seen)
            if here is not None:
                return here
        absolute = step.equation.primitive in _SELECTING
        return self._largest(nodes, seen, absolute=absolute)

    def _largest(
        self,
        nodes: list[int],
        seen: set[int],
        *,
        absolute: bool = False,
        broken: bool = False,
    ) -> int | None:
        """The measured array, behind those, that has the largest error."""
        measured = [n for n in self._behind(nodes) if n not in seen]

        def size(node: int) -> tuple[bool, float]:
            lost = self._made_by(node)[1]
            known = lost.typical if absolute else lost.error
            return (broken and lost.numbers["broken"] > 0, known)

        return max(measured, key=size, default=None)

    def _behind(self, nodes: list[int]) -> Iterator[int]:
        """The arrays that were measured last, behind what only hands them on."""

        def before(node: int) -> list[int]:
            if self._is_measured(node):
                return []
            found = [*self.graph.fed_by.get(node, ())]
            step = self.graph.made_by[node]
            if step is not None and not step.opened:
                found += [n for n in step.operands if n is not None]
            return found

        return (node for node in reached(nodes, before) if self._is_measured(node))

    def _is_measured(self, node: int) -> bool:
        step = self.graph.made_by[node]
        if step is None or step.opened or step.equation.primitive in PASSIVE:
            return False
        lost = self.places.get(Place(step.address, step.results.index(node)))
        return lost is not None and lost.numbers["elements"] > 0
