"""What calls of a model can count on: planted mistakes and healthy twins."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, Float32, Int

from jaxdebug.checks.contracts.batch_sizes import batch_sizes
from jaxdebug.checks.contracts.jit_agrees import jit_agrees
from jaxdebug.checks.contracts.key_reuse import key_reuse
from jaxdebug.checks.contracts.repeats import evaluation_mode, repeats
from jaxdebug.checks.contracts.shapes import shapes
from jaxdebug.checks.outcome import CannotRun
from jaxdebug.checks.subject import Subject
from jaxdebug.reports import Verdict
from tests.checks.small_workloads import classifier, codes, loss_fn, predict


@pytest.fixture(scope="module")
def healthy() -> Subject:
    return Subject(classifier())


@pytest.mark.parametrize("check", [repeats, jit_agrees, key_reuse, batch_sizes])
def test_a_healthy_model_passes(healthy: Subject, check: Any) -> None:
    outcome = check(healthy)
    assert outcome.word == Verdict.PASS, outcome.said


def test_a_loss_with_a_memory_does_not_repeat() -> None:
    calls = iter(range(100))

    def counted() -> np.float32:
        return np.float32(next(calls))

    def loss(params: Any, batch: Any) -> jax.Array:
        count = jax.pure_callback(counted, jax.ShapeDtypeStruct((), jnp.float32))
        return loss_fn(params, batch) + count

    assert codes(repeats(Subject(classifier(loss_fn=loss)))) == ["not-repeatable"]


def test_noise_that_is_drawn_while_tracing_disagrees_without_jit() -> None:
    random = np.random.default_rng(0)

    def loss(params: Any, batch: Any) -> jax.Array:
        return loss_fn(params, batch) + random.normal()

    assert codes(jit_agrees(Subject(classifier(loss_fn=loss)))) == ["jit-disagrees"]


def noisy(params: Any, batch: Any, key: Any) -> jax.Array:
    kept = jax.random.bernoulli(key, 0.5, batch[0].shape)
    return loss_fn(params, (batch[0] * kept, batch[1]))


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_dropout_that_is_live_in_evaluation_is_found(make: Any) -> None:
    def quiet(params: Any, batch: Any, key: Any) -> jax.Array:
        return loss_fn(params, batch)

    extra = (make(0),)
    live = classifier(loss_fn=noisy, eval_loss_fn=noisy, extra=extra)
    assert codes(evaluation_mode(Subject(live))) == ["random-evaluation"]
    healthy = classifier(loss_fn=noisy, eval_loss_fn=quiet, extra=extra)
    assert evaluation_mode(Subject(healthy)).verdict is Verdict.PASS
    with pytest.raises(CannotRun, match="give `eval_loss_fn`"):
        evaluation_mode(Subject(classifier()))


@pytest.mark.parametrize(
    ("dtype", "apart", "found"),
    [
        (jnp.bfloat16, 0.02, []),
        (jnp.bfloat16, 0.2, ["jit-disagrees"]),
        (jnp.float32, 0.02, ["jit-disagrees"]),
    ],
)
def test_jit_may_round_otherwise_in_the_narrowest_format(
    dtype: Any, apart: float, found: list[str]
) -> None:
    calls = iter(range(10))

    def loss(params: Any, batch: Any) -> jax.Array:
        value = loss_fn(params, batch).astype(dtype).astype(jnp.float32)
        return value * (1 + apart) if next(calls) == 0 else value  # compiled first

    assert codes(jit_agrees(Subject(classifier(loss_fn=loss)))) == found


def test_numbers_in_float32_round_as_such_in_a_loss_in_float64() -> None:
    calls = iter(range(10))

    def loss(params: Any, batch: Any) -> jax.Array:
        value = loss_fn(params, batch).astype(jnp.float64)
        return value * (1 + 1e-7) if next(calls) == 0 else value

    with jax.enable_x64(True):
        assert not codes(jit_agrees(Subject(classifier(loss_fn=loss))))


def test_a_key_that_is_used_twice_is_found_with_its_line() -> None:
    def twice(params: Any, batch: Any, key: Any) -> jax.Array:
        noise = jax.random.normal(key, batch[0].shape)
        more = jax.random.normal(key, batch[0].shape)
        return loss_fn(params, (batch[0] + noise + more, batch[1]))

    def once(params: Any, batch: Any, key: Any) -> jax.Array:
        first, second = jax.random.split(key)
        noise = jax.random.normal(first, batch[0].shape)
        more = jax.random.normal(second, batch[0].shape)
        return loss_fn(params, (batch[0] + noise + more, batch[1]))

    extra = (jax.random.key(0),)
    (finding,) = key_reuse(Subject(classifier(loss_fn=twice, extra=extra))).findings
    assert finding.code == "reused-key"
    outcome = key_reuse(Subject(classifier(loss_fn=once, extra=extra)))
    assert outcome.verdict is Verdict.PASS


def test_sizes_that_are_written_down_are_found() -> None:
    def squeezed(params: Any, batch: Any) -> jax.Array:
        return jnp.squeeze(predict(params, batch)[:, None])

    def fixed(params: Any, batch: Any) -> jax.Array:
        return predict(params, batch).reshape(16, 3)

    outcome = batch_sizes(Subject(classifier(predict_fn=squeezed)))
    (finding,) = outcome.findings
    assert "a batch of 1 gives shape (3,)" in finding.message
    outcome = batch_sizes(Subject(classifier(predict_fn=fixed)))
    assert codes(outcome) == ["batch-size"] * 2
    first = outcome.findings[0]
    assert "a batch of 1 raises TypeError" in first.message
    assert first.line is not None
    assert "test_contracts.py" in first.line


def test_outputs_of_pairs_of_examples_follow_the_size() -> None:
    def alike(params: Any, batch: Any) -> jax.Array:
        logits = predict(params, batch)
        return logits @ logits.T

    def ranked(params: Any, batch: Any) -> jax.Array:
        return jax.nn.softmax(alike(params, batch))

    assert not codes(batch_sizes(Subject(classifier(predict_fn=alike))))
    outcome = batch_sizes(Subject(classifier(predict_fn=ranked)))
    assert codes(outcome) == ["batch-size"] * 2


@pytest.mark.parametrize(("wrong", "found"), [(0.0, []), (0.01, ["batch-size"])])
def test_rounding_in_few_digits_is_no_other_answer(
    wrong: float, found: list[str]
) -> None:
    def rounded(params: Any, batch: Any) -> jax.Array:
        logits = predict(params, batch).astype(jnp.bfloat16)
        if len(logits) == 1:  # as other sums for another size
            logits = (1 + wrong) * (logits * 3) / 3
        return logits.astype(jnp.float32)

    assert codes(batch_sizes(Subject(classifier(predict_fn=rounded)))) == found


def test_shapes_are_compared_with_what_is_declared() -> None:
    right = {
        "inputs": Float32[Array, "batch 4"],
        "targets": Int[Array, " batch"],
        "outputs": Float[Array, "batch classes"],
    }
    outcome = shapes(Subject(classifier(expect=right)))
    assert outcome.verdict is Verdict.PASS, outcome.findings
    assert "outputs float32[16,3]" in outcome.said
    for wrong in (
        Float[Array, "batch batch"],
        Float[Array, "3 batch"],
        Int[Array, "..."],
    ):
        (finding,) = shapes(
            Subject(classifier(expect=right | {"outputs": wrong}))
        ).findings
        assert (finding.code, finding.where) == ("unexpected-shape", "outputs")
        assert "found float32[16,3]" in finding.message
    with pytest.raises(CannotRun, match="give `expect`"):
        shapes(Subject(classifier()))
    with pytest.raises(TypeError, match="expect must give types of inputs, targets"):
        classifier(expect={"logits": Float[Array, "batch"]})
