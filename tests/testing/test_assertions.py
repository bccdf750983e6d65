"""Each assertion lets a right function pass, and names what is wrong with another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxdebug import testing
from jaxdebug.checks.report import ReportFailed
from tests.checks.json_schema import problems
from tests.slow import quick_cases

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schema/assertion-1.json").read_text("utf-8")
)

X = jnp.linspace(-2.0, 3.0, 12).reshape(4, 3)


@jax.custom_jvp
def twice(x: Any) -> Any:
    return 2.0 * x


twice.defjvp(lambda primals, tangents: (2.0 * primals[0], 3.0 * tangents[0]))


def counted(x: Any, calls: list[int]) -> Any:
    calls.append(1)
    return x + len(calls)


def branching(x: Any) -> Any:
    return x if x.sum() > 0 else -x


def blocked(params: Any, i: Any) -> Any:
    return params["w"][i] * jax.lax.stop_gradient(params["b"])


def unblocked(params: Any, i: Any) -> Any:
    return params["w"][i] * params["b"]


def fresh_jit(x: Any) -> Any:
    return jax.jit(lambda y: y * 2)(x)


def by_batch(x: Any) -> Any:
    return {"own": x, "mixed": x - x.mean(0)}


PARAMS = {"w": X[0], "b": X[1, :2]}
FIXED = {"static_argnames": "n"}

Assertion = Callable[[], Any]

PASSES: dict[str, Assertion] = {
    "gradients": partial(testing.assert_gradients, jnp.tanh, X),
    "second order": partial(testing.assert_gradients, jnp.tanh, X, order=2),
    "finite": partial(testing.assert_finite, jnp.exp, X),
    "same": partial(
        testing.assert_same_gradients,
        jnp.tanh,
        lambda x: (jnp.exp(2 * x) - 1) / (jnp.exp(2 * x) + 1),
        X,
    ),
    "same, with digits lost": partial(
        testing.assert_same_gradients, jnp.log1p, lambda x: jnp.log(1 + x), 1e-5 * X
    ),
    "same in one argument": partial(
        testing.assert_same_gradients,
        lambda x, y: x * y,
        lambda x, y: x * jax.lax.stop_gradient(y),
        X,
        X,
        argnums=0,
    ),
    "one program": partial(testing.assert_no_retrace, jax.jit(jnp.sin), (X,), (-X,)),
    "one program, of NumPy too": partial(
        testing.assert_no_retrace, jax.jit(jnp.cos), (X,), (np.ones((4, 3), "f"),)
    ),
    "independent": partial(
        testing.assert_batch_independent, lambda x: x - x.mean(1, keepdims=True), X
    ),
    "independent columns": partial(
        testing.assert_batch_independent, lambda x: x - x.mean(0), X, axis=1
    ),
    "independent integers": partial(
        testing.assert_batch_independent, lambda i: X[i], jnp.array([0, 2, 1])
    ),
    "compiled": partial(
        testing.assert_jit_consistent, lambda x: jax.nn.softmax(x @ x.T), X
    ),
    "compiled with a flag": partial(
        testing.assert_jit_consistent, lambda x, up: x if up else -x, X, up=True
    ),
    "compiled with a static argument": partial(
        testing.assert_jit_consistent, jax.jit(lambda x, n: x * n, **FIXED), X, n=3
    ),
}

FAILS: dict[str, tuple[Assertion, str]] = {
    "gradients": (
        partial(testing.assert_gradients, lambda x: twice(x) ** 2, X),
        "wrong-rule",
    ),
    "finite": (
        partial(testing.assert_finite, lambda x: jnp.log(x).sum(), X),
        "log of -2, which is negative",
    ),
    "same, a blocked gradient": (
        partial(
            testing.assert_same_gradients,
            unblocked,
            blocked,
            PARAMS,
            jnp.array([1, 2]),
        ),
        r"gradient of argument 0/b\[\d\] is 0, not",
    ),
    "same, a factor": (
        partial(
            testing.assert_same_gradients, jnp.sin, lambda x: 1.001 * jnp.sin(x), X
        ),
        r"• value\[",
    ),
    "same, an overflow": (
        partial(
            testing.assert_same_gradients,
            jax.nn.logsumexp,
            lambda x: jnp.log(jnp.exp(x).sum()),
            50 * X,
        ),
        "value is inf, not 150",
    ),
    "same, a shape": (
        partial(testing.assert_same_gradients, jnp.sum, jnp.sin, X),
        r"expected float32\[\], found float32\[4,3\]",
    ),
    "same, hidden by roundings": (
        partial(
            testing.assert_same_gradients,
            lambda x: jnp.sin(1e7 * x),
            lambda x: jnp.sin(1e7 * x + 8.0),
            X,
        ),
        "INCONCLUSIVE",
    ),
    "a shape": (
        partial(
            testing.assert_no_retrace,
            jax.jit(lambda state: state["w"] * 2),
            ({"b": X, "w": X},),
            ({"b": X, "w": X[:2]},),
        ),
        r"call 2 compiled .*: argument 0, field w was\s+float32\[4,3\], then\s+float",
    ),
    "a weak type": (
        partial(
            testing.assert_no_retrace, jax.jit(jnp.sinh), (1.0,), (jnp.float32(1),)
        ),
        r"was float32\[\] \(weak\s+type\), then\s+float32\[\]",
    ),
    "a static value": (
        partial(
            testing.assert_no_retrace,
            jax.jit(lambda x, n: x * n, static_argnums=1),
            (X, 2),
            (X, 2),
            (X, 3),
        ),
        "call 3 compiled .*: argument 1 is a static argument: it was 2,\\s+then 3",
    ),
    "a static value of Equinox": (
        partial(
            testing.assert_no_retrace,
            eqx.filter_jit(lambda x, n: x * n),
            (X, 2),
            (X, 3),
        ),
        "argument 1 is a static argument: it was 2,\\s+then 3",
    ),
    "a function made anew": (
        partial(testing.assert_no_retrace, fresh_jit, (X,), (X,)),
        r"call 2 compiled jit\(<lambda>\): no\s+argument\s+differs",
    ),
    "a mean": (
        partial(testing.assert_batch_independent, by_batch, X),
        r"• mixed: example \d depends on example \d",
    ),
    "a neighbour": (
        partial(testing.assert_batch_independent, lambda x: x + jnp.roll(x, -1, 0), X),
        r"example 2 depends on example 3|example 0 depends on example 1",
    ),
    "a sorted batch": (
        partial(testing.assert_batch_independent, lambda x: jnp.sort(x, 0), X),
        "depends on example",
    ),
    "a counter": (
        partial(testing.assert_jit_consistent, partial(counted, calls=[]), X),
        r"called twice as Python, output\[\d, \d\] is",
    ),
    "a value in Python": (
        partial(testing.assert_jit_consistent, branching, X),
        "compiled, it raises TracerBoolConversionError",
    ),
}


@pytest.mark.parametrize(
    "name", quick_cases(PASSES, ["same", "independent", "compiled", "one program"])
)
def test_a_right_function_passes(name: str) -> None:
    assert PASSES[name]().ok


@pytest.mark.parametrize(
    "name",
    quick_cases(
        FAILS, ["same, a blocked gradient", "a shape", "a neighbour", "a counter"]
    ),
)
def test_a_wrong_function_is_named(name: str) -> None:
    assertion, message = FAILS[name]
    with pytest.raises(ReportFailed) as info:
        assertion()
    # Where a line breaks depends on how long the folder's name is.
    assert re.search(message, " ".join(str(info.value).split()))
    # What was raised carries the report, and its text is all of it.
    assert info.value.report.text(width=100) in str(info.value)
    report = info.value.report
    assert not report.ok
    if isinstance(report, testing.AssertionReport):
        assert not problems(json.loads(report.to_json()), SCHEMA, SCHEMA)


def test_every_pair_of_examples_is_looked_at() -> None:
    """Row i depends on row j alone, for all pairs of rows."""

    def function(x: Any, pair: Any) -> Any:
        i, j = pair
        return x.at[i].add(x[j])

    for i in range(3):
        for j in range(3):
            call = partial(
                testing.assert_batch_independent,
                partial(function, pair=(i, j)),
                X[:3, :1],
            )
            if i == j:
                call()
                continue
            with pytest.raises(
                ReportFailed, match=f"example {i} depends on example {j}"
            ):
                call()


@pytest.mark.slow
def test_a_jitted_nnx_module_is_compiled_once() -> None:
    model = nnx.BatchNorm(3, rngs=nnx.Rngs(0))
    step = nnx.jit(lambda model, x: model(x))
    testing.assert_no_retrace(step, (model, X), (model, -X))
    with pytest.raises(ReportFailed, match=r"argument 1 was float32\[4,3\], then"):
        testing.assert_no_retrace(step, (model, X), (model, X[:2]))


@pytest.mark.parametrize(
    ("assertion", "message"),
    [
        (partial(testing.assert_no_retrace, jnp.sin, X, X), "tuple of its arguments"),
        (partial(testing.assert_no_retrace, jnp.sin, (X,)), "two calls or more"),
        (partial(testing.assert_batch_independent, jnp.sin, X[:1]), "two or more"),
        (
            partial(testing.assert_batch_independent, jnp.sum, X),
            "found output of shape",
        ),
        (partial(testing.assert_batch_independent, jnp.sin, X[0], X), "same number"),
        (
            partial(testing.assert_batch_independent, jnp.sin, jnp.ones((4, 3))),
            "all are the same",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(assertion: Assertion, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        assertion()
