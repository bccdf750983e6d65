"""What holds of the numbers: their dtype, and that they are finite."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.programs.places import is_inexact
from jaxdebug.reports.error_text import in_one_line
from jaxdebug.testing.layers.draw import Draw, Usual, output, stacked
from jaxdebug.testing.layers.gap import Gap
from jaxdebug.testing.layers.layer import Layer
from jaxdebug.testing.layers.property import (
    AskNoise,
    HostCheck,
    Pair,
    Property,
    Setting,
)

LARGE, SMALL = 1e6, 1e-20
"""Magnitudes of extreme inputs. Products of some of them are in the range of float32,
as they must be for a matrix product of two."""

NARROW = ("bfloat16", "float16")


def extremes(args: tuple[Any, ...], domain: tuple[float, float] | None) -> Any:
    """Inputs at the edges of what a layer must bear, each under its name."""

    def of(change: Any) -> Any:
        def apply(leaf: Any) -> Any:
            if not is_inexact(jax.typeof(leaf)):
                return leaf
            changed = change(leaf)
            if domain is not None:
                changed = jnp.clip(changed, *domain)
            return changed.astype(leaf.dtype)

        return jax.tree.map(apply, args)

    def constant(leaf: Any) -> Any:
        return jnp.broadcast_to(leaf[..., :1], leaf.shape) if leaf.ndim else leaf

    if domain is not None:
        low, high = domain
        return {
            f"inputs of {low:g}": of(lambda leaf: jnp.full_like(leaf, low)),
            f"inputs of {high:g}": of(lambda leaf: jnp.full_like(leaf, high)),
        }
    return {
        "inputs of 0": of(jnp.zeros_like),
        "constant rows": of(constant),
        f"inputs of {LARGE:g}": of(lambda leaf: LARGE * jnp.sign(leaf + 0.5)),
        f"inputs of {SMALL:g}": of(lambda leaf: SMALL * jnp.sign(leaf + 0.5)),
    }


def _finite(usual: Usual, setting: Setting) -> Pair:
    inputs = extremes(usual.draw.args, setting.domain)

    def bad(args: tuple[Any, ...]) -> Any:
        here = Usual(usual.layer, usual.draw._replace(args=args))
        made = {"output": here.output, "gradient of": here.gradients}
        return jax.tree.map(count_nonfinite, made)

    found = jax.vmap(bad)(stacked(*inputs.values()))
    each = {
        name: jax.tree.map(lambda leaf, i=i: leaf[i], found)
        for i, name in enumerate(inputs)
    }
    return jax.tree.map(jnp.zeros_like, each), each


def count_nonfinite(leaf: Any) -> Any:
    """How many elements of an array are not finite."""
    if not is_inexact(jax.typeof(leaf)):
        return jnp.int32(0)
    return jnp.sum(~jnp.isfinite(leaf), dtype=jnp.int32)


def nonfinite_words(name: str, gap: Gap, shape: tuple[int, ...]) -> str:
    """Of a count of elements that are not finite, under its inputs: what is wrong."""
    inputs, _, what = name.partition("/")
    what = what.replace("gradient of/", "gradient of ").replace("/inputs", " inputs")
    return f"with {inputs}: {int(gap.found)} elements of {what} are not finite"


def _dtype(layer: Layer, setting: Setting) -> HostCheck:
    def check(draw: Draw, noise: AskNoise) -> str:
        for dtype in NARROW:
            narrow = jax.tree.map(lambda leaf, to=dtype: _cast(leaf, to), draw)
            try:
                # Constants that overflow are no matter of dtypes.
                with warnings.catch_warnings(action="ignore"):
                    out = jax.eval_shape(lambda draw: output(layer, draw), narrow)
            except Exception as error:  # whatever the user's Python raises
                said = in_one_line(error)
                return f"of {dtype} inputs and parameters it raises {said}"
            for leaf in jax.tree.leaves(out):
                if is_inexact(leaf) and leaf.dtype != dtype:
                    return f"of {dtype} inputs and parameters it is {leaf.dtype}"
        return ""

    return check


def _cast(leaf: Any, dtype: str) -> Any:
    struct = jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
    if not jnp.issubdtype(leaf.dtype, np.floating):
        return struct
    return jax.ShapeDtypeStruct(leaf.shape, dtype)


def _no_floats(setting: Setting) -> str:
    leaves = jax.tree.leaves((setting.variables, setting.args))
    floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, np.floating)]
    return "" if floats else "there are no floating inputs or parameters"


VALUES = (
    Property(
        "finite",
        "output and gradient are finite at extreme inputs",
        _finite,
        noise="none",
        words=nonfinite_words,
    ),
    Property(
        "dtype",
        "the output has the dtype of inputs and parameters",
        host=_dtype,
        why_not=_no_floats,
    ),
)
