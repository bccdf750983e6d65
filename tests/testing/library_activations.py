"""Every function of `jax.nn` of arrays alone."""

from __future__ import annotations

import types
from functools import partial
from typing import Any

import jax

from jaxdebug.testing.strategies.arrays import arrays
from tests.testing.library_layers import HEADS, Case

OTHERS = {
    "one_hot",  # of numbers of classes
    "get_scaled_dot_general_config",
    "scaled_dot_general",  # of accelerators that have narrow numbers
    "scaled_matmul",
}
"""What else `jax.nn` has."""

FOUND = {
    name
    for name, found in vars(jax.nn).items()
    if callable(found)
    and not isinstance(found, types.ModuleType)
    and not name.startswith("_")
} - OTHERS

BELOW: dict[str, Any] = {"domain": (0.2, 3.0)}


def _of(name: str, **settings: Any) -> Any:
    function = partial(getattr(jax.nn, name), **settings)
    return lambda: function


ACTIVATIONS: dict[str, Case] = {
    **{name: Case(_of(name)) for name in sorted(FOUND)},
    "dot_product_attention": Case(_of("dot_product_attention"), (HEADS, HEADS, HEADS)),
    "gelu, exact": Case(_of("gelu", approximate=False)),
    "log1mexp": Case(_of("log1mexp"), arrays((3, 4), low=0.2, kinds=["random"]), BELOW),
    "logmeanexp": Case(_of("logmeanexp", axis=-1)),
    "logsumexp": Case(_of("logsumexp", axis=-1)),
}
"""What is tried, and the properties that are known not to hold."""
