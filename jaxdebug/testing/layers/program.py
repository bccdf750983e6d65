"""All properties of a layer that are told by pairs, in one program for each shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import jax

from jaxdebug.programs._jax.compiling import quick_options
from jaxdebug.reports.error_text import in_one_line
from jaxdebug.testing.layers.draw import Draw, Usual
from jaxdebug.testing.layers.gap import Gap, Undecided, Unlike, differing, gaps
from jaxdebug.testing.layers.layer import Layer
from jaxdebug.testing.layers.noise import noise_of
from jaxdebug.testing.layers.property import Noise, Property, Setting

Answer = str | Undecided
"""What is wrong, empty if nothing is; or why that is not known."""


class Measured:
    """What one program says of a layer at inputs of one shape.

    Args:
        layer: the layer.
        properties: that are told by pairs.
        setting: what is known of the inputs.
    """

    def __init__(
        self, layer: Layer, properties: Sequence[Property], setting: Setting
    ) -> None:
        # Traced once for all properties, of which most call it with the same shapes.
        apply = jax.jit(layer.apply, static_argnums=3)
        self.layer, self.setting = layer._replace(apply=apply), setting
        self.properties = {one.name: one for one in properties}
        self.failed: dict[str, str] = {}
        """What is wrong at all inputs of the shape: seen while it was traced."""
        self.expected: dict[str, Any] = {}
        """Shapes and dtypes of what is expected."""
        self.quick = jax.jit(self._run, compiler_options={**quick_options()})
        self.run = jax.jit(self._run)
        self._compiled: Future[Any] | None = None

    def _run(self, draw: Draw) -> tuple[dict[str, list[Gap]], dict[str, Any]]:
        found, usual = {}, Usual(self.layer, draw)
        for name, one in self.properties.items():
            assert one.pair is not None
            try:
                expected, got = one.pair(usual, self.setting)
                found[name] = gaps(expected, got)
            except Unlike as error:
                self.failed[name] = str(error)
            except Exception as error:  # whatever the user's Python raises
                said = in_one_line(error)
                self.failed[name] = f"it raises {said}"
            else:
                self.expected[name] = jax.tree.map(jax.typeof, expected)
        return found, self._noise(usual)

    def _noise(self, usual: Usual) -> dict[str, Any]:
        """By how much roundings of inputs and parameters change each leaf."""
        kinds = {one.noise for one in self.properties.values()}

        def made(usual: Usual) -> dict[str, Any]:
            found = {"outputs": usual.output}
            if "gradients" in kinds:
                found["gradients"] = usual.gradients
            if kinds & {"both", "any of both"}:
                found["others"] = usual.of(usual.draw.others)
            return found

        def of(variables: Any, args: Any, others: Any) -> dict[str, Any]:
            draw = usual.draw._replace(variables=variables, args=args, others=others)
            return made(Usual(self.layer, draw))

        variables, _, _, args, others = usual.draw
        return noise_of(made(usual), of, variables, args, others)

    def looking(self, draw: Draw) -> Callable[[], tuple[dict[str, Answer], Noise]]:
        """A call of `look`; what it needs is compiled beside what its caller does."""
        if self._compiled is None:
            traced = self.quick.lower(draw)
            with_own_thread = ThreadPoolExecutor(1)
            self._compiled = with_own_thread.submit(traced.compile)
            with_own_thread.shutdown(wait=False)
        return cache(lambda: self.look(draw))

    def look(self, draw: Draw) -> tuple[dict[str, Answer], Noise]:
        """What is wrong with each property, empty if nothing is; and the noise.

        What is wrong of a program that was compiled quickly is asked of one that was
        compiled as for anybody: XLA is not right of all numbers there.
        """
        quick = self.quick if self._compiled is None else self._compiled.result()
        said, noise = self._said(quick, draw)
        if any(
            isinstance(one, str) and one and not self.properties[name].once
            for name, one in said.items()
            if name not in self.failed
        ):
            return self._said(self.run, draw)
        return said, noise

    def _said(
        self, run: Callable[[Draw], Any], draw: Draw
    ) -> tuple[dict[str, Answer], Noise]:
        found, noise = jax.device_get(run(draw))
        allowed: Noise = noise
        said: dict[str, Answer] = {**self.failed}
        for name, its in found.items():
            one = self.properties[name]
            own = _changed(one.noise, allowed)
            try:
                said[name] = differing(its, self.expected[name], own, one.words)
            except Undecided as error:
                said[name] = error
        return said, noise


def _changed(kind: str, noise: Noise) -> Sequence[float]:
    """By how much roundings change what a property compares: each leaf, or all."""
    if kind == "both":
        return [*map(max, noise["outputs"], noise["others"])]
    if kind == "any output":
        return [max(noise["outputs"], default=0.0)]
    if kind == "any of both":
        return [max([*noise["outputs"], *noise["others"]], default=0.0)]
    return noise.get(kind, ())
