"""What holds of a layer's parameters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.programs.places import is_inexact
from jaxdebug.testing.layers.draw import Draw, Usual
from jaxdebug.testing.layers.gap import Gap, differing, gaps, in_words, on_host
from jaxdebug.testing.layers.layer import Layer
from jaxdebug.testing.layers.property import (
    AskNoise,
    HostCheck,
    Pair,
    Property,
    Setting,
)


def _no_parameters(setting: Setting) -> str:
    leaves = jax.tree.leaves(setting.variables.params)
    return "" if any(map(is_inexact, leaves)) else "the layer has no parameters"


def _nothing_to_restore(setting: Setting) -> str:
    found = jax.tree.leaves(setting.variables)
    return "" if found else "the layer has no parameters and no state"


def _reached(usual: Usual, setting: Setting) -> Pair:
    found = usual.gradients["parameters"]
    reached = jax.tree.map(lambda leaf: jnp.any(leaf != 0).astype(jnp.int32), found)
    return jax.tree.map(jnp.ones_like, reached), reached


def _unreached(name: str, gap: Gap, shape: tuple[int, ...]) -> str:
    return f"the output does not depend on {name}: its gradient is 0"


def _restored(layer: Layer, setting: Setting) -> HostCheck:
    def check(draw: Draw, noise: AskNoise) -> str:
        own, again = map(on_host, (draw.variables, layer.restore(draw.variables)))
        return differing(gaps(own, again, np), own, (), in_words)

    return check


PARAMETERS = (
    Property(
        "parameters-reached",
        "the output depends on every parameter",
        _reached,
        why_not=_no_parameters,
        noise="none",
        once=True,
        words=_unreached,
    ),
    Property(
        "restored",
        "variables that are written down and read back are the same",
        host=_restored,
        why_not=_nothing_to_restore,
    ),
)
