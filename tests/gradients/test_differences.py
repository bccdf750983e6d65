"""Central differences of every leaf, from one compiled loop."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.gradients.differences import (
    COARSE,
    JITTER,
    STEPS,
    Differences,
    central_differences,
    evaluations,
)
from jaxdebug.gradients.directions import gaussian
from jaxdebug.gradients.verdict import estimate


def measure(loss: object, leaves: list[np.ndarray]) -> tuple[Differences, list, list]:
    paths = [(str(index),) for index in range(len(leaves))]
    pairs = list(zip(leaves, paths, strict=True))
    directions = [gaussian(leaf, path, "direction", 0) for leaf, path in pairs]
    shifts = [gaussian(leaf, path, "jitter", 0) for leaf, path in pairs]
    with jax.enable_x64(True):
        run = jax.jit(
            lambda *a: central_differences(loss, jax.grad(loss), *a)  # type: ignore[arg-type]
        )
        return jax.device_get(run(leaves, directions, shifts)), directions, shifts


def test_losses_and_gradients_are_those_of_both_points() -> None:
    def loss(leaves: list) -> jax.Array:
        return jnp.sum(jnp.sin(leaves[0])) * leaves[1] + jnp.sum(leaves[2] ** 2)

    leaves = [np.arange(1.0, 4), np.asarray(2.0), np.zeros((0, 2))]
    found, directions, shifts = measure(loss, leaves)
    assert found.losses.shape == (2, 3, 1 + len(STEPS), 2)
    assert found.losses.size + found.loss.size == evaluations(3)
    for point, amount in enumerate((0.0, JITTER)):
        x, scale, _ = (a + amount * d for a, d in zip(leaves, shifts, strict=True))
        np.testing.assert_allclose(found.loss[point], np.sin(x).sum() * scale)
        np.testing.assert_allclose(found.gradients[0][point], np.cos(x) * scale)
        for index, step in enumerate((COARSE, *STEPS)):
            up = np.sin(x + step * directions[0]).sum() * scale
            np.testing.assert_allclose(found.losses[point, 0, index, 0], up, rtol=1e-14)
    assert not np.any(np.diff(found.losses[:, 2].reshape(2, -1), axis=1))


def test_the_gradient_of_a_complex_leaf_gives_its_slope() -> None:
    """JAX's gradient g of a real loss moves it by Re(g dz)."""

    def loss(leaves: list) -> jax.Array:
        z = leaves[0]
        return jnp.sum(jnp.abs(z) ** 4 + jnp.real(z**2 * (1 + 3j)))

    leaf = np.array([1 + 2j, -0.3 + 0.1j])
    found, (direction,), _ = measure(loss, [leaf])
    for point in (0, 1):
        slope = np.sum(np.real(found.gradients[0][point] * direction))
        measured = estimate(found.losses[point, 0, 1:], float(found.loss[point]))
        assert abs(slope - measured.slope) <= measured.bar < 1e-4 * abs(slope)
