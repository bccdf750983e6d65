"""What is wrong on a sampled step is in the run as soon as it was seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.findings import Severity
from jaxdebug.findings.finding import found
from jaxdebug.training.recorder.sightings import Sightings

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 8)).astype(np.float32)
W = RANDOM.normal(size=(8, 32)).astype(np.float32)


@jax.jit
def _step(params: Any, x: Any) -> Any:
    def loss(params: Any) -> Any:
        with jax.named_scope("hidden"):
            h = jax.nn.relu(x @ params["w"] + params["b"])
        return jnp.mean((h @ params["out"] - 1) ** 2)

    value, g = jax.value_and_grad(loss)(params)
    return jax.tree.map(lambda p, g: p - 0.01 * g, params, g), value


@pytest.mark.slow
def test_a_layer_that_dies_is_in_a_run_that_was_not_closed(tmp_path: Path) -> None:
    """At step 0 it is healthy, and nothing is found; at step 2 its biases are moved."""
    params = {"w": W, "b": np.zeros(32, np.float32), "out": W.T[:, :1].copy()}
    watched = jd.watch(_step, every=2, run_dir=tmp_path)
    for step in range(5):
        if step == 2:
            params = {**params, "b": np.full(32, -100.0, np.float32)}
        params, _ = watched(params, X)
    assert watched.history.writer.flush()
    run = jd.load_run(tmp_path)
    reported = [f for f in watched.report().findings if f.code == "dead-units"]
    watched.close()
    _, dead = run.statistic("hidden", "dead", kind="activation")
    assert dead[0] < 0.5
    assert dead[1] == dead[2] == 1.0
    assert {f.evidence["step"] for f in run.findings} == {2}
    (finding,) = [f for f in run.findings if f.code == "dead-units"]
    assert "(seen at step 2)" in finding.message
    # The last sample has it too, with its own numbers: it is said once.
    assert len(reported) == 1


def test_a_finding_is_told_once_and_again_if_it_is_worse() -> None:
    sightings = Sightings()
    mild = found("dead-units", "hidden", "x", severity=Severity.INFO)
    worse = replace(mild, severity=Severity.WARNING)
    told = [[*sightings.fresh(step, [f])] for step, f in enumerate((mild, mild, worse))]
    assert [len(each) for each in told] == [1, 0, 1]
    assert not [*sightings.fresh(3, [mild, worse])]
    assert [*sightings.fresh(4, [replace(mild, where="other")])]


def _scaled(is_applied: bool) -> Any:
    """A step with a loss scale that is too high at first."""

    @jax.jit
    def step(state: Any, x: Any) -> Any:
        def loss(w: Any) -> Any:
            with jax.named_scope("out"):
                y = (x @ w).astype(jnp.float16)
            return jnp.mean(jnp.square(y)).astype(jnp.float32) * scale

        w, scale = state
        g = jax.grad(loss)(w) / scale
        is_finite = jnp.all(jnp.isfinite(g)) | is_applied
        w = jnp.where(is_finite, w - 0.01 * g, w)
        return w, jnp.where(is_finite, scale, scale / 2**10)

    return step


@pytest.mark.slow
@pytest.mark.parametrize("is_applied", [False, True])
def test_a_gradient_that_the_step_passes_over_is_no_error(is_applied: bool) -> None:
    state = jnp.ones((8, 4)), jnp.float32(2**24)
    watched = jd.watch(_scaled(is_applied), every=2, on_nonfinite=lambda _: None)
    for _ in range(5):
        state = watched(state, X[:4])
    watched.close()
    told = [f for f in watched.report().findings if f.code == "nonfinite-cotangent"]
    assert [f.severity for f in told] == [[Severity.INFO], [Severity.ERROR]][is_applied]
    assert watched.report().ok is not is_applied
    assert is_applied or "passed over it" in told[0].message
