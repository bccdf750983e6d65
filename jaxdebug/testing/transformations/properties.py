"""What holds of a gradient transformation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.programs.places import is_inexact
from jaxdebug.testing.layers.draw import Draw, Usual, stacked
from jaxdebug.testing.layers.layer import Layer
from jaxdebug.testing.layers.properties.parameters import PARAMETERS
from jaxdebug.testing.layers.properties.transformations import TRANSFORMATIONS
from jaxdebug.testing.layers.properties.values import (
    count_nonfinite,
    extremes,
    nonfinite_words,
)
from jaxdebug.testing.layers.property import (
    AskNoise,
    HostCheck,
    Pair,
    Property,
    Setting,
)
from jaxdebug.testing.layers.unlike import unlike
from jaxdebug.testing.transformations.sharding import (
    keeps_sharding,
    one_device,
)


def _step(usual: Usual, params: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
    variables = usual.draw.variables._replace(params=params, state=state)
    draw = usual.draw._replace(variables=variables)
    out = Usual(usual.layer, draw).of((gradients,))
    moved = jax.tree.map(lambda p, u: (p + u).astype(p.dtype), params, out["updates"])
    return moved, out["state"]


def _loop(usual: Usual, gradients: Sequence[Any]) -> dict[str, Any]:
    """Parameters and state after some updates."""
    params, state = usual.draw.variables
    for one in gradients:
        params, state = _step(usual, params, state, one)
    return {"parameters": params, "state": state}


def _scanned(usual: Usual, setting: Setting) -> Pair:
    (one,), (other,) = usual.draw.args, usual.draw.others

    def body(carry: Any, gradients: Any) -> Any:
        params, state = carry
        return _step(usual, params, state, gradients), None

    start = tuple(usual.draw.variables)
    (params, state), _ = jax.lax.scan(body, start, stacked(one, other, one))
    found = {"parameters": params, "state": state}
    return _loop(usual, [one, other, one]), found


def _zeros(tree: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, tree)


def _after_zeros(usual: Usual, setting: Setting) -> Pair:
    """Gradients of zero at first, and after others."""
    (one,) = usual.draw.args
    found = {
        f"gradients {name}": _loop(usual, those)
        for name, those in {
            "of 0 twice": [_zeros(one), _zeros(one)],
            "of 0 after others": [one, _zeros(one)],
            "after some of 0": [_zeros(one), one],
        }.items()
    }
    counts = jax.tree.map(count_nonfinite, found)
    return _zeros(counts), counts


def _finite(usual: Usual, setting: Setting) -> Pair:
    inputs = extremes(usual.draw.args, setting.domain)

    def bad(args: tuple[Any, ...]) -> Any:
        return jax.tree.map(count_nonfinite, usual.of(args))

    counts = jax.vmap(bad)(stacked(*inputs.values()))
    each = {
        name.replace("inputs", "gradients"): jax.tree.map(
            lambda leaf, i=i: leaf[i], counts
        )
        for i, name in enumerate(inputs)
    }
    return _zeros(each), each


def _still(usual: Usual, setting: Setting) -> Pair:
    found = usual.of(_zeros(usual.draw.args))["updates"]
    return _zeros(found), found


def _spoiled(leaf: Any) -> Any:
    if not is_inexact(jax.typeof(leaf)) or not leaf.size:
        return leaf
    return leaf.reshape(-1).at[0].set(jnp.nan).reshape(leaf.shape)


def _skipped(usual: Usual, setting: Setting) -> Pair:
    """A gradient with NaN between two others."""
    (one,), (other,) = usual.draw.args, usual.draw.others
    bad = jax.tree.map(_spoiled, other)
    expected = _loop(usual, [one, other])["parameters"]
    return expected, _loop(usual, [one, bad, other])["parameters"]


def _state_kept(layer: Layer, setting: Setting) -> HostCheck:
    def check(draw: Draw, noise: AskNoise) -> str:
        def after(draw: Draw) -> Any:
            return layer.apply(draw.variables, draw.key, draw.args, False)[1]

        return unlike("the state", draw.variables.state, jax.eval_shape(after, draw))

    return check


def _one_program(layer: Layer, setting: Setting) -> HostCheck:
    def check(draw: Draw, noise: AskNoise) -> str:
        def after(draw: Draw) -> Any:
            return layer.apply(draw.variables, draw.key, draw.args, False)[1]

        found = jax.eval_shape(after, draw)
        own = draw.variables.state
        leaves = zip(path_names(own), jax.tree.leaves(own), strict=True)
        for (path, before), now in zip(leaves, jax.tree.leaves(found), strict=False):
            if _is_weak(jax.typeof(before)) != _is_weak(now):
                first = "" if _is_weak(jax.typeof(before)) else "not "
                return (
                    f"{'/'.join(path)} is {first}weakly typed at first, unlike "
                    "after an update: the second update is compiled again"
                )
        return ""

    return check


def _is_weak(aval: Any) -> bool:
    return bool(getattr(aval, "weak_type", False))


def _like_parameters(layer: Layer, setting: Setting) -> HostCheck:
    def check(draw: Draw, noise: AskNoise) -> str:
        def updates(params: Any, gradients: Any) -> Any:
            variables = layer.init(draw.key, (gradients,))._replace(params=params)
            return layer.apply(variables, draw.key, (gradients,), False)[0]["updates"]

        params = draw.variables.params
        found = jax.eval_shape(updates, params, draw.args[0])
        return unlike("updates", params, found)

    return check


def _kept(names: tuple[str, ...]) -> list[Property]:
    return [one for one in (*TRANSFORMATIONS, *PARAMETERS) if one.name in names]


def transformation_properties(
    start: Callable[[Any], Any],
) -> tuple[Property, ...]:
    """All properties, in the order in which they are reported.

    Args:
        start: the state at first, of parameters.
    """
    return (
        *PROPERTIES[:6],
        Property(
            "sharding-kept",
            "updates and state are sharded as the parameters are",
            host=partial(keeps_sharding, start),
            why_not=one_device,
        ),
        *PROPERTIES[6:],
    )


PROPERTIES = (
    Property(
        "state-kept",
        "an update keeps structure, shapes and dtypes of the state",
        host=_state_kept,
    ),
    Property(
        "one-program",
        "the state after an update needs no other program than the first",
        host=_one_program,
    ),
    Property(
        "updates-like-parameters",
        "updates have structure, shapes and dtypes of the parameters",
        host=_like_parameters,
    ),
    Property(
        "steps-in-scan",
        "updates in a scan are those of a loop",
        _scanned,
        noise="any of both",
    ),
    Property(
        "zero-gradient",
        "gradients of zero give finite parameters and state",
        _after_zeros,
        noise="none",
        words=nonfinite_words,
    ),
    Property(
        "finite",
        "updates and state are finite at extreme gradients",
        _finite,
        noise="none",
        words=nonfinite_words,
    ),
    *_kept(("jit", "vmap", "restored")),
    Property(
        "still",
        "gradients of zero, at first, change nothing",
        _still,
        noise="none",
        is_declared=True,
    ),
    Property(
        "skips-nonfinite",
        "a gradient that is not finite changes nothing, nor what follows",
        _skipped,
        noise="any of both",
        is_declared=True,
    ),
)
"""Those that need no parameters elsewhere."""
