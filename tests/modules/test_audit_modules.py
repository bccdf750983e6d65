"""An audit of modules: differentiated as the framework does, and left untouched."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx

import jaxdebug as jd
from jaxdebug.checks.arguments import AuditInputError, place_arguments
from jaxdebug.checks.audits.audit import audit_workload
from jaxdebug.checks.gradients.problem import split_problem
from tests.modules.test_split import Net, bits

RNG = np.random.default_rng(0)
BATCH = {
    "x": RNG.normal(size=(6, 3)).astype(np.float32),
    "y": np.arange(6, dtype=np.int32) % 3,
}


def cross_entropy(logits: Any, labels: Any) -> Any:
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses.mean()


def nnx_loss(model: Any, batch: Any) -> Any:
    return cross_entropy(model(batch["x"]), batch["y"])


def equinox_loss(model: Any, batch: Any) -> Any:
    return cross_entropy(jax.vmap(model)(batch["x"]), batch["y"])


def gradients(loss: Any, *args: Any) -> dict[str, np.ndarray]:
    """By path, of the parts that an audit differentiates."""
    args, kwargs = place_arguments(args, {})
    parts = split_problem(loss, 0, False, None, args, kwargs, is_loss=True)
    _, *made = parts.gradient(*jax.tree.leaves((args, kwargs)), np.float32(1))
    return dict(zip(parts.split.names, map(np.asarray, made), strict=True))


@pytest.mark.slow
def test_nnx_gradients_are_those_of_nnx_grad() -> None:
    wanted = nnx.grad(nnx_loss)(Net(nnx.Rngs(0)), BATCH)
    by_path = {
        "/".join(map(str, path)): value[...]
        for path, value in nnx.to_flat_state(wanted)
    }
    found = gradients(nnx_loss, Net(nnx.Rngs(0)), BATCH)
    assert found.keys() == by_path.keys()
    for path, array in found.items():
        np.testing.assert_allclose(array, by_path[path], rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_equinox_gradients_are_those_of_filter_grad() -> None:
    model = eqx.nn.MLP(3, 3, 4, 1, key=jax.random.key(0))
    wanted = eqx.filter_grad(equinox_loss)(model, BATCH)
    found = gradients(equinox_loss, model, BATCH)
    for index in range(2):
        for name in ("weight", "bias"):
            np.testing.assert_allclose(
                found.pop(f"layers/{index}/{name}"),
                getattr(wanted.layers[index], name),
                rtol=1e-5,
            )
    assert not found


@pytest.mark.slow
def test_an_nnx_module_passes_and_is_left_untouched() -> None:
    model = Net(nnx.Rngs(0))
    before = bits(model)

    def matrices(tree: Any) -> Any:
        return jax.tree.map(lambda array: array.ndim > 1, tree)

    audited = jd.audit(nnx_loss, optimizer=optax.adamw(1e-3, mask=matrices))
    report = audited(model, BATCH)
    assert report.ok, str(report)
    assert bits(model) == before
    assert {leaf.path for leaf in report.leaves} == {
        "layers/0/bias",
        "layers/0/kernel",
        "layers/1/bias",
        "named/head/bias",
        "named/head/kernel",
        "norm/bias",
        "norm/scale",
    }
    assert type(model) is Net


@pytest.mark.slow
def test_an_equinox_module_passes_in_a_workload() -> None:
    model = eqx.nn.MLP(3, 3, 4, 1, key=jax.random.key(0))
    workload = jd.Workload(
        loss_fn=equinox_loss, params=model, train=[BATCH], optimizer=optax.adam(1e-3)
    )
    report = audit_workload(workload)
    assert report.ok, str(report)
    assert [leaf.path for leaf in report.leaves] == [
        "layers/0/weight",
        "layers/0/bias",
        "layers/1/weight",
        "layers/1/bias",
    ]


class Broken(nnx.Module):
    """Its second layer has a rule whose backward pass forgets a factor."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([nnx.Linear(3, 3, rngs=rngs) for _ in range(2)])

    def __call__(self, x: Any) -> Any:
        @jax.custom_vjp
        def wrong(w: Any) -> Any:
            return w * w

        wrong.defvjp(lambda w: (w * w, w), lambda w, ct: (ct * w,))
        return jnp.tanh(self.layers[0](x)) @ wrong(self.layers[1].kernel[...])


@pytest.mark.slow
def test_a_wrong_rule_inside_a_module_is_found() -> None:
    report = jd.audit(nnx_loss)(Broken(nnx.Rngs(0)), BATCH)
    assert not report.ok
    failed = {
        leaf.path for leaf in report.leaves if str(leaf.gradient.verdict) == "fail"
    }
    assert failed == {"layers/1/kernel"}


@pytest.mark.slow
def test_the_loss_is_traced_once_for_modules_of_one_form() -> None:
    traced = []

    def counted(model: Any, batch: Any) -> Any:
        traced.append(model)
        return equinox_loss(model, batch)

    audited = jd.audit(counted)
    for seed in range(2):
        audited(eqx.nn.Linear(3, 3, key=jax.random.key(seed)), BATCH)
        if seed == 0:
            first = len(traced)
    assert len(traced) == first


# Wrong inputs


def test_a_linen_module_in_place_of_its_parameters() -> None:
    with pytest.raises(TypeError, match=r"Linen module, Dense.*\['params'\]"):
        jd.audit(nnx_loss)(nn.Dense(3), BATCH)
    workload = jd.Workload(loss_fn=nnx_loss, params=nn.Dense(3), train=[BATCH])
    with pytest.raises(ValueError, match=r"workload 'workload':.*Linen module, Dense"):
        audit_workload(workload)


def test_a_module_without_parameters() -> None:
    with pytest.raises(AuditInputError, match=r"floating-point arrays in argument 0"):
        jd.audit(equinox_loss)(eqx.nn.Identity(), BATCH)


def test_a_model_that_is_closed_over() -> None:
    model = eqx.nn.Linear(3, 3, key=jax.random.key(0))
    with pytest.raises(AuditInputError, match="closes over is a constant: hand it in"):
        jd.audit(lambda labels: cross_entropy(jax.vmap(model)(BATCH["x"]), labels))(
            BATCH["y"]
        )


def test_the_class_in_place_of_a_module() -> None:
    with pytest.raises(TypeError, match="argument 0 a leaf of type"):
        jd.audit(nnx_loss)(Net, BATCH)
