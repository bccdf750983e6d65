"""What host callbacks receive, on threads that have not enabled 64 bits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdebug.programs.callbacks import calls_host, with_wide_callbacks
from jaxdebug.programs.program import trace
from tests.slow import quick_cases

NUMBERS: dict[str, Any] = {
    "float64": np.linspace(0.1, 2, 6).reshape(2, 3),
    "complex128": np.linspace(0.1, 2, 6).reshape(2, 3) * (1 + 0.5j),
    "int64": np.arange(6).reshape(2, 3) + 2**40,
    "float32": np.linspace(0.1, 2, 6, dtype=np.float32).reshape(2, 3),
}


def _squared(x: Any) -> Any:
    def on_host(y: Any) -> np.ndarray:
        return np.asarray(y * y)

    def one(row: Any) -> Any:
        struct = jax.ShapeDtypeStruct(row.shape, row.dtype)
        return jax.pure_callback(on_host, struct, row, vmap_method="expand_dims")

    # In a loop, and many at once.
    return jax.lax.scan(lambda c, row: (c, jax.vmap(one)(row)), 0, x[None])[1][0]


@pytest.mark.parametrize("dtype", quick_cases(NUMBERS, ["float64"]))
def test_a_callback_receives_64_bit_numbers_on_any_thread(dtype: str) -> None:
    with jax.enable_x64(True):
        x = jnp.asarray(NUMBERS[dtype])
        compiled = jax.jit(with_wide_callbacks(_squared)).lower(x).compile()
    with ThreadPoolExecutor(1) as pool:  # its thread has JAX's default settings
        found = np.asarray(pool.submit(compiled, x).result())
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, NUMBERS[dtype] * NUMBERS[dtype])


def test_a_callback_in_a_loop_is_found() -> None:
    assert calls_host(trace(_squared, jnp.ones((2, 3))).jaxpr)
    assert not calls_host(trace(lambda x: jax.lax.map(jnp.sin, x), jnp.ones(2)).jaxpr)
