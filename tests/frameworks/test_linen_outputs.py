"""Outputs and cotangents of Linen's modules are those that Flax has itself."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import numpy as np
import pytest

from tests.frameworks.linen_grid import captured, initial, loss, perturbed
from tests.frameworks.linen_models import MODELS
from tests.frameworks.recorded import (
    Arrays,
    assert_same,
    by_name,
    recorded,
)
from tests.slow import quick_cases


@cache
def compared(name: str) -> tuple[Any, Arrays, Arrays, bool]:
    """What was found, what Flax says, whether results stayed: one compilation."""
    variables = initial(name)
    params = variables.pop("params")
    own = jax.value_and_grad(loss(name))
    found = recorded(own, params, variables)

    def everything(params: Any, rest: Any) -> Any:
        whole = {"params": params, **rest}
        wanted = {**captured(name, whole), **perturbed(name, whole)}
        return found.run(params, rest), wanted, own(params, rest)

    compiled = jax.jit(everything)
    (out, sites), wanted, plain = jax.device_get(compiled(params, variables))
    same = jax.tree.map(
        lambda a, b: np.allclose(a, b, rtol=1e-5, atol=1e-6), out, plain
    )
    assert found.layers.unidentified == ()
    return found, by_name(sites), dict(wanted), all(jax.tree.leaves(same))


@pytest.mark.parametrize("name", quick_cases(MODELS, ["nested"], slice_of=9))
def test_every_layer_is_flax_own(name: str) -> None:
    _, found, wanted, same = compared(name)
    assert_same(found, wanted)
    assert same
