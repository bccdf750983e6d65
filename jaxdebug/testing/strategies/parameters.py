"""Parameters of a module."""

from __future__ import annotations

from typing import Any

import jax
from hypothesis import strategies as st

from jaxdebug.testing.layers.as_layer import as_layer
from jaxdebug.testing.layers.draw import off_the_start


def parameters(
    module: Any, *inputs: Any, batched: bool = True, **call: Any
) -> st.SearchStrategy[Any]:
    """Parameters that a module could have, near those that it begins with.

    Args:
        module: of Linen, NNX or Equinox.
        *inputs: of its call: a Linen module makes its parameters for them.
        batched: whether inputs are of several examples; of Equinox modules alone.
        **call: further arguments of its call.

    Returns:
        A strategy of the `params` collection of a Linen module, of the parameters of
        an NNX one as a pure dictionary, of the arrays of an Equinox one. Each drawn
        key begins anew where the module takes one, and a quarter of each leaf's size
        is added: no bias is 0 and no scale 1.

    Raises:
        TypeError: if it is no module of these.

    Example:
        >>> import flax.linen as nn, jax.numpy as jnp
        >>> from hypothesis import given
        >>> @given(parameters(nn.Dense(2), jnp.ones((1, 3))))
        ... def test(params):
        ...     assert params["kernel"].shape == (3, 2)
        >>> test()
    """
    layer = as_layer(module, None, call, batched=batched)
    init = jax.jit(layer.init)
    moved = jax.jit(off_the_start)

    def made(number: int) -> Any:
        return moved(number, init(jax.random.key(number), inputs).params)

    return st.integers(0, 255).map(made)
