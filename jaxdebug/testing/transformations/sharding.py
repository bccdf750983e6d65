"""Whether a gradient transformation keeps arrays on the devices where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.testing.layers.draw import Draw
from jaxdebug.testing.layers.gap import differing, gaps, in_words, on_host
from jaxdebug.testing.layers.layer import Layer
from jaxdebug.testing.layers.property import AskNoise, HostCheck, Setting


def one_device(setting: Setting) -> str:
    """Why it cannot be asked; empty if it can."""
    if len(jax.devices()) < 2:
        return "there is one device"
    leaves = jax.tree.leaves(setting.variables.params)
    if not any(map(_divides, leaves)):
        return "no parameter has a first axis that two devices can divide"
    return ""


def _divides(leaf: Any) -> bool:
    return bool(leaf.ndim) and leaf.shape[0] > 0 and leaf.shape[0] % 2 == 0


def keeps_sharding(
    start: Callable[[Any], Any], layer: Layer, setting: Setting
) -> HostCheck:
    """What checks it: on two devices the updates are those of one, and lie where
    parameters do; so does what the state has of a parameter's shape.

    Args:
        start: the state at first, of parameters.
        layer: the transformation.
        setting: what is known of it.
    """
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    over, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (["data"], []))

    def divided(tree: Any) -> Any:
        return jax.tree.map(
            lambda leaf: jax.device_put(leaf, over if _divides(leaf) else whole), tree
        )

    made = jax.jit(lambda draw: layer.apply(draw.variables, draw.key, draw.args, False))
    shapes = {
        leaf.shape
        for leaf in jax.tree.leaves(setting.variables.params)
        if _divides(leaf)
    }

    def elsewhere(what: str, tree: Any) -> str:
        for path, leaf in zip(path_names(tree), jax.tree.leaves(tree), strict=True):
            if leaf.shape not in shapes:
                continue
            if not leaf.sharding.is_equivalent_to(over, leaf.ndim):
                name = "/".join((what, *path))
                return f"{name} of a sharded parameter's shape is not sharded as it"
        return ""

    def check(draw: Draw, noise: AskNoise) -> str:
        params, args = divided(draw.variables.params), divided(draw.args)
        # Not compiled: an array that depends on no input is on one device there.
        state = start(params)
        if wrong := elsewhere("state", state):
            return f"at first, {wrong}"
        variables = draw.variables._replace(params=params, state=state)
        found, _ = made(draw._replace(variables=variables, args=args))
        for what in ("updates", "state"):
            if wrong := elsewhere(what, found[what]):
                return f"after an update, {wrong}"
        expected = on_host(made(draw)[0])
        apart = gaps(expected, on_host(found), np)
        return differing(apart, expected, noise()["outputs"], in_words)

    return check
