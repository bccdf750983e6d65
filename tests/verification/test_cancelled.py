"""What a right rule is off by is not called wrong where other terms cancel."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from tests.verification.case import with_rule, working_in


@pytest.mark.parametrize(("off", "verdict"), [(5e-8, "pass"), (2e-7, "fail")])
def test_a_gap_that_cancellation_makes_larger(off: float, verdict: str) -> None:
    rule = with_rule(jnp.sin, lambda x, g: (g * jnp.cos(x) * (1 + off),))

    def loss(x: Any) -> Any:
        return jnp.sum(rule(x)) - 0.99 * jnp.sin(x[1])

    with working_in("float64"):
        report = jd.check_gradients(loss)(np.array([0.3, 0.5]))
    assert report.verdict == verdict, str(report)
