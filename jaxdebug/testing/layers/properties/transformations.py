"""What JAX's transformations must not change."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxdebug.testing.layers.draw import Draw, Usual, gradients, output, stacked
from jaxdebug.testing.layers.gap import differing, gaps, in_words, on_host
from jaxdebug.testing.layers.layer import Layer
from jaxdebug.testing.layers.property import (
    AskNoise,
    HostCheck,
    Pair,
    Property,
    Setting,
)


def _mapped(usual: Usual, setting: Setting) -> Pair:
    both = stacked(usual.draw.args, usual.draw.others)
    return usual.both, jax.vmap(usual.of)(both)


def _scanned(usual: Usual, setting: Setting) -> Pair:
    def body(carry: Any, args: tuple[Any, ...]) -> Any:
        return carry, usual.of(args)

    both = stacked(usual.draw.args, usual.draw.others)
    return usual.both, jax.lax.scan(body, (), both)[1]


def _remade(usual: Usual, setting: Setting) -> Pair:
    layer, training = usual.layer, usual.layer.has_modes
    again = gradients(layer, usual.draw, training=training, wrap=jax.checkpoint)
    return usual.gradients, again


def _eager(layer: Layer, setting: Setting) -> HostCheck:
    compiled = jax.jit(lambda draw: output(layer, draw))
    first = iter([True])

    def check(draw: Draw, noise: AskNoise) -> str:
        expected = on_host(compiled(draw))
        found = on_host(output(layer, draw))
        # Once, since each call of a scan outside of jit is compiled anew.
        if next(first, False):
            again = on_host(output(layer, draw))
            if wrong := differing(gaps(found, again, np), expected, (), in_words):
                return f"called twice with the same inputs, {wrong}"
        found = gaps(expected, found, np)
        return differing(found, expected, noise()["outputs"], in_words)

    return check


TRANSFORMATIONS = (
    Property(
        "jit",
        "compiled and operation by operation the output is the same",
        host=_eager,
    ),
    Property("vmap", "vmap gives what a loop gives", _mapped, noise="both"),
    Property("scan", "scan gives what a loop gives", _scanned, noise="both"),
    Property(
        "remat",
        "jax.checkpoint does not change the gradient",
        _remade,
        noise="gradients",
    ),
)
