"""The gradients of the examples at initialisation, where networks sit on kinks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import jaxdebug as jd
from examples import char_transformer, digits_cnn, digits_nnx

EXAMPLES: dict[str, Callable[[int], jd.Workload]] = {
    "digits, Linen": digits_cnn.make_workload,
    "digits, NNX": digits_nnx.make_workload,
    "characters": char_transformer.make_workload,
}


@pytest.mark.acceptance
@pytest.mark.parametrize("name", EXAMPLES)
def test_they_pass_at_twenty_seeds(name: str) -> None:
    first = EXAMPLES[name](0)
    check = jd.check_gradients(first.loss_fn, has_aux=first.has_aux)
    for seed in range(20):
        workload = EXAMPLES[name](seed)
        batch = next(iter(workload.train))
        report = check(workload.params, batch, *workload.extra)
        assert report.ok, f"seed {seed}: {report}"
        assert report.findings == ()
