"""What checkers of gradients see and cost, on the same functions in the same run.

Each function has a rule whose gradient is off by a factor. A checker is asked with
ever smaller errors until it passes one, and with no error at all.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

import jaxdebug as jd
from benchmarks.result import ROOT, Row

PAGE = ROOT / "docs" / "gradient-checkers.md"
ERRORS = tuple(10.0**-power for power in range(1, 9))
"""Relative, of the rule; a sign that is flipped comes before them."""


class Case(NamedTuple):
    """A function of one array, made of parts that NumPy's arrays and tensors share."""

    name: str
    inner: Callable[[Any, Any], Any]
    """Of the namespace of arrays and the argument; what the rule stands around."""
    outer: Callable[[Any, Any], Any]
    """Of the namespace and what the rule returns: a scalar."""
    point: np.ndarray
    dtype: str = "float32"


class Said(NamedTuple):
    """What a checker said, and what it took."""

    passed: bool
    calls: float
    seconds: float


def _points(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=size)


WEIGHTS = np.random.default_rng(1).normal(size=(16, 64)).astype(np.float32) / 4


def _network(np_: Any, x: Any) -> Any:
    weights = np_.asarray(WEIGHTS, dtype=x.dtype)
    return np_.tanh(x.reshape(4, 16) @ weights)


CASES = (
    Case("sin of 3", lambda m, x: m.sin(x), lambda m, y: (y * y).sum(), _points(3)),
    Case("sin of 1 000", lambda m, x: m.sin(x), lambda m, y: y.sum(), _points(1000)),
    Case(
        "squares of 100 000", lambda m, x: x * x, lambda m, y: y.sum(), _points(10**5)
    ),
    Case("two layers", _network, lambda m, y: (y * y).mean(), _points(64)),
    Case("relu at 0", lambda m, x: m.sin(x), lambda m, y: abs(y).sum(), np.zeros(5)),
    Case(
        "sin of 1 000, bfloat16",
        lambda m, x: m.sin(x),
        lambda m, y: y.astype(jnp.float32).sum(),
        _points(1000),
        "bfloat16",
    ),
)


def _in_jax(case: Case) -> tuple[Callable[[Any, Any], Any], jax.Array]:
    """The function with a rule that is off by a factor, which is an argument too."""

    @jax.custom_vjp
    def ruled(x: Any, factor: Any) -> Any:
        return case.inner(jnp, x)

    def forward(x: Any, factor: Any) -> Any:
        value, pull = jax.vjp(lambda x: case.inner(jnp, x), x)
        return value, (pull, factor)

    def backward(kept: Any, cotangent: Any) -> Any:
        pull, factor = kept
        (slope,) = pull(cotangent)
        return (slope * factor).astype(slope.dtype), jnp.zeros_like(factor)

    ruled.defvjp(forward, backward)
    x = jnp.asarray(case.point, case.dtype)
    return lambda x, factor: case.outer(jnp, ruled(x, factor)), x


Checker = Callable[[float], Said]
"""Asks about the gradient that is off by a factor."""


def _asserted(check: Callable[..., None], case: Case) -> Checker:
    """Ask a checker that raises."""
    function, x = _in_jax(case)

    def ask(factor: float) -> Said:
        calls = 0

        def counted(x: Any) -> Any:
            nonlocal calls
            calls += 1
            return function(x, jnp.float32(factor))

        start = time.perf_counter()
        try:
            check(counted, (x,), order=1, modes=["rev"])
            passed = True
        except AssertionError:
            passed = False
        return Said(passed, calls, time.perf_counter() - start)

    return ask


def _jaxdebug(case: Case) -> Checker:
    function, x = _in_jax(case)
    checked = jd.check_gradients(function)

    def ask(factor: float) -> Said:
        start = time.perf_counter()
        report = checked(x, jnp.float32(factor))
        seconds = time.perf_counter() - start
        calls = report.cost["values"] + report.cost["gradients"]
        return Said(report.verdict != "fail", calls, seconds)

    return ask


def _chex(case: Case) -> Checker:
    import chex

    return _asserted(chex.assert_numerical_grads, case)


