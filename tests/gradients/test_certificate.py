"""The bound on a gradient's error misses as often as it promises, and no more."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxdebug.gradients.certificate import certify
from jaxdebug.gradients.draws import direction, draws

TRIALS = 40_000


@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.999])
@pytest.mark.parametrize("count", [1, 4])
def test_it_misses_at_the_promised_rate(confidence: float, count: int) -> None:
    """The slope's error along a normal direction is normal, with the error's norm."""
    gaps = np.random.default_rng(count).normal(size=(TRIALS, count))
    # A sum of squares decides, so that one call tells the scale of the bound.
    unit = certify([1.0] * count, [0.0] * count, 1.0, confidence).error
    bounds = unit * np.linalg.norm(gaps, axis=1) / np.sqrt(count)
    few = (certify(row, [0.0] * count, 1.0, confidence).error for row in gaps[:50])
    np.testing.assert_allclose([*few], bounds[:50])
    missed, promised = np.mean(bounds < 1), 1 - confidence
    assert abs(missed - promised) < 4 * np.sqrt(promised / TRIALS)


@pytest.mark.parametrize("wrong", ["one element", "a row", "all"])
def test_directions_miss_no_more_however_the_error_lies(wrong: str) -> None:
    """With the directions that are really drawn, and the error where it may lie."""
    seeds, confidence, count = 400, 0.9, 4
    error = np.zeros((64, 64))
    error[{"one element": (3, 5), "a row": (7,), "all": ()}[wrong]] = 1.0
    error /= np.linalg.norm(error)
    words = np.stack(
        [draws([("w",)], [error], seed).words for seed in range(seeds)], dtype=np.uint32
    )
    blocks = draws([("w",)], [error], 0)

    def gap(words: jax.Array, index: jax.Array) -> jax.Array:
        (along,) = direction(blocks._replace(words=words), index, [error])
        return jnp.sum(along * error)

    with jax.enable_x64(True):
        gaps = np.asarray(
            jax.jit(
                lambda words: lax.map(
                    lambda each: jax.vmap(lambda k: gap(each, k))(jnp.arange(count)),
                    words,
                )
            )(words)
        )
    bounds = [certify(row, [0.0] * count, 1.0, confidence).error for row in gaps]
    missed = np.mean(np.array(bounds) < 1)
    promised = 1 - confidence
    assert abs(missed - promised) < 4 * np.sqrt(promised / seeds)
    # The errors of slopes have the norm of the gradient's error as their deviation.
    assert np.mean(gaps**2) == pytest.approx(1, abs=4 * np.sqrt(2 / gaps.size))


def test_bars_widen_it_and_no_gradient_has_no_bound() -> None:
    tight, wide = (certify([1e-6] * 4, [bar] * 4, 1.0).error for bar in (0.0, 1e-6))
    assert wide == pytest.approx(2 * tight)
    assert certify([1e-6] * 4, [0.0] * 4, 0.0).error == np.inf
    assert certify([0.0] * 4, [0.0] * 4, 0.0).error == 0.0
    assert certify([np.nan] * 4, [0.0] * 4, 1.0).error == np.inf
