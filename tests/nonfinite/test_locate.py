"""The locator under the user's settings, and what it says of what it cannot see."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import jaxdebug as jd
from jaxdebug.checks.nonfinite.report import NonfiniteReport
from jaxdebug.checks.report import ReportFailed
from jaxdebug.programs.compilations import compilations
from tests.nonfinite.forward import f32
from tests.slow import quick_cases

X = np.array([1, 0.5, -2], np.float32)


def steps(x: Any) -> Any:
    """A loop, whose body fails in iteration 3 of the last element."""
    return lax.scan(lambda c, _: (c - 1, jnp.log(c)), x + 5, None, length=5)[1]


def located(function: Callable[..., Any], *args: Any, **kwargs: Any) -> NonfiniteReport:
    return jd.locate_nonfinite(function)(*args, **kwargs)


SETTINGS: dict[str, Callable[[], Any]] = {
    "jax_debug_nans": lambda: jax.debug_nans(True),
    "jax_debug_infs": lambda: jax.debug_infs(True),
    "transfer_guard": lambda: jax.transfer_guard("disallow_explicit"),
    "disable_jit": lambda: jax.disable_jit(True),
    "x64": lambda: jax.enable_x64(True),
    "rank_promotion": lambda: jax.numpy_rank_promotion("raise"),
    "dtype_promotion": lambda: jax.numpy_dtype_promotion("strict"),
}


@contextmanager
def settings(*names: str) -> Iterator[None]:
    if not names:
        yield
        return
    with SETTINGS[names[0]](), settings(*names[1:]):
        yield


@pytest.mark.parametrize("name", SETTINGS)
def test_the_users_settings_hold_and_the_answer_is_the_same(name: str) -> None:
    x = jax.device_put(X)
    with settings(name):
        before = jax.config.values.copy()
        report = located(steps, x)
        assert jax.config.values == before
    assert report.failed is not None
    assert report.failed.primitive == "log"
    assert report.failed.iteration == (4,)
    assert report.failed.index == (2,)


def test_a_finite_function_passes() -> None:
    report = located(steps, f32(6, 7))
    assert report.ok
    assert report.outputs == report.findings == report.remedies == ()
    assert located(lambda x: None, X).ok
    assert located(lambda n: {"n": n + 1, "key": jax.random.key(0)}, 3).ok


def test_the_report_is_an_assertion_and_a_finding() -> None:
    report = located(steps, X)
    with pytest.raises(ReportFailed, match=r"log of -1, which\s+is\s+negative"):
        report.raise_if_failed()
    (finding,) = report.findings
    assert finding.code == "nonfinite-operation"
    line = steps.__code__.co_firstlineno + 2
    assert str(finding.line).endswith(f"test_locate.py:{line}")
    assert "What failed" in report.text(width=60)


def test_arguments_are_left_as_they_are() -> None:
    """Nothing is donated, whatever the user's jit says; static arguments stay so."""

    @functools.partial(jax.jit, static_argnames="power", donate_argnums=0)
    def step(x: Any, power: int, scale: Any = 1.0) -> Any:
        return jnp.sqrt(x) ** power * scale

    x = jnp.asarray(X)
    report = located(step, x, power=3, scale=2.0)
    assert report.failed is not None
    assert report.failed.primitive == "sqrt"
    np.testing.assert_array_equal(x, X)


def test_arrays_that_the_function_closes_over_are_no_masks() -> None:
    weights = jnp.zeros(3)
    report = located(lambda: (weights / weights).sum())
    assert report.failed is not None
    assert report.failed.primitive == "div"
    report = located(lambda x: x + jnp.full(3, jnp.nan), X)
    assert "written as a constant" in report.reason
    held = jnp.asarray([0, np.nan, 0], jnp.float32)
    report = located(lambda x: x + held, X)
    assert "in an array that the function closes over" in report.reason
    mask = jnp.full(3, -jnp.inf)
    report = located(lambda x: jax.nn.softmax(x + mask), X)
    assert "every entry of the row is masked" in report.reason


def test_an_input_is_named_with_its_index() -> None:
    params = {"w": X, "b": f32(0, np.nan, 0)}
    report = located(lambda p, x: (p["w"] * x + p["b"]).sum(), params, X)
    assert report.given is not None
    assert report.failed is None
    assert (report.given.name, report.given.index) == ("argument 0, field b", (1,))
    assert report.findings[0].code == "nonfinite-input"


def _masked_norm(x: Any) -> Any:
    return jnp.sqrt(jnp.sum(jnp.where(jnp.arange(3) == 1, 0.0, 1.0) * x**2))


