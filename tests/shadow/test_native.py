"""What depends on bits keeps its native dtype; what cannot be widened is named."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.programs.program import trace
from jaxdebug.programs.shadow import shadow_program
from tests.shadow.programs import KEY, X


def samplers(key: Any) -> dict[str, Any]:
    return {
        "bits": jax.random.bits(key, (4,)),
        "uniform": jax.random.uniform(key, (4,)),
        "bernoulli": jax.random.bernoulli(key, 0.3, (16,)),
        "gamma": jax.random.gamma(key, 2.0, (3,)),
    }


@pytest.mark.slow
def test_samplers_draw_the_same_numbers() -> None:
    found = jd.shadow(samplers)(KEY)
    native = jax.device_get(jax.jit(samplers)(KEY))
    for name in ("bits", "bernoulli"):
        assert found[name].dtype == native[name].dtype, name
        np.testing.assert_array_equal(found[name], native[name], err_msg=name)
    for name, tolerance in (
        ("uniform", 0),
        ("gamma", 1e-6),
    ):
        assert found[name].dtype == np.float64
        wide = np.asarray(native[name], np.float64)
        np.testing.assert_allclose(
            found[name], wide, rtol=tolerance, atol=tolerance, err_msg=name
        )


@pytest.mark.parametrize("key", [KEY, jax.random.PRNGKey(3)], ids=["typed", "raw"])
def test_keys_go_in_and_come_out(key: Any) -> None:
    def f(key: Any, x: jax.Array) -> Any:
        one, two = jax.random.split(key)
        return one, jax.random.fold_in(two, 7), x * jax.random.bernoulli(one, 0.5)

    found = jd.shadow(f)(key, np.float32(1))
    native = f(key, np.float32(1))
    for wide, narrow in zip(found[:2], native[:2], strict=True):
        assert wide.dtype == narrow.dtype
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            wide, narrow = jax.random.key_data(wide), jax.random.key_data(narrow)
        np.testing.assert_array_equal(wide, narrow)
    assert found[2] == native[2]


def test_dropout_masks_are_the_native_ones() -> None:
    def dropout(key: Any, x: jax.Array) -> jax.Array:
        return jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x / 0.5, 0)

    kept = np.asarray(dropout(KEY, X)) != 0
    found = jd.shadow(dropout)(KEY, X)
    np.testing.assert_array_equal(found, np.where(kept, X.astype(np.float64) * 2, 0))


def test_callbacks_run_native_and_are_named() -> None:
    seen: list[Any] = []

    def host(x: np.ndarray) -> np.ndarray:
        seen.append(np.asarray(x).dtype)
        return np.sin(np.asarray(x, np.float32))

    def f(x: jax.Array) -> jax.Array:
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(host, shape, x) / 3

    shadowed = shadow_program(trace(f, X))
    assert shadowed.native == ("pure_callback",)
    found = shadowed(X.astype(np.float64))
    assert seen == [np.float32]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.sin(X).astype(np.float64) / 3, rtol=1e-15)


def test_bit_casts_see_the_native_bits() -> None:
    def f(x: jax.Array) -> Any:
        bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
        back = jax.lax.bitcast_convert_type(bits ^ np.uint32(1 << 31), jnp.float32)
        return bits, back, jnp.nextafter(x, jnp.float32(9)) - x

    bits, back, spacing = jd.shadow(f)(X)
    np.testing.assert_array_equal(bits, X.view(np.uint32))
    np.testing.assert_array_equal(back, -X.astype(np.float64))
    assert np.all(spacing > 1e-12)


def test_nothing_is_named_where_everything_is_wide() -> None:
    assert shadow_program(trace(lambda x: jnp.sin(x) @ x.T, X)).native == ()


def test_prints_are_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    called = []

    def f(x: jax.Array) -> jax.Array:
        jax.debug.print("printed {}", x[0, 0])
        jax.debug.callback(called.append, x)
        return x * 2

    np.testing.assert_array_equal(jd.shadow(f)(X), X.astype(np.float64) * 2)
    jax.effects_barrier()
    assert "printed" not in capfd.readouterr().out
    assert called == []
