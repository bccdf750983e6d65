"""The form that is used where the device is no CPU gives the same statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdebug.statistics.moments import gather, moments
from jaxdebug.statistics.one_pass import one_pass
from jaxdebug.statistics.summary import summarize


@pytest.fixture(autouse=True)
def _no_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.int32, np.complex64])
@pytest.mark.parametrize("size", [0, 5, 20_000])
def test_moments_by_plain_reductions(dtype: type, size: int) -> None:
    array = np.asarray(
        np.random.default_rng(0).standard_normal(size) * 3, np.float64
    ).astype(dtype)
    wide = array.astype(np.complex128 if dtype is np.complex64 else np.float64)
    found = summarize(jax.jit(moments)(array))
    assert (found["count"], found["nonfinite"]) == (size, 0)
    assert abs(found["sum"] - wide.sum()) <= 1e-6 * np.abs(wide).sum()
    np.testing.assert_allclose(
        found["max"], np.abs(wide).max(initial=0.0), rtol=1e-6, atol=0
    )


def test_arrays_of_several_kinds_keep_their_order() -> None:
    arrays = [
        np.array([1.0, np.nan, -3.0], np.float32),
        np.array([2, 5], np.int32),
        np.array([1e30, 1e30], np.float32),
    ]
    together = jax.jit(lambda xs: gather([one_pass(x) for x in xs]))(arrays)
    found = summarize(together)
    np.testing.assert_array_equal(found["nonfinite"], [1, 0, 0])
    np.testing.assert_allclose(found["sum"], [-2.0, 7.0, 2e30], rtol=1e-6)
    np.testing.assert_allclose(found["rms"][2], 1e30, rtol=1e-6)