def _torch(case: Case, fast: bool) -> Checker:
    import torch

    def ask(factor: float) -> Said:

        class Ruled(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                ctx.save_for_backward(x)
                return case.inner(torch, x)

            @staticmethod
            def backward(ctx: Any, cotangent: Any) -> Any:
                (x,) = ctx.saved_tensors
                _, pull = torch.func.vjp(lambda x: case.inner(torch, x), x)
                return pull(cotangent)[0] * factor

        calls = 0

        def counted(x: Any) -> Any:
            nonlocal calls
            calls += 1
            return case.outer(torch, Ruled.apply(x))

        x = torch.tensor(case.point, dtype=torch.float64, requires_grad=True)
        start = time.perf_counter()
        passed = torch.autograd.gradcheck(
            counted, (x,), raise_exception=False, fast_mode=fast
        )
        return Said(passed, calls, time.perf_counter() - start)

    return ask


def _scipy(case: Case) -> Checker:
    """SciPy gives a derivative and its error: a gap beyond both is a failure."""
    from scipy.differentiate import derivative

    function, x = _in_jax(case)
    along = jnp.asarray(np.random.default_rng(2).normal(size=x.shape), x.dtype)

    def ask(factor: float) -> Said:
        calls = 0

        def line(t: Any) -> np.ndarray:
            nonlocal calls
            calls += t.size
            values = [function(x + along * float(step), 1.0) for step in t.ravel()]
            return np.reshape([float(value) for value in values], t.shape)

        start = time.perf_counter()
        found = derivative(line, 0.0)
        slope = float(jnp.vdot(jax.grad(function)(x, jnp.float32(factor)), along))
        gap = abs(slope - float(found.df))
        passed = not found.success or gap <= float(found.error) + 1e-8 * abs(slope)
        return Said(bool(passed), calls, time.perf_counter() - start)

    return ask


def _checkers(case: Case) -> Iterator[tuple[str, Checker]]:
    yield "jaxdebug", _jaxdebug(case)
    yield "jax check_grads", _asserted(check_grads, case)
    yield "chex", _chex(case)
    yield "scipy derivative", _scipy(case)
    # One difference for each element; the fast mode falls back to that if it fails.
    if find_spec("torch") and case.dtype == "float32" and case.point.size <= 1000:
        yield "torch gradcheck", _torch(case, fast=False)
        yield "torch gradcheck, fast", _torch(case, fast=True)


def _ask(checker: Checker) -> tuple[float, Said]:
    """The smallest error caught, and what it says of the right gradient."""
    right = checker(1.0)
    smallest = math.inf
    for error in (2.0, *ERRORS):
        if checker(1.0 - error).passed:
            break
        smallest = error
    return smallest, right


def measure() -> list[Row]:
    """Ask every checker about every case, and write the page of the docs."""
    rows, lines = [], []
    for case in CASES:
        for name, checker in _checkers(case):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                smallest, right = _ask(checker)
            words = {math.inf: "none", 2.0: "a flipped sign"}
            caught = words.get(smallest, f"{smallest:.0e}")
            # What refuses the right gradient too catches nothing.
            caught = caught if right.passed else "-"
            alarm = "passes" if right.passed else "false alarm"
            cells = (case.name, name, caught, alarm, f"{right.calls:.0f}")
            lines.append("| " + " | ".join((*cells, f"{right.seconds:.2f}")) + " |")
            rows.append(
                Row(
                    what=f"{case.name}: {name}",
                    seconds=right.seconds,
                    held=right.passed and smallest <= CATCHES
                    if name == "jaxdebug"
                    else None,
                    note=f"smallest error caught: {caught}; right gradient: {alarm}",
                )
            )
    PAGE.write_text(HEAD + "\n".join(lines) + "\n", "utf-8")
    return rows


CATCHES = 1e-6
"""The relative error that has to be caught in float32 and bfloat16 models."""

HEAD = """\
# Checkers of gradients, side by side

`python -m benchmarks gradient_checkers` writes this page. Each function has a custom
rule whose gradient is off by a relative error; a checker is asked with a flipped sign,
then with errors from 1e-1 down to 1e-8, until it passes one. All have their default
settings. The error caught is the smallest before that. A false alarm is a right
gradient that is refused. Calls are of the function (for jaxdebug values and gradients
in float64; for scipy steps along one direction, beyond whose error and the slope's own
rounding a gap counts). Seconds are those of one check of the right gradient, with
compilation. "relu at 0" is the absolute value at its kink. PyTorch's checks run on its
own version of the function, in float64, which they ask for; of 100 000 elements they
take hours once they disagree, and are left out.

| function | checker | smallest error caught | right gradient | calls | seconds |
| --- | --- | --- | --- | --- | --- |
"""
