"""Steps that change NNX objects in place train under the probe as they do alone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxdebug as jd
from tests.frameworks.nnx_grid import ROWS
from tests.frameworks.nnx_steps import (
    STEPS,
    TARGETS,
    new_plain,
    plain,
    squared,
)
from tests.slow import quick_cases

QUICK = ["plain"]


def bits(tree: Any) -> dict[str, bytes]:
    """Every array of every object by its path, and what it holds."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(nnx.split(tree)[1]):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        found[jax.tree_util.keystr(path)] = np.asarray(leaf).tobytes()
    return found


def core(step: Any) -> Any:
    return jd.probe(step, statistics=())


def without_statistics(step: Any) -> Any:
    """Nobody reads the statistics: what is compiled is the step alone."""
    return nnx.jit(lambda *args: core(step)(*args)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", quick_cases(STEPS, QUICK, slice_of=9))
def test_three_steps_leave_the_same_objects(name: str) -> None:
    case = STEPS[name]
    alone, probed = case.make(), case.make()
    jitted, observed = nnx.jit(case.step), without_statistics(case.step)
    for _ in range(3):
        wanted, found = jitted(*alone), observed(*probed)
    assert bits((alone, wanted)) == bits((probed, found))
    assert nnx.graphdef((alone, wanted)) == nnx.graphdef((probed, found))


def largest(array: Any) -> float:
    return float(np.abs(array).max())


@pytest.mark.parametrize(
    "name", quick_cases([n for n, case in STEPS.items() if case.loss], [], slice_of=9)
)
def test_every_leaf_has_its_gradient_and_its_update(name: str) -> None:
    """Against nnx.grad, and against the parameters before and after."""
    case = STEPS[name]
    args = case.make()
    copy = nnx.clone(case.model(*args))
    before = nnx.as_pure(nnx.state(nnx.clone(copy), nnx.Param))
    _, statistics = nnx.jit(jd.probe(case.step))(*args)
    after = nnx.as_pure(nnx.state(case.model(*args), nnx.Param))
    assert case.loss is not None
    gradients = nnx.as_pure(nnx.grad(case.loss)(copy, *args[-case.data :]))
    found = {
        (site.kind, path_without(site.path, {"0", "model"})): numbers["max"]
        for site, numbers in statistics
        if site.kind in ("parameter", "gradient", "update")
    }
    assert statistics.layout.unidentified == ()
    assert {path for kind, path in found if kind == "parameter"} >= set(
        named(gradients)
    )
    for path, gradient in named(gradients).items():
        update = named(after)[path] - named(before)[path]
        for kind, array in {"gradient": gradient, "update": update}.items():
            assert found[kind, path] == pytest.approx(
                largest(array), rel=1e-3, abs=1e-7
            ), (kind, path)


def path_without(path: tuple[str, ...], first: set[str]) -> str:
    return "/".join(path[1:] if path[0] in first else path)


def named(state: Any) -> dict[str, Any]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    }


def kinds(statistics: Any, name: str) -> set[str]:
    return {site.kind for site in statistics.sites if site.name == name}


@pytest.mark.slow
def test_two_models_in_one_step_keep_their_names() -> None:
    case = STEPS["adversarial"]
    _, statistics = jax.eval_shape(jd.probe(case.step), *case.make())
    assert statistics.layout.unidentified == ()
    for model in ("critic", "generator"):
        leaf = f"{model}/linear1/kernel"
        assert kinds(statistics, leaf) == {"parameter", "gradient", "update"}
        # The generator's first call is in the critic's loss.
        call = f"Net_{model}/linear1" + ("" if model == "critic" else "[1]")
        assert kinds(statistics, call) >= {"output", "cotangent"}


def test_what_a_step_leaves_as_it_is_is_said() -> None:
    case = STEPS["frozen"]
    _, statistics = jax.eval_shape(jd.probe(case.step), *case.make())
    assert statistics.layout.unidentified == ()
    unchanged = {"/".join(path) for path in statistics.layout.frozen}
    assert unchanged == {
        f"{layer}/{leaf}"
        for layer, leaves in {
            "linear1": ("bias", "kernel"),
            "norm": ("bias", "scale"),
        }.items()
        for leaf in leaves
    }


def test_a_loss_that_changes_only_averages_has_inputs_and_no_parameters() -> None:
    model, _, x, y = new_plain()
    _, statistics = nnx.jit(core(squared))(model, x, y)
    assert "parameter" not in {site.kind for site in statistics.sites}
    assert statistics.layout.unidentified == ()
    assert model.dropout.rngs is not None
    assert model.dropout.rngs.count[...] == 1


