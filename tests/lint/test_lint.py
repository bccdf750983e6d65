"""Mistakes that lint finds, the same programs without them, and what it is given."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx
from flax.training.train_state import TrainState

import jaxdebug as jd
from jaxdebug.checks.lint.lint import NAMES, lint_workload
from jaxdebug.findings import Severity
from jaxdebug.reports import Verdict
from tests.lint.healthy_networks import HEALTHY
from tests.lint.library_functions import library_functions
from tests.lint.mistake import CLASSES, W, X
from tests.lint.planted import ENCODER, PLANTED
from tests.lint.planted_values import log_of_softmax, logits, norms
from tests.lint.programs import healthy
from tests.slow import quick_cases


def warned(report: Any) -> list[str]:
    """What is found above info."""
    return [str(one) for one in report.findings if one.severity is not Severity.INFO]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_found_where_it_is(name: str) -> None:
    planted = PLANTED[name]
    report = jd.lint(planted.fault)(*planted.args)
    found = [
        one
        for one in report[planted.lint].findings
        if one.code == planted.code and one.severity is Severity.WARNING
    ]
    assert [one.where for one in found][:1] == [planted.where], str(report)
    if planted.lint != "unused":
        assert found[0].line is not None
        assert "tests/lint/planted" in found[0].line


@pytest.mark.parametrize("name", PLANTED)
def test_the_same_without_the_mistake_is_passed(name: str) -> None:
    planted = PLANTED[name]
    report = jd.lint(planted.repair)(*planted.args)
    assert not warned(report)


QUICK = ("contrastive", "crf", "masked", "mixture", "overlap", "policy", "sinkhorn")


@pytest.mark.parametrize("name", quick_cases(HEALTHY, QUICK))
def test_a_healthy_network_is_passed(name: str) -> None:
    loss, args = HEALTHY[name]()
    assert not warned(jd.lint(loss)(*args))
    if jax.eval_shape(loss, *args).shape == ():
        assert not warned(jd.lint(jax.grad(loss))(*args))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "name", quick_cases(healthy(), ["nn.Dense", "losses.kl_divergence"], slice_of=24)
)
def test_a_program_of_a_library_is_passed(name: str) -> None:
    made = healthy()[name]()
    assert not warned(jd.lint(made.fn, argnums=made.argnums)(*made.args))


@pytest.mark.acceptance
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_functions_of_the_libraries_are_passed() -> None:
    """Only of what is constant in its argument it is said that it is."""
    every = dict(library_functions())
    said = {
        name: codes
        for name, made in every.items()
        if (codes := warned(jd.lint(made.fn, argnums=made.argnums)(*made.args)))
    }
    assert len(said) <= len(every) / 10
    assert all("severed-parameter" in code for codes in said.values() for code in codes)


def test_a_loss_is_told_by_its_result_and_that_is_said() -> None:
    report = jd.lint(logits)(W, X, CLASSES)
    assert "argument 0 is taken for the parameters" in report.said[0]
    assert report.verdict is Verdict.PASS
    assert not jd.lint(logits, argnums=0)(W, X, CLASSES).said


def test_of_a_train_state_the_parameters_are_looked_at() -> None:
    state = TrainState.create(apply_fn=None, params={"w": W}, tx=optax.adam(0.1))

    def evaluate(state: Any, x: Any, y: Any) -> Any:
        return logits(state.params["w"], x, y)

    report = jd.lint(evaluate)(state, X, CLASSES)
    assert report["unused"].numbers == {"leaves": 1, "unused": 0}
    assert not report.findings


def test_what_is_no_loss_is_not_blamed_for_it() -> None:
    report = jd.lint(lambda w, x, y: jnp.mean((x @ w).argmax(-1) == y))(W, X, CLASSES)
    assert report["unused"].word == "inconclusive"
    assert not report.findings


def test_derivatives_of_the_program_s_own_are_looked_at() -> None:
    report = jd.lint(jax.jit(jax.grad(norms)))(W, X, CLASSES)
    assert [one.code for one in report.findings] == ["unguarded-root"]
    assert report["unused"].word == "not run"


def test_a_root_that_is_not_differentiated_is_passed() -> None:
    def loss(w: Any, x: Any) -> Any:
        return jnp.mean(x @ w) + jax.lax.stop_gradient(jnp.linalg.norm(x @ w))

    assert not jd.lint(loss)(W, X).findings


def test_a_leaf_that_only_the_second_result_reads_is_unused() -> None:
    def loss(p: Any, x: Any) -> Any:
        return jnp.mean(x @ p["a"]), {"other": jnp.sum(p["b"])}

    report = jd.lint(loss)({"a": W, "b": W}, X)
    assert [one.where for one in report.findings] == ["b"]


def test_loops_branches_and_rules_are_entered() -> None:
    @jax.custom_jvp
    def probability(z: Any) -> Any:
        return jax.nn.softmax(z)

    probability.defjvp(lambda z, dz: (jax.nn.softmax(*z), dz[0]))

    def loss(w: Any, x: Any, y: Any) -> Any:
        def body(total: Any, row: Any) -> Any:
            p = jax.lax.cond(total > 0, probability, jax.nn.softmax, row @ w)
            return total - jnp.log(p).mean(), None

        return jax.lax.scan(jax.checkpoint(body), 0.0, x)[0]

    report = jd.lint(loss)(W, X, CLASSES)
    assert [one.code for one in report.findings] == ["unguarded-log"]


def test_modules_are_taken_as_they_are() -> None:
    equinox = eqx.nn.Linear(5, 3, key=jax.random.key(0))
    flax = nnx.Linear(5, 3, rngs=nnx.Rngs(0))

    def loss(model: Any, x: Any, y: Any) -> Any:
        return log_of_softmax(jnp.eye(3), jax.vmap(model)(x), y)

    for model in (equinox, flax):
        report = jd.lint(loss)(model, X, CLASSES)
        assert [one.code for one in report.findings] == ["unguarded-log"]


def test_shapes_are_enough() -> None:
    args = jax.eval_shape(lambda *args: args, W, X, CLASSES)
    report = jd.lint(log_of_softmax)(*args)
    assert [one.code for one in report.findings] == ["unguarded-log"]


def test_a_log_of_an_argument_is_mentioned_and_no_warning() -> None:
    report = jd.lint(lambda x: jnp.log(x).sum())(X)
    assert [one.severity for one in report.findings] == [Severity.INFO]


def test_state_that_is_kept_or_changes_its_type_is_mentioned() -> None:
    big = jnp.ones((600, 600))

    def step(state: Any, x: Any) -> Any:
        w, count = state
        return (w - jax.grad(lambda w: ((x @ w) ** 2).mean())(w), count + jnp.int32(1))

    args = (big, 0), jnp.ones((2, 600))
    report = jd.lint(jax.jit(step))(*args)
    codes = {one.code: one.severity for one in report.findings}
    assert codes == {
        "missed-donation": Severity.INFO,
        "state-changes-type": Severity.INFO,
    }
    donating = jd.lint(jax.jit(step, donate_argnums=0))((big, jnp.int32(0)), args[1])
    assert not donating.findings


def test_captured_arrays_are_mentioned() -> None:
    big = jnp.ones((600, 600))
    report = jd.lint(lambda w, x: (big.sum() * w).sum() + x.sum())(W, X)
    assert [one.code for one in report.findings] == ["large-constant"]


def test_a_workload_is_linted_under_its_name() -> None:
    workload = jd.Workload(
        loss_fn=lambda params, batch: norms(params, batch[0], batch[1]),
        params=W,
        train=[(X, CLASSES)],
        optimizer=optax.sgd(0.1),
        name="norms",
    )
    report = lint_workload(workload, silence=["unguarded-root"])
    assert report.name == "norms"
    assert [one.code for one in report.silenced] == ["unguarded-root"]
    assert not report.findings


def test_lints_are_chosen_by_name() -> None:
    report = jd.lint(norms, only=["root", "log"], skip=["log"])(W, X, CLASSES)
    assert [one.name for one in report.outcomes] == ["root"]
    assert {one.name for one in jd.lint(norms)(W, X, CLASSES).outcomes} == set(NAMES)


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="There are log, division"):
        jd.lint(norms, only=["logs"])
    with pytest.raises(TypeError, match="expects a function"):
        jd.lint(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="argnums"):
        jd.lint(norms, argnums=5)(W, X, CLASSES)
    with pytest.raises(ValueError, match="expected floating-point arrays"):
        jd.lint(norms, argnums=2)(W, X, CLASSES)


def test_several_leaves_are_one_finding() -> None:
    report = jd.lint(PLANTED["unused layer"].fault)(ENCODER, X, CLASSES)
    (finding,) = report.findings
    assert finding.evidence["parameters"] == ["encoder/b", "encoder/w"]
