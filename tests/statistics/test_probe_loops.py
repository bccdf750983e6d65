"""Statistics made inside loops that run under vmap."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdebug.statistics.probe import probe


def test_a_loop_under_vmap_stops_each_element_on_its_own() -> None:
    def loop(x: jax.Array, times: jax.Array) -> jax.Array:
        def body(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            count, h = state
            with jax.named_scope("cell"):
                h = jnp.sin(h) * 1.1
            return count + 1, h * 1.0

        first = (jnp.int32(0), x)
        return jax.lax.while_loop(lambda state: state[0] < times, body, first)[1]

    x, times = jnp.arange(12.0).reshape(4, 3), jnp.array([1, 5, 0, 3])
    each = jax.vmap(loop)
    out, stats = jax.jit(probe(each))(x, times)
    assert np.array_equal(out, jax.jit(each)(x, times))
    # Five iterations of all elements: those that are done are carried along.
    assert int(stats.summary("cell")["count"]) == 5 * 12
    alone, _ = jax.jit(jax.vmap(probe(loop)))(x, times)
    assert np.array_equal(out, alone)
