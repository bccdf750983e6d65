"""Right gradients of six libraries pass; one of JAX that is wrong does not."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.scipy as jsp
import numpy as np
import pytest

import jaxdebug as jd
from tests.slow import quick_cases
from tests.verification.correct_programs import PROGRAMS

SEEDS = (1000, 1001)
"""Two more than `python -m benchmarks gradient_seeds` takes."""

QUICK = ("jax.numpy.linalg qr", "Optax loss after three steps of momentum")


def test_there_are_thirty_and_a_seed_is_data() -> None:
    assert len(PROGRAMS) >= 30
    for name in QUICK:
        one, other, again = (PROGRAMS[name]().args(seed) for seed in (0, 1, 0))
        kinds = [jax.tree.map(jax.typeof, args) for args in (one, other)]
        assert kinds[0] == kinds[1]
        leaves = [jax.tree.leaves(args) for args in (one, other, again)]
        same = [[*map(np.array_equal, leaves[0], each)] for each in leaves[1:]]
        assert all(same[1])
        assert not all(same[0])


@pytest.mark.parametrize("name", quick_cases(PROGRAMS, QUICK, slice_of=10))
def test_right_gradients_pass(name: str) -> None:
    program = PROGRAMS[name]()
    check = jd.check_gradients(program.function)
    for seed in SEEDS:
        report = check(*program.args(seed))
        assert report.verdict != "fail", str(report)


@pytest.mark.slow
def test_jax_is_not_always_right() -> None:
    """I0 is even, so its slope at 0 is 0; JAX adds that of exp(abs(x)) at a kink."""
    x = jnp.asarray([0.0, 0.5], jnp.float32)
    step = 1e-3
    slope = (np.i0(step) - np.i0(-step)) / (2 * step)
    assert slope == 0
    report = jd.check_gradients(jsp.special.i0)(x)
    right = float(jax.grad(jsp.special.i0)(0.0)) == slope
    assert report.ok == right
    if not right:
        (leaf,) = report.leaves
        assert leaf.reason == "differentiable-here"
        assert [block.start for block in leaf.blocks] == [(0,)]


@pytest.mark.slow
def test_what_is_wrong_at_a_point_is_told_by_the_numbers_there() -> None:
    """JAX takes 1 for the slope of abs at 0; the kinks of this loss cancel there."""

    def cross_entropy(logits: jax.Array) -> jax.Array:
        loss = jnp.maximum(logits, 0) + jnp.log1p(jnp.exp(-jnp.abs(logits)))
        return jnp.sum(loss)

    (leaf,) = jd.check_gradients(cross_entropy)(jnp.zeros(3)).leaves
    assert leaf.reason == "differentiable-here"
    assert abs(leaf.slope - leaf.difference) > 1e6 * leaf.bar
