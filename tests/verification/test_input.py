"""What `check_gradients` is given: refused, named where it is broken, or compared."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdebug as jd
from tests.slow import quick_cases

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
W = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)


def _loss(params: Any, x: Any) -> Any:
    return jnp.mean((x @ params["w"] + 1) ** 2)


WRONG_INPUT: dict[str, tuple[Any, str]] = {
    "no function": (
        lambda: jd.check_gradients(3),
        "check_gradients expects a function",
    ),
    "a seed that is none": (
        lambda: jd.check_gradients(_loss, seed=-1),
        "check_gradients expects seed",
    ),
    "no argument": (
        lambda: jd.check_gradients(_loss, argnums=5)({"w": W}, X),
        "expected argnums",
    ),
    "integers": (
        lambda: jd.check_gradients(_loss)({"w": np.ones((3, 2), int)}, X),
        "expected floating-point arrays",
    ),
    "a string": (
        lambda: jd.check_gradients(_loss)({"w": "kernel"}, X),
        "expected arguments that are pytrees of arrays",
    ),
    "no aux": (
        lambda: jd.check_gradients(_loss, has_aux=True)({"w": W}, X),
        "has_aux=True",
    ),
    "a gradient of another shape": (
        lambda: jd.check_gradients(_loss, gradient={"w": np.ones(3)})({"w": W}, X),
        "expected a gradient with the names and shapes",
    ),
    "a gradient with other names": (
        lambda: jd.check_gradients(_loss, gradient={"kernel": W})({"w": W}, X),
        "names and shapes of the parameters, w .*; found kernel",
    ),
    "a shape in place of an array": (
        lambda: jd.check_gradients(_loss)(
            {"w": jax.ShapeDtypeStruct((3, 2), jnp.float32)}, X
        ),
        "found at argument 0, field w a leaf of type ShapeDtypeStruct",
    ),
    "a gradient of no scalar": (
        lambda: jd.check_gradients(lambda w: w**2, gradient=lambda w: 2 * w)(W),
        "expected a function that returns a scalar",
    ),
    "expected that is a number": (
        lambda: jd.check_gradients(_loss, expected=3),  # type: ignore[arg-type]
        "expected to be names",
    ),
    "expected that is no name": (
        lambda: jd.check_gradients(_loss, expected=(3,)),
        "expected to be names",
    ),
}


@pytest.mark.parametrize("name", WRONG_INPUT)
def test_wrong_input_is_refused_with_what_was_expected(name: str) -> None:
    call, text = WRONG_INPUT[name]
    with pytest.raises((TypeError, ValueError), match=text):
        call()


BROKEN: dict[str, tuple[Any, str]] = {
    "a parameter": (({"w": np.full_like(W, np.nan)}, X), "nonfinite-parameter"),
    "an example": (({"w": W}, np.where(X[1, 1] == X, np.nan, X)), "nonfinite-data"),
    "the value": (({"w": W}, X, -1.0), "nonfinite-loss"),
}


@pytest.mark.parametrize("name", quick_cases(BROKEN, ["the value"]))
def test_what_is_not_finite_before_any_gradient_is_what_is_named(name: str) -> None:
    args, code = BROKEN[name]

    def loss(params: Any, x: Any, scale: Any = 1.0) -> Any:
        return _loss(params, x) + jnp.log(scale)

    report = jd.check_gradients(loss)(*args)
    assert report.verdict == "fail"
    assert [finding.code for finding in report.findings] == [code]


def test_a_gradient_of_one_argument_may_stand_in_a_tuple() -> None:
    params = {"w": jnp.asarray(W)}
    gradient = jax.grad(_loss, argnums=(0,))(params, X)
    check = jd.check_gradients(_loss, argnums=(0,), gradient=gradient)
    assert check(params, X).ok


@pytest.mark.slow
def test_a_gradient_that_is_a_value_is_compared_element_by_element() -> None:
    params = {"w": jnp.asarray(W)}
    gradient = np.asarray(jax.grad(_loss)(params, X)["w"])
    checks = {
        name: jd.check_gradients(_loss, gradient={"w": value})(params, X)
        for name, value in {
            "right": gradient,
            "in float64": 2 / 8 * X.T @ (X.astype(float) @ W + 1),
            "another": gradient + np.float32([[0, 0], [0, 1e-3], [0, 0]]),
            "nan": np.where(gradient == gradient[0, 0], np.nan, gradient),
        }.items()
    }
    assert checks["right"].ok
    assert checks["in float64"].ok
    for name, index in {"another": (1, 1), "nan": (0, 0)}.items():
        (leaf,) = checks[name].leaves
        assert (leaf.verdict, leaf.index) == ("fail", index)
        assert checks[name].findings[0].where == "w"


@pytest.mark.slow
def test_a_name_that_is_expected_in_vain_is_mentioned() -> None:
    report = jd.check_gradients(_loss, expected=("clip*",))({"w": W}, X)
    assert report.ok
    assert report.unchecked == (
        "expected='clip*': no custom rule and no function called here has that name",
    )
