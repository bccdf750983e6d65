"""What is not the same twice is inconclusive, and never called wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from jaxdebug.gradients.determinism import same_numbers, spread
from jaxdebug.programs._jax import ir
from jaxdebug.programs.program import trace
from tests.slow import quick_cases
from tests.verification.case import normal, with_rule, working_in

X = normal(20)
_host = np.random.default_rng(0)


def _dropped(x: Any) -> Any:
    """Dropout with a mask that is drawn on the host, when the function is traced."""
    mask = _host.random(x.shape) < 0.5
    return jnp.sum(jnp.where(mask, jnp.sin(x), 0.0))


def _jittered(size: float) -> Callable[[Any, Any], tuple[Any]]:
    def on_host(x: np.ndarray) -> np.ndarray:
        noise = 1 + size * _host.uniform(-1, 1, x.shape)
        return (np.cos(x) * noise).astype(x.dtype)

    def backward(x: Any, g: Any) -> tuple[Any]:
        struct = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return (g * jax.pure_callback(on_host, struct, x),)

    return backward


def _with_jitter(size: float) -> Callable[[Any], Any]:
    rule = with_rule(lambda x: jnp.sin(x), _jittered(size))
    return lambda x: jnp.sum(rule(x))


def _noisy_value(x: Any) -> Any:
    def on_host(x: np.ndarray) -> np.ndarray:
        return (np.sin(x) + 1e-3 * _host.normal(size=x.shape)).astype(x.dtype)

    def value(x: Any) -> Any:
        return jax.pure_callback(on_host, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    return jnp.sum(with_rule(value, lambda x, g: (g * jnp.cos(x),))(x))


def _fixed_key(x: Any) -> Any:
    mask = jax.random.bernoulli(jax.random.key(0), 0.5, x.shape)
    return jnp.sum(jnp.where(mask, jnp.sin(x), 0.0))


CASES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "host randomness in the trace": (_dropped, "inconclusive"),
    "jitter of the backward": (_with_jitter(1e-5), "inconclusive"),
    "noise of the value": (_noisy_value, "inconclusive"),
    "a fixed key": (_fixed_key, "pass"),
    "rounding of the backward": (_with_jitter(1e-16), "pass"),
}


@pytest.mark.parametrize("precision", quick_cases(["float32", "float64"], ["float32"]))
@pytest.mark.parametrize("name", quick_cases(CASES, ["host randomness in the trace"]))
def test_what_is_not_the_same_twice_is_inconclusive(name: str, precision: str) -> None:
    function, verdict = CASES[name]
    with working_in(precision) as dtype:
        report = jd.check_gradients(function)(jnp.asarray(X, dtype))
    assert report.verdict == verdict, str(report)
    codes = {finding.code for finding in report.findings}
    assert codes == (set() if verdict == "pass" else {"nondeterministic-gradient"})


@pytest.mark.parametrize(
    ("declared", "verdict"),
    quick_cases([(1e-5, "pass"), (1e-9, None)], [], slice_of=1),
)
def test_jitter_that_is_declared_passes(declared: float, verdict: str | None) -> None:
    check = jd.check_gradients(_with_jitter(1e-6), jitter=declared)
    with working_in("float64"):
        report = check(jnp.asarray(X))
    assert report.verdict == (verdict or "inconclusive"), str(report)
    assert bool(report.findings) == (verdict is None)


@pytest.mark.parametrize("budget", quick_cases(["standard", "certificate"], []))
def test_declared_jitter_excuses_nothing_that_differences_or_modes_tell(
    budget: Any,
) -> None:
    """JAX trusts the transpose of a solve: there is no coordinate to compare."""

    def loss(w: Any) -> Any:
        solved = jax.lax.custom_linear_solve(
            lambda x: x, w, lambda _, b: b, lambda _, cotangent: 1.001 * cotangent
        )
        return jnp.sum(jnp.sin(solved))

    check = jd.check_gradients(loss, jitter=1e-9, budget=budget)
    report = check(jnp.asarray(X, jnp.float32))
    assert report.verdict == "fail", str(report)
    assert "modes-disagree" in {finding.code for finding in report.findings}


@pytest.mark.slow
def test_what_is_wrong_by_more_than_the_declared_jitter_fails() -> None:
    rule = with_rule(lambda x: jnp.sin(x), lambda x, g: (1.01 * g * jnp.cos(x),))
    check = jd.check_gradients(lambda x: jnp.sum(rule(x)), jitter=1e-5)
    assert check(jnp.asarray(X, jnp.float32)).verdict == "fail"


@pytest.mark.parametrize("jitter", [-1e-3, 1.0, True, "1e-5", float("nan")])
def test_no_jitter_is_refused(jitter: Any) -> None:
    with pytest.raises(ValueError, match="expects jitter to be a number"):
        jd.check_gradients(_fixed_key, jitter=jitter)


@pytest.mark.slow
def test_a_wrong_gradient_with_jitter_is_still_wrong() -> None:
    def backward(x: Any, g: Any) -> tuple[Any]:
        return (2 * _jittered(1e-6)(x, g)[0],)

    rule = with_rule(lambda x: jnp.sin(x), backward)
    with working_in("float64"):
        report = jd.check_gradients(lambda x: jnp.sum(rule(x)))(jnp.asarray(X))
    assert report.verdict == "fail", str(report)
    assert {f.code for f in report.findings} == {
        "wrong-gradient",
        "nondeterministic-gradient",
    }


def test_the_spread_of_two_runs() -> None:
    one = [np.array([1.0, -4.0, np.nan]), np.array([1, 2])]
    other = [np.array([1.0, -3.0, np.nan]), np.array([1, 3])]
    assert [float(gap) for gap in spread(one, other)] == [0.25, 0.0]
    assert [float(gap) for gap in spread(one, one)] == [0.0, 0.0]


def test_two_traces_capture_the_same_numbers_or_do_not() -> None:
    x = np.ones(20, np.float32)
    first, again = (trace(_dropped, x).jaxpr for _ in range(2))
    assert not same_numbers(first, again)
    first, again = (trace(_fixed_key, x).jaxpr for _ in range(2))
    assert same_numbers(first, again)


@pytest.mark.slow
@pytest.mark.parametrize("traced", [1.0, 1.001])
def test_a_gradient_that_is_another_one_without_jit_is_inconclusive(
    traced: float,
) -> None:
    def loss(w: Any) -> Any:
        is_traced = ir.is_traced(w["b"])
        # Within the trace of a gradient w is traced without jit too.
        return jnp.sum(jnp.sin(w["a"])) * (traced if is_traced else 1.0)

    def aside(w: Any, x: Any) -> Any:
        return loss({"a": w, "b": x})

    report = jd.check_gradients(aside, budget="exhaustive")(X, X)
    assert report.verdict == ("pass" if traced == 1 else "inconclusive"), str(report)
    codes = [finding.code for finding in report.findings]
    assert codes == ([] if traced == 1 else ["eager-disagrees"])


@pytest.mark.slow
def test_a_gradient_that_only_jit_computes_says_that_nothing_else_was_asked() -> None:
    def loss(w: Any, x: Any) -> Any:
        if not ir.is_traced(x):
            raise RuntimeError("needs jit")
        return jnp.sum(jnp.sin(w))

    report = jd.check_gradients(loss, budget="exhaustive")(X, X)
    assert report.verdict == "pass", str(report)
    assert "without jit: it raises RuntimeError: needs jit" in report.unchecked[-1]


@pytest.mark.slow
def test_a_certificate_runs_twice_what_is_not_right() -> None:
    report = jd.check_gradients(_with_jitter(1e-3), budget="certificate")(X)
    assert report.verdict == "inconclusive", str(report)
    assert not any("ran once" in each for each in report.unchecked)