def test_a_step_that_ran_before_without_the_probe() -> None:
    """Flax and JAX keep what they traced; it has no marks."""
    step, args = nnx.jit(plain), new_plain()
    step.trace(*args)
    _, statistics = jax.eval_shape(core(step), *args)
    assert kinds(statistics, "Net/linear1") >= {"output", "cotangent"}
    assert type(args[0].linear1) is nnx.Linear


@pytest.mark.slow
def test_a_cached_partial_of_the_probed_step() -> None:
    alone, probed = new_plain(), new_plain()
    step = nnx.cached_partial(nnx.jit(plain), *alone[:2])
    observed = nnx.cached_partial(without_statistics(plain), *probed[:2])
    for _ in range(3):
        step(ROWS, TARGETS)
        observed(ROWS, TARGETS)
    assert bits(alone) == bits(probed)


@pytest.mark.slow
def test_results_are_the_users_own_objects() -> None:
    model = nnx.Linear(8, 3, rngs=nnx.Rngs(0))
    variable = model.kernel

    def function(model: Any) -> Any:
        fresh = nnx.Dict(sum=nnx.Param(model.kernel.sum()))
        return {"model": model, "kernel": model.kernel}, fresh

    (same, fresh), _ = core(function)(model)
    assert same["model"] is model
    assert same["kernel"] is variable
    assert model.kernel is variable
    assert type(fresh) is nnx.Dict
    fresh.sum[...] = jnp.ones(())  # belongs to no trace


def test_an_argument_at_two_places_is_one_object() -> None:
    model = nnx.Dict(count=nnx.Variable(jnp.zeros(())))

    def function(models: Any, one: Any, other: Any) -> None:
        one[...] += 1
        other[...] += 1
        assert models[0] is models[1]
        models[1]["count"][...] += 1

    core(function)([model, model], model["count"], model["count"])
    assert model["count"][...] == 3


def test_nothing_of_a_step_that_fails_is_done() -> None:
    args = new_plain()
    before = bits(args)

    def fails(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
        plain(model, optimizer, x, y)
        model.linear1 = None
        raise ZeroDivisionError

    for function in (fails, nnx.jit(fails)):
        with pytest.raises(ZeroDivisionError):
            jd.probe(function)(*args)
        assert bits(args) == before


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [nnx.jit, lambda step: step])
def test_objects_that_are_no_arguments_are_refused_and_not_lost(wrap: Any) -> None:
    """Flax empties them before it refuses."""
    model, optimizer, x, y = new_plain()
    models = [model]
    step, before = wrap(plain), bits((model, optimizer))

    with pytest.raises(TypeError, match=r"models/0 \(Net\), optimizer \(Optimizer\)"):
        jd.probe(lambda x: step(models[0], optimizer, x, y))(x)
    assert bits((model, optimizer)) == before
    with pytest.raises(TypeError, match=r"cached_args/0 \(Net\)"):
        jd.probe(nnx.cached_partial(nnx.jit(plain), model, optimizer))(x, y)
    assert bits((model, optimizer)) == before
    with pytest.raises(TypeError, match="found Net, an argument made outside a jax"):
        jax.jit(lambda x: jd.probe(step)(model, optimizer, x, y))(x)
    assert bits((model, optimizer)) == before
    plain(model, optimizer, x, y)


def test_closed_over_objects_that_only_are_read() -> None:
    linear = nnx.Linear(8, 3, rngs=nnx.Rngs(0))
    out, _ = core(lambda x: linear(x))(ROWS)
    np.testing.assert_allclose(out, linear(ROWS), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_under_grad() -> None:
    model, _, x, y = new_plain()
    copy = nnx.clone(model)

    def value(model: Any, x: Any, y: Any) -> Any:
        return jd.probe(squared)(model, x, y)[0]

    wanted = nnx.jit(nnx.grad(squared))(copy, x, y)
    found = nnx.jit(nnx.grad(value))(model, x, y)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        nnx.as_pure(found),
        nnx.as_pure(wanted),
    )
    assert bits(model) == bits(copy)


@pytest.mark.slow
def test_under_vmap() -> None:
    linear = nnx.Linear(8, 3, rngs=nnx.Rngs(0))
    probed = jax.vmap(core(lambda m, x: m(x)), in_axes=(None, 0))
    outs, statistics = probed(linear, ROWS)
    np.testing.assert_allclose(outs, linear(ROWS), rtol=1e-5, atol=1e-6)
    assert statistics.summary("Linear")["count"].shape == (4,)
