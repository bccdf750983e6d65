"""The audit works under the user's JAX settings, and leaves them as they were."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdebug as jd
from tests.slow import quick_cases

# Settings that do not touch each other share an audit.
SETTINGS: dict[str, dict[str, Any]] = {
    "wide": {"jax_enable_x64": True},
    "low precision": {"jax_default_matmul_precision": "bfloat16"},
    "raising": {
        "jax_debug_nans": True,
        "jax_debug_infs": True,
        "jax_check_tracer_leaks": True,
    },
    "strict": {
        "jax_transfer_guard": "disallow",
        "jax_numpy_dtype_promotion": "strict",
        "jax_numpy_rank_promotion": "raise",
    },
}
CONTEXTS: dict[str, Callable[[Any], AbstractContextManager[Any]]] = {
    "jax_enable_x64": jax.enable_x64,
    "jax_debug_nans": jax.debug_nans,
    "jax_debug_infs": jax.debug_infs,
    "jax_check_tracer_leaks": lambda _: jax.checking_leaks(),
    "jax_transfer_guard": jax.transfer_guard,
    "jax_numpy_dtype_promotion": jax.numpy_dtype_promotion,
    "jax_numpy_rank_promotion": jax.numpy_rank_promotion,
    "jax_default_matmul_precision": jax.default_matmul_precision,
}


class Net(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(2)(nn.tanh(nn.Dense(3)(x)))


def loss(params: Any, x: jax.Array) -> jax.Array:
    return jnp.mean(Net().apply(params, x) ** 2)  # type: ignore[arg-type]


X = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def params() -> Any:
    return jax.device_get(jax.jit(Net().init)(jax.random.key(0), X))


@pytest.mark.parametrize("name", quick_cases(SETTINGS, [], slice_of=1))
def test_it_works_and_restores(name: str, params: Any) -> None:
    settings = SETTINGS[name]
    before = {setting: getattr(jax.config, setting) for setting in settings}
    with ExitStack() as stack:
        for setting, value in settings.items():
            stack.enter_context(CONTEXTS[setting](value))
        report = jd.audit(loss, optimizer=optax.sgd(1e-3))(params, X)
        for setting, value in settings.items():
            assert getattr(jax.config, setting) == value
    assert {setting: getattr(jax.config, setting) for setting in settings} == before
    assert report.ok, str(report)
    assert len(report.leaves) == 4
    assert {leaf.dtype for leaf in report.leaves} == {"float32"}
    assert any(layer.site.name == "Net/Dense_0" for layer in report.layers)


def test_nan_in_the_data_is_reported_under_debug_nans(params: Any) -> None:
    """The user asked JAX to raise at the first NaN; a report says more."""
    x = X.copy()
    x[1, 0] = np.nan
    with jax.debug_nans(True):
        report = jd.audit(loss)(params, x)
    assert {"nonfinite-data", "nonfinite-loss"} <= {f.code for f in report.findings}


def test_what_the_loss_prints_is_printed_once(capfd: Any) -> None:
    def loss(w: jax.Array) -> jax.Array:
        jax.debug.print("the loss was called")
        return jnp.sum(w**2)

    assert jd.audit(loss)(X[0]).ok
    jax.effects_barrier()
    assert capfd.readouterr().out.count("the loss was called") == 1


def test_settings_come_back_after_an_exception(params: Any) -> None:
    def broken(params: Any, x: jax.Array) -> jax.Array:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        jd.audit(broken)(params, X)
    assert not jax.config.jax_enable_x64


def test_a_second_audit_traces_nothing(params: Any) -> None:
    traces = []

    def counted(params: Any, x: jax.Array) -> jax.Array:
        traces.append(x.shape)
        return loss(params, x)

    audited = jd.audit(counted)
    first = audited(params, X)
    traced = len(traces)
    second = audited(jax.tree.map(lambda leaf: leaf * 1.1, params), X + 1)
    assert len(traces) == traced
    assert first.loss != second.loss
    assert first.ok
    assert second.ok


@pytest.mark.slow
def test_it_works_without_jit() -> None:
    with jax.disable_jit():
        report = jd.audit(lambda w: jnp.sum(jnp.sin(w)))(np.arange(3.0))
        assert jax.config.jax_disable_jit
    assert report.ok


def test_it_works_inside_the_users_x64_with_float64_models() -> None:
    with jax.enable_x64(True):
        report = jd.audit(lambda w: jnp.sum(jnp.sin(w)))(np.arange(3.0))
    assert report.ok
    assert report.leaves[0].dtype == "float64"
    assert report.leaves[0].gradient.precision < 1e-14
