"""The kit accepts statistics that add up and names the law a wrong one breaks."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.statistics.histogram import HISTOGRAM
from jaxdebug.statistics.statistic import Statistic
from jaxdebug.testing import assert_statistic
from tests.slow import quick_cases

COUNT = Statistic(
    "positive",
    measure=lambda x: jnp.sum(x > 0, dtype=jnp.int32),
    finalize=lambda count: {"positive": count},
)
LARGEST = Statistic(
    "largest positive",
    measure=lambda x: jnp.max(jnp.where(x > 0, x, 0), initial=0).astype(jnp.float32),
    finalize=lambda largest: {"largest_positive": largest},
    combine=jnp.maximum,
)


@pytest.mark.parametrize(
    "statistic", quick_cases([COUNT, LARGEST, HISTOGRAM], [], slice_of=1)
)
def test_statistics_that_add_up_pass(statistic: Statistic) -> None:
    assert_statistic(statistic)


WRONG = {
    "empty must change nothing": replace(
        COUNT, empty=lambda s: jnp.ones(s.shape, s.dtype)
    ),
    "commutative": replace(COUNT, combine=lambda a, b: a + 2 * b),
    "halves": replace(COUNT, measure=lambda x: jnp.mean(x > 0).astype(jnp.float32)),
    "one form": replace(COUNT, measure=lambda x: (x > 0).astype(jnp.int32)),
    "names of its own": replace(COUNT, finalize=lambda count: {"count": count}),
    "leading axes": replace(COUNT, finalize=lambda count: {"positive": np.sum(count)}),
}


@pytest.mark.parametrize("law", WRONG)
def test_a_broken_law_is_named(law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        assert_statistic(WRONG[law])


def test_what_is_no_statistic_is_refused() -> None:
    with pytest.raises(TypeError, match="Statistic"):
        assert_statistic(lambda x: x)


def test_a_statistic_is_measured_by_kind_and_summed_over_a_scan() -> None:
    def model(x: jax.Array) -> jax.Array:
        def body(carry: jax.Array, row: jax.Array) -> tuple[jax.Array, None]:
            with jax.named_scope("cell"):
                carry = jnp.tanh(carry + row)
            return carry * 1.0, None

        return jax.lax.scan(body, jnp.zeros(3), x)[0]

    outputs_only = replace(COUNT, kinds=("output",))
    x = jnp.ones((5, 3))
    _, stats = jax.jit(jd.probe(model, statistics=[outputs_only]))(x)
    assert stats.summary("cell")["positive"].tolist() == [3] * 5
    named = [site.kind for site, numbers in stats if "positive" in numbers]
    assert set(named) == {"output"}


def test_an_unknown_statistic_or_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"spread.*found 'spred'"):
        jd.probe(jnp.sin, statistics=["spred"])
    with pytest.raises(ValueError, match="found 'unit'"):
        jd.probe(jnp.sin, statistics="unit")
    with pytest.raises(ValueError, match="outputs"):
        replace(COUNT, kinds=("outputs",))
