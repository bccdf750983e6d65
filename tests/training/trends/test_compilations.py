"""A step compiled at every call is told with the argument; a few sizes are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxdebug as jd
from jaxdebug.findings import Finding
from tests.slow import quick_cases
from tests.training.trends.trainings import of_trends

RANDOM = np.random.default_rng(0)


def _scaled(w: Any, x: Any, rate: Any = 0.1) -> Any:
    factor = rate(1.0) if callable(rate) else rate
    return w - factor * x.sum()


def _findings(step: Callable[..., Any], calls: Iterable[Any]) -> list[Finding]:
    w = jnp.ones(())
    # Without a second program: a trace of each signature is all that it would add.
    with jd.watch(step, every=1000) as watched:
        for args in calls:
            w = watched(w, *args)
    return of_trends(watched)


X = np.ones(4, np.float32)
STATIC = jax.jit(_scaled, static_argnums=2)

COMPILED: Mapping[str, tuple[Any, list[Any], str]] = {
    "a rate that is static": (
        STATIC,
        [(X, 0.1 / (i + 1)) for i in range(12)],
        "argument 2 is a static argument",
    ),
    "a new function at each call": (
        STATIC,
        [(X, lambda one: 0.1 * one) for _ in range(12)],
        "argument 2 is a static argument",
    ),
    "a count that is static": (
        STATIC,
        [(X, i) for i in range(30)],
        "argument 2 is a static argument: it was",
    ),
    "sequences that grow": (
        jax.jit(_scaled),
        [(np.ones(i, np.float32),) for i in range(1, 30)],
        "argument 1 was float32[",
    ),
    "NNX": (
        nnx.jit(_scaled, static_argnums=2),
        [(X, 0.1 / (i + 1)) for i in range(12)],
        "argument 2 is a static argument",
    ),
    "a Python number, which Equinox makes static": (
        eqx.filter_jit(_scaled),
        [(X, 0.1 / (i + 1)) for i in range(12)],
        "argument 2",
    ),
}


@pytest.mark.parametrize("name", quick_cases(COMPILED, ["a rate that is static"]))
def test_what_compiles_at_every_call_is_told_once(name: str) -> None:
    step, calls, said = COMPILED[name]
    (finding,) = _findings(step, calls)
    assert finding.code == "compiled-every-step"
    assert said in finding.message


@partial(jax.jit, static_argnames="train")
def _with_mode(w: Any, x: Any, train: bool) -> Any:
    return w - x.sum() if train else w


FEW: Mapping[str, tuple[Any, list[Any]]] = {
    "one shape": (jax.jit(_scaled), [(X,)] * 40),
    "a smaller last batch": (
        jax.jit(_scaled),
        [(X[: 4 - (i % 8 == 7)],) for i in range(40)],
    ),
    "sixteen lengths": (
        jax.jit(_scaled),
        [(np.ones(n, np.float32),) for n in RANDOM.integers(1, 17, 200)],
    ),
    "sixteen lengths in order": (
        jax.jit(_scaled),
        [(np.ones(1 + i % 16, np.float32),) for i in range(64)],
    ),
    "two modes": (_with_mode, [(X, i % 3 > 0) for i in range(40)]),
    "a Python number": (jax.jit(_scaled), [(X, 0.1 / (i + 1)) for i in range(40)]),
    "arrays of either kind": (
        jax.jit(_scaled),
        [(X if i % 2 else jnp.asarray(X),) for i in range(40)],
    ),
    "not jitted as a whole": (
        _scaled,
        [(np.ones(i, np.float32),) for i in range(1, 30)],
    ),
}


@pytest.mark.parametrize("name", quick_cases(FEW, ["a smaller last batch"]))
def test_a_few_signatures_are_not_told(name: str) -> None:
    assert not _findings(*FEW[name])


def test_a_finding_is_in_the_report_and_in_the_run(tmp_path: Path) -> None:
    w = jnp.ones(())
    # JAX shares the programs of a function that is jitted twice: these are new.
    static = jax.jit(_scaled, static_argnums=2)
    with jd.watch(static, run_dir=tmp_path) as step:
        for i in range(10):
            w = step(w, X, 0.003 + 0.07 * i)
    (finding,) = jd.load_run(tmp_path).findings
    assert finding in step.report().findings
    assert finding.code == "compiled-every-step"
