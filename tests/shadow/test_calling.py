"""How a shadow is called: dtypes in and out, settings, structure, retracing."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from tests.shadow.programs import X


def third(x: Any) -> Any:
    return (x.astype(jnp.bfloat16) / 3).astype(jnp.float32)


def assert_thirds(found: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), X.astype(np.float64) / 3, rtol=1e-15)


def test_eager_results_are_numpy_float64() -> None:
    out = jd.shadow(lambda p: {"a": third(p["x"]), "n": p["n"] + 1})(
        {"x": X, "n": np.int32(4)}
    )
    assert all(isinstance(leaf, np.ndarray) for leaf in out.values())
    assert (out["a"].dtype, out["n"].dtype) == (np.float64, np.int32)
    assert_thirds(out["a"])


def test_inside_jit_results_are_float64_tracers() -> None:
    dtypes = []

    @jax.jit
    def f(x: jax.Array) -> jax.Array:
        wide = jd.shadow(third)(x)
        dtypes.append(wide.dtype)
        return wide

    assert_thirds(f(X))
    assert dtypes == [np.float64]


def test_inside_grad_and_vmap_it_traces() -> None:
    assert jax.grad(lambda x: jd.shadow(third)(x))(1.0) == pytest.approx(1 / 3)
    rows = jax.vmap(jd.shadow(third))(jnp.asarray(X))
    assert_thirds(rows)


def test_keyword_and_python_arguments() -> None:
    shadowed = jd.shadow(lambda x, *, scale: third(x * scale))
    assert shadowed(jnp.float32(1), scale=3.0) == 1.0


def test_like_gives_the_dtypes_the_program_is_written_for() -> None:
    def f(tree: Any) -> Any:
        assert tree["w"].dtype == jnp.bfloat16
        return tree["w"] @ tree["x"]

    like = {
        "w": jax.ShapeDtypeStruct((2, 3), jnp.bfloat16),
        "x": jax.ShapeDtypeStruct((3,), jnp.bfloat16),
    }
    w, x = np.arange(6.0).reshape(2, 3) + 1e-12, np.array([1.0, 2, 3]) / 7
    found = jd.shadow(f, like=(like,))({"w": w, "x": x})
    np.testing.assert_allclose(found, w @ x, rtol=1e-15)


def test_a_wrong_structure_is_refused() -> None:
    shadowed = jd.shadow(lambda t: t["a"], like=({"a": X},))
    with pytest.raises(ValueError, match=r"structure.*'a'.*found.*'b'.*`like`"):
        shadowed({"b": X})


@pytest.mark.parametrize("wrong", [X[0], X[:, :3], X[None]])
def test_a_wrong_shape_is_refused(wrong: np.ndarray) -> None:
    shadowed = jd.shadow(jnp.sin, like=(X,))
    with pytest.raises(ValueError, match=r"expected shape \(4, 6\) for leaf 0"):
        shadowed(wrong)


@pytest.fixture(params=[False, True], ids=["x64 off", "x64 on"])
def x64(request: pytest.FixtureRequest) -> Iterator[bool]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", request.param)
    yield request.param
    jax.config.update("jax_enable_x64", before)


def test_the_users_x64_setting_rules_the_trace_and_comes_back(x64: bool) -> None:
    seen = []

    def f(x: jax.Array) -> jax.Array:
        seen.append(jnp.zeros(3).dtype)
        return x + jnp.arange(3.0)

    found = jd.shadow(f)(np.float32([1, 2, 3]))
    assert seen == [np.float64 if x64 else np.float32]
    np.testing.assert_array_equal(found, [1, 3, 5])
    assert jax.config.jax_enable_x64 == x64
    assert jnp.zeros(2).dtype == (np.float64 if x64 else np.float32)


def test_settings_come_back_after_an_exception(x64: bool) -> None:
    def f(x: jax.Array) -> jax.Array:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        jd.shadow(f)(X)

    def host(x: np.ndarray) -> np.ndarray:
        raise KeyError("at run time")

    def g(x: jax.Array) -> jax.Array:
        return jax.pure_callback(host, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    with pytest.raises(Exception, match="at run time"):
        jd.shadow(g)(X)
    assert jax.config.jax_enable_x64 == x64


def test_the_second_call_traces_nothing() -> None:
    traces = []

    def f(x: jax.Array) -> jax.Array:
        traces.append(x.dtype)
        return jnp.sin(x)

    shadowed = jd.shadow(f)
    first = shadowed(X)
    second = shadowed(X + 1)
    assert traces == [np.float32]
    assert not np.any(first == second)
    shadowed(X.astype(np.float64))
    assert len(traces) <= 2
    shadowed(X[0])
    assert len(traces) <= 3


def test_a_captured_tracer_is_not_kept() -> None:
    """A shadow made outside a trace, called inside two: no leaked tracer."""
    held: list[Any] = []
    shadowed = jd.shadow(lambda x: x * held[0])

    def f(x: jax.Array, y: jax.Array) -> jax.Array:
        held[:] = [y]
        return shadowed(x)

    one = np.float32(1)
    assert float(jax.jit(f)(one, np.float32(2))) == 2
    assert float(jax.jit(lambda x, y: f(x, y))(one, np.float32(3))) == 3


def test_the_function_keeps_its_name() -> None:
    assert jd.shadow(third).__name__ == "third"


def test_under_debug_nans_and_strict_promotion() -> None:
    with jax.debug_nans(True), jax.numpy_dtype_promotion("strict"):
        found = jd.shadow(lambda x: jnp.sin(x) + x)(X)
    np.testing.assert_allclose(found, np.sin(X.astype(np.float64)) + X, rtol=1e-14)