FIRST_REMEDY = {
    # A where that only makes a mask takes no branch away.
    "norm": (jax.grad(_masked_norm), f32(0, 0, 0), "small number inside the root"),
    "branch": (
        jax.grad(lambda x: jnp.sum(jnp.where(x > 0, jnp.sqrt(x), 0.0))),
        f32(0, 1),
        "the branch that is not taken",
    ),
    "scale": (lambda x: x.astype(jnp.float16), f32(1e5), "float32 or bfloat16"),
    "log": (jax.grad(lambda x: jnp.log(x[0])), f32(0), "zeros out of the log"),
}


@pytest.mark.parametrize("name", quick_cases(FIRST_REMEDY, ["norm"]))
def test_what_helps_most_is_said_first(name: str) -> None:
    function, x, words = FIRST_REMEDY[name]
    report = located(function, x)
    assert words in report.remedies[0]
    assert words in report.findings[0].remedies[0]


def test_what_a_callback_made_is_said_to_be_made_there() -> None:
    def callback(x: Any) -> Any:
        made = jax.pure_callback(
            lambda x: np.full(3, np.nan, np.float32),
            jax.ShapeDtypeStruct((3,), np.float32),
            x,
        )
        return made.sum()

    report = located(callback, X)
    assert "made inside pure_callback, which is not seen into" in report.reason
    assert any("pure_callback" in note for note in report.notes)


def test_what_a_reference_held_is_not_identified() -> None:
    def through_a_reference(x: Any) -> Any:
        reference = jax.new_ref(x)
        reference[...] = jnp.log(reference[...])
        return reference[...].sum()

    report = located(through_a_reference, X)
    assert report.verdict.value == "inconclusive"
    assert report.failed is None
    assert "mutable reference" in report.reason


def test_effects_on_the_host_do_not_disturb() -> None:
    def prints(x: Any) -> Any:
        jax.debug.callback(lambda x: None, x, ordered=True)
        return jnp.log(x)

    report = located(prints, X)
    assert report.failed is not None
    assert report.failed.primitive == "log"


def test_empty_arrays_and_loops() -> None:
    report = located(lambda x: x.mean(), np.zeros(0, np.float32))
    assert report.reason.endswith("0/0")

    def loop(x: Any) -> Any:
        return lax.scan(lambda c, r: (c, r), jnp.log(x), jnp.zeros(0))[0]

    report = located(loop, X)
    assert report.failed is not None
    assert report.failed.iteration == ()


@pytest.mark.slow
def test_a_loop_of_any_length_compiles_as_often() -> None:
    def recurrence(x: Any, rows: Any) -> Any:
        def step(c: Any, row: Any) -> Any:
            return jnp.where(row == 3, jnp.log(c - 9), jnp.tanh(c + row)), None

        return lax.scan(step, x, rows)[0]

    def compiled(length: int) -> int:
        rows = np.arange(length, dtype=np.float32)
        with compilations() as names:
            report = located(recurrence, X, rows)
        assert report.failed is not None
        assert report.failed.iteration == (3,)
        return len(names)

    compiled(10)
    assert compiled(60) == compiled(20)


def test_a_mesh_that_is_set_around_the_call() -> None:
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(AxisType.Auto,) * 2)

    def mapped(x: Any) -> Any:
        return jnp.log(x - 3) + lax.psum(x, "a")

    with jax.set_mesh(mesh):
        program = jax.shard_map(mapped, in_specs=P("a"), out_specs=P("a"))
        report = located(program, np.arange(16, dtype=np.float32))
    assert report.failed is not None
    assert report.failed.device == (("a", 0),)
    assert report.failed.index == (0,)


def test_a_method_of_an_optimiser() -> None:
    tx = optax.adam(1e-3, eps=0.0)
    grads = {"w": jnp.zeros(3)}
    report = located(tx.update, grads, tx.init(grads))
    assert report.reason.endswith("0/0")
    assert report.outputs[0].name == "0/w"


def test_what_is_no_function_is_refused() -> None:
    wrong: Any = 3
    with pytest.raises(TypeError, match="locate_nonfinite expects a function"):
        jd.locate_nonfinite(wrong)


def test_a_call_inside_a_trace_is_refused_and_one_of_a_jitted_function_is_not() -> None:
    def fn(w: Any) -> Any:
        return jnp.log(w["a"])

    inside = jax.jit(lambda w: jd.locate_nonfinite(fn)(w).ok)
    with pytest.raises(
        TypeError, match=r"a tracer, float32\[2\], in argument 0, field a"
    ):
        inside({"a": jnp.zeros(2)})
    closed = jax.jit(lambda y: jd.locate_nonfinite(lambda x: x / y)(np.zeros(2)).ok)
    with pytest.raises(TypeError, match="in what <lambda> closes over"):
        closed(jnp.zeros(2))
    assert not jd.locate_nonfinite(jax.jit(fn))({"a": jnp.zeros(2)}).ok
