"""What strategies draw is what they say."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import Phase, given, settings

from jaxdebug.testing.strategies.arrays import arrays
from jaxdebug.testing.strategies.keys import keys
from jaxdebug.testing.strategies.masks import masks
from jaxdebug.testing.strategies.one_hot import one_hot
from jaxdebug.testing.strategies.parameters import parameters
from jaxdebug.testing.strategies.pytrees import pytrees_like

DTYPES = ["bfloat16", "float8_e4m3fn", "float8_e5m2"]


def drawn(strategy: Any, examples: int = 20) -> list[Any]:
    """Some examples, the same ones every time."""
    found: list[Any] = []
    run = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
    )
    run(given(strategy)(lambda one: found.append(one)))()
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_narrow_arrays_hold_what_they_can(dtype: str) -> None:
    found = drawn(arrays((2, 3), dtype, low=-2, high=2, avoid=[0.0]))
    assert {one.dtype.name for one in found} == {dtype}
    values = np.stack([np.asarray(one, np.float32) for one in found])
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= 2.5
    assert (values != 0).all()


def test_pytrees_have_the_dtypes_of_their_model() -> None:
    like = {"a": jnp.ones((2,), jnp.bfloat16), "n": [jnp.ones((), jnp.int32)]}
    for one in drawn(pytrees_like(like)):
        assert jax.tree.map(jax.typeof, one) == jax.tree.map(jax.typeof, like)


def test_keys_are_keys() -> None:
    found = drawn(keys())
    assert all(jnp.issubdtype(one.dtype, jax.dtypes.prng_key) for one in found)
    assert len({int(jax.random.key_data(one)[1]) for one in found}) > 1


def test_masks_leave_something_in_each_row_unless_told() -> None:
    found = np.stack(drawn(masks((3, 4)), 40))
    assert found.any(-1).all()
    assert not found.all()
    free = np.stack(drawn(masks((3, 4), "float32", empty_rows=True), 40))
    assert free.dtype == np.float32
    assert (free.max((1, 2)) == 0).any()


def test_one_hot_has_one_class_each() -> None:
    for one in drawn(one_hot((2, 3), 4)):
        assert one.shape == (2, 3, 4)
        assert set(np.unique(one)) <= {0.0, 1.0}
        assert (np.asarray(one).sum(-1) == 1).all()
    smooth = np.asarray(drawn(one_hot((2,), 4, smoothing=0.4))[0])
    np.testing.assert_allclose(np.sort(smooth)[:, -1], 0.7, rtol=1e-6)
    with pytest.raises(ValueError, match="one class or more"):
        one_hot((2,), 0)


MODULES = {
    "Linen": lambda: parameters(nn.Dense(2), jnp.ones((1, 3))),
    "NNX": lambda: parameters(nnx.Linear(3, 2, rngs=nnx.Rngs(0)), jnp.ones((1, 3))),
    "Equinox": lambda: parameters(
        eqx.nn.Linear(3, 2, key=jax.random.key(0)), jnp.ones((1, 3))
    ),
}


@pytest.mark.parametrize("framework", MODULES)
def test_parameters_are_off_their_start(framework: str) -> None:
    leaves = [jax.tree.leaves(one) for one in drawn(MODULES[framework](), 4)]
    sizes = {tuple(sorted(leaf.size for leaf in one)) for one in leaves}
    assert sizes == {(2, 6)}
    for one in leaves:
        bias = min(one, key=lambda leaf: leaf.size)
        assert (np.asarray(bias) != 0).all()
