"""Healthy models of every kind pass: no failure, no error, nothing invented."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest

import jaxdebug as jd
from jaxdebug.checks.audits.report import AuditReport

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.standard_normal((6, 8, 8, 1)).astype(np.float32)
IMAGES[:, :3] = 0
"""Blank pixels: with zero biases the first pre-activations sit on relu's kink."""
LABELS = RANDOM.integers(0, 3, 6)


def passes(report: AuditReport, unused: tuple[str, ...] = ()) -> dict[str, str]:
    """Why each leaf passes; fails if one does not, or is said to be unused."""
    assert report.verdict.value == "pass", str(report)
    loud = [(f.code, f.where) for f in report.findings if f.severity != "info"]
    assert loud == [("severed-parameter", name) for name in unused]
    return {leaf.path: leaf.gradient.reason for leaf in report.leaves}


class ConvNet(nn.Module):
    """relu on blank pixels, zero biases, ties in the pool."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.max_pool(nn.relu(nn.Conv(3, (3, 3))(x)), (2, 2), (2, 2))
        return nn.Dense(3)(x.reshape(x.shape[0], -1))


@pytest.mark.slow
def test_relu_and_pool_on_their_kinks() -> None:
    net = ConvNet()
    params = jax.jit(net.init)(jax.random.key(0), IMAGES)

    def loss(params: Any, images: jax.Array, labels: jax.Array) -> jax.Array:
        scores = net.apply(params, images)
        return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()

    audited = jd.audit(loss, optimizer=optax.adamw(1e-3))
    reasons = set()
    for shift in range(5):
        images = np.roll(IMAGES, shift, 2)
        reasons.update(passes(audited(params, images, LABELS)).values())
    assert "kink" in reasons
    report = audited(params, IMAGES, LABELS)
    assert all(leaf.update is not None for leaf in report.leaves)
    assert {"ConvNet/Conv_0", "ConvNet/Dense_0"} <= {x.site.name for x in report.layers}


class Normalised(nn.Module):
    """BatchNorm, dropout and an embedding, in bfloat16."""

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = nn.Embed(7, 4, dtype=jnp.bfloat16)(tokens)
        x = nn.Dense(5, dtype=jnp.bfloat16)(x)
        x = nn.BatchNorm(use_running_average=False, dtype=jnp.bfloat16)(x)
        return nn.Dropout(0.5, deterministic=False)(nn.tanh(x)).astype(jnp.float32)


@pytest.mark.slow
def test_batchnorm_dropout_and_embedding_in_bfloat16() -> None:
    net, tokens = Normalised(), RANDOM.integers(0, 7, (4, 3))
    key = jax.random.key(1)
    variables = jax.jit(net.init)({"params": key, "dropout": key}, tokens)

    def loss(params: Any, batch: Any, statistics: Any, key: Any) -> Any:
        variables = {"params": params, "batch_stats": statistics}
        out, new = net.apply(
            variables, batch["t"], rngs={"dropout": key}, mutable=["batch_stats"]
        )
        return jnp.mean((out - 1) ** 2), new

    report = jd.audit(loss, has_aux=True)(
        variables["params"], {"t": tokens}, variables["batch_stats"], key
    )
    reasons = passes(report)
    # A bias in front of a normalisation has no effect but rounding.
    assert reasons["Dense_0/bias"] in ("negligible", "no-effect", "agrees")
    rounding = [leaf.gradient.precision for leaf in report.leaves]
    assert max(rounding[1:]) > 1e-4


@pytest.mark.slow
def test_leaves_of_every_kind() -> None:
    """Integers and keys among the parameters, empty, scalar, complex, tied, unused."""

    def loss(p: Any, x: jax.Array) -> jax.Array:
        noise = jax.random.normal(p["key"], x.shape)
        h = (x + noise * 0.1) @ p["tied"] * p["count"]
        back = jnp.tanh(h) @ p["tied"].T
        waves = jnp.abs(jnp.fft.fft(back)[:, :2] * p["complex"]) ** 2
        half = (back @ p["half"]).astype(jnp.float32)
        empty = p["empty"].sum() + p["empty"].size
        return waves.mean() * p["scalar"] + half.mean() + empty + p["python"] ** 2

    params = {
        "key": jax.random.key(5),
        "count": np.int32(2),
        "tied": jnp.asarray(RANDOM.standard_normal((3, 4)), jnp.float32),
        "complex": np.array([1 + 1j, 0.5j], np.complex64),
        "half": RANDOM.standard_normal((3, 2)).astype(ml_dtypes.bfloat16),
        "empty": np.zeros((0, 3), np.float32),
        "scalar": np.float32(0.7),
        "unused": np.ones(3, np.float32),
        "python": 0.3,
        "nothing": None,
        "list": [],
    }
    x = RANDOM.standard_normal((5, 3)).astype(np.float32)
    report = jd.audit(loss)(params, x)
    reasons = passes(report, unused=("unused",))
    assert reasons == {
        "complex": "agrees",
        "empty": "empty",
        "half": "agrees",
        "python": "agrees",
        "scalar": "agrees",
        "tied": "agrees",
        "unused": "no-effect",
    }
    dtypes = {leaf.path: leaf.dtype for leaf in report.leaves}
    assert (dtypes["half"], dtypes["complex"]) == ("bfloat16", "complex64")
    assert (dtypes["python"], dtypes["tied"]) == ("float32", "float32")


def quadratic(a: Any, b: Any, c: Any) -> jax.Array:
    return jnp.sum((a["w"] * b["w"] - c) ** 2)


A, B, C = {"w": np.full(3, 2.0)}, {"w": np.arange(3.0)}, np.ones(3)


@pytest.mark.parametrize(
    ("argnums", "paths"),
    [
        (-2, ["w"]),
        ([2, 0], ["0/w", "2"]),
        pytest.param((0, 1), ["0/w", "1/w"], marks=pytest.mark.slow),
        pytest.param(-1, ["(params)"], marks=pytest.mark.slow),
    ],
)
def test_argnums_of_every_form(argnums: Any, paths: list[str]) -> None:
    report = jd.audit(quadratic, argnums=argnums)(A, B, C)
    passes(report)
    assert [leaf.path for leaf in report.leaves] == paths


def test_keyword_arguments_and_a_jitted_loss() -> None:
    @jax.jit
    def loss(w: jax.Array, *, x: jax.Array) -> jax.Array:
        return jnp.sum(jnp.sin(w * x))

    loss(np.ones(3, np.float32), x=np.ones(3, np.float32))
    passes(jd.audit(loss)(np.ones(3), x=np.ones(3)))
    x = np.array([1, np.nan, 2])
    (finding,) = [
        f for f in jd.audit(loss)(np.ones(3), x=x).findings if "data" in f.code
    ]
    assert finding.where == "x"


@pytest.mark.slow
def test_a_rule_on_a_kink_is_no_wrong_gradient_next_to_rounding() -> None:
    """At 0 the rule of softplus gives ½, its body 0; beside it they differ by 1e-16."""

    def loss(w: Any, x: Any) -> jax.Array:
        return jnp.mean(jax.nn.softplus(x @ w) * jnp.exp(jnp.arange(5) / 3))

    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    report = jd.audit(loss)(np.zeros(4, np.float32), x)
    assert report.ok, str(report)
    assert [rule.reason for rule in report.rules] == ["kink"]
