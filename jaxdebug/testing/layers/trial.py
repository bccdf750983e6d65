"""Trying the properties of a layer on inputs, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax

from jaxdebug.programs._jax.compiling import quick_options
from jaxdebug.reports import Verdict
from jaxdebug.testing.layers.again import Again
from jaxdebug.testing.layers.draw import Draw, off_the_start
from jaxdebug.testing.layers.gap import Undecided
from jaxdebug.testing.layers.layer import Layer, Variables
from jaxdebug.testing.layers.program import Answer, Measured
from jaxdebug.testing.layers.property import Property, Setting
from jaxdebug.testing.layers.report import PropertyResult
from jaxdebug.testing.layers.rows import count_rows
from jaxdebug.testing.layers.shown import shown, shown_shapes

BY_HOST = 4
"""On how many inputs of a shape a property is tried that runs programs of its own."""


class Drawn(NamedTuple):
    """What Hypothesis chose."""

    args: tuple[Any, ...]
    others: tuple[Any, ...]
    number: int
    """Of the parameters and the key."""


class Simplest(NamedTuple):
    """What is simplest of all at which a property was seen to fail."""

    drawn: Drawn
    alone: bool
    """Whether it fails with the inputs alone: others are made of them."""


class Shape:
    """What was compiled for inputs of one shape."""

    def __init__(
        self,
        layer: Layer,
        properties: Sequence[Property],
        setting: Setting,
        start: Variables,
    ) -> None:
        self.start = start
        self.why_not = {one.name: one.why_not(setting) for one in properties}
        asked = [one for one in properties if not self.why_not[one.name]]
        pairs = [one for one in asked if one.pair is not None]
        self.measured = Measured(layer, pairs, setting)
        self.hosts = {
            one.name: one.host(layer, setting) for one in asked if one.host is not None
        }
        self.tried = dict.fromkeys(self.hosts, 0)


class Trial:
    """A layer that is tried.

    Args:
        layer: the layer.
        properties: to try.
        batched: whether the first axis of inputs counts examples.
        declared: names of properties that it is declared to have.
        domain: of the inputs.
        seed: of the parameters.
    """

    def __init__(
        self,
        layer: Layer,
        properties: Sequence[Property],
        batched: bool,
        declared: frozenset[str],
        domain: tuple[float, float] | None,
        seed: int,
    ) -> None:
        self.layer, self.properties = layer, properties
        self.batched, self.declared, self.domain = batched, declared, domain
        self.key = jax.random.key(seed)
        self.shapes: dict[Any, Shape] = {}
        self.examples = dict.fromkeys((one.name for one in properties), 0)
        self.held = dict.fromkeys(self.examples, 0)
        self.failed: dict[str, tuple[str, Drawn]] = {}
        self.undecided: dict[str, str] = {}

    def look(self, drawn: Drawn) -> None:
        """Try all properties, and note what is wrong."""
        shape = self._shape(drawn)
        draw = self._draw(shape, drawn)
        look = shape.measured.looking(draw)
        for name, check in shape.hosts.items():
            if shape.tried[name] < self._most(name, shape):
                shape.tried[name] += 1
                try:
                    self._note(name, check(draw, lambda: look()[1]), drawn)
                except Undecided as error:
                    self._note(name, error, drawn)
        for name, wrong in look()[0].items():
            self._note(name, wrong, drawn)

    def _most(self, name: str, shape: Shape) -> int:
        """How often a property is tried that runs programs of its own."""
        if name != "gradients":
            return BY_HOST
        # The two programs of a gradient check are compiled for one shape only.
        return 2 * BY_HOST if shape is next(iter(self.shapes.values())) else 0

    def wrong(self, name: str, drawn: Drawn) -> str:
        """What is wrong with one property; empty if nothing is."""
        shape = self._shape(drawn)
        said, _ = shape.measured.look(self._draw(shape, drawn))
        wrong = said.get(name, "")
        return wrong if isinstance(wrong, str) else ""

    def _note(self, name: str, wrong: Answer, drawn: Drawn) -> None:
        self.examples[name] += 1
        if isinstance(wrong, Undecided):
            self.undecided[name] = str(wrong)
        elif not wrong:
            self.held[name] += 1
        elif name not in self.failed:
            self.failed[name] = wrong, drawn

    def _draw(self, shape: Shape, drawn: Drawn) -> Draw:
        params = _moved(drawn.number, shape.start.params)
        variables = shape.start._replace(params=params)
        if self.layer.state_of is not None:
            variables = variables._replace(state=self.layer.state_of(params))
        keys = jax.random.split(jax.random.fold_in(self.key, drawn.number))
        return Draw(variables, keys[0], keys[1], drawn.args, drawn.others)

    def _shape(self, drawn: Drawn) -> Shape:
        avals = tuple(map(jax.typeof, jax.tree.leaves(drawn.args)))
        key = jax.tree.structure(drawn.args), avals
        if key not in self.shapes:
            self.shapes[key] = self._new(drawn)
        return self.shapes[key]

    def _new(self, drawn: Drawn) -> Shape:
        with _naming(self.layer, drawn.args):
            start = self._start(drawn.args)
        variables, args = jax.eval_shape(lambda *given: given, start, drawn.args)
        setting = Setting(
            self.layer,
            args,
            variables,
            count_rows(drawn.args) if self.batched else None,
            self.declared,
            self.domain,
        )
        draw = Draw(start, self.key, self.key, drawn.args, drawn.others)
        # What the layer raises of such inputs is for its user to see.
        with _naming(self.layer, drawn.args):
            out, _ = jax.eval_shape(
                lambda d: self.layer.apply(d.variables, d.key, d.args, False), draw
            )
            if not jax.tree.leaves(out):
                raise TypeError(
                    f"expected {self.layer.name} to return arrays; found {out!r}. Is "
                    "there a return statement?"
                )
        return Shape(self.layer, self.properties, setting, start)

    def _start(self, args: tuple[Any, ...]) -> Variables:
        """What it begins with: the same for inputs of another shape, if it fits."""
        avals = jax.eval_shape(self.layer.init, self.key, args)
        for shape in self.shapes.values():
            if jax.eval_shape(lambda start: start, shape.start) == avals:
                return shape.start
        init = jax.jit(self.layer.init, compiler_options={**quick_options()})
        return init(self.key, args)

    def results(
        self, simplest: Callable[[str, Drawn], Simplest], seed: int, again: Again
    ) -> tuple[tuple[PropertyResult, ...], tuple[str, ...]]:
        """A result for each property that was tried, and why others were not.

        Args:
            simplest: finds the simplest inputs at which a property fails, from some.
            seed: of the examples.
            again: how the check was called.
        """
        results, unchecked = [], []
        for one in self.properties:
            if not self.examples[one.name]:
                whys = [shape.why_not[one.name] for shape in self.shapes.values()]
                unchecked.append(f"{one.name}: {next(filter(None, whys), 'no inputs')}")
                continue
            results.append(self._result(one, simplest, seed, again))
        return tuple(results), tuple(unchecked)

    def _result(
        self,
        one: Property,
        simplest: Callable[[str, Drawn], Simplest],
        seed: int,
        again: Again,
    ) -> PropertyResult:
        tried = self.examples[one.name]
        if one.name not in self.failed or (one.once and self.held[one.name]):
            held = self.held[one.name]
            why = "" if held else self.undecided.get(one.name, "")
            verdict = Verdict.INCONCLUSIVE if why else Verdict.PASS
            return PropertyResult(one.name, one.says, verdict, tried, why)
        reason, drawn = self.failed[one.name]
        alone = True
        if one.pair is not None:
            drawn, alone = simplest(one.name, drawn)
            reason = self.wrong(one.name, drawn) or reason
        line = again.line(one.name, seed, drawn.args if alone else None)
        where = shown(drawn.args)
        return PropertyResult(
            one.name, one.says, Verdict.FAIL, tried, reason, where, line
        )


@contextmanager
def _naming(layer: Layer, args: tuple[Any, ...]) -> Iterator[None]:
    """Have what the layer raises say which inputs it was called with."""
    try:
        yield
    except Exception as error:  # whatever the user's Python raises
        error.add_note(
            f"jaxdebug called {layer.name} with inputs {shown_shapes(args)}."
        )
        raise


_moved = jax.jit(off_the_start)
