"""Every optimiser of Optax, alone and behind a clip by the norm of all gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.parameters.carried import carried_leaves
from jaxdebug.programs.parameters.leaves import leaf_gradients, path_names, state_leaves
from jaxdebug.programs.places import is_inexact
from jaxdebug.programs.program import trace
from tests.slow import quick_cases
from tests.steps.arrays_at import arrays_at
from tests.steps.train_step import X, Y, mse, parameters

NAMES = [
    "adabelief",
    "adadelta",
    "adan",
    "adafactor",
    "adagrad",
    "adam",
    "adamw",
    "adamax",
    "adamaxw",
    "amsgrad",
    "fromage",
    "lamb",
    "lars",
    "lion",
    "nadam",
    "nadamw",
    "novograd",
    "optimistic_gradient_descent",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
    "sign_sgd",
    "signum",
    "yogi",
]
CONTRIBUTED = [
    "acprop",
    "ademamix",
    "adopt",
    "cocob",
    "dadapt_adamw",
    "dog",
    "dowg",
    "galore",
    "madgrad",
    "momo",
    "muon",
    "prodigy",
    "schedule_free_adamw",
    "schedule_free_sgd",
    "simplified_ademamix",
]


def _contributed(name: str) -> Any:
    make = getattr(optax.contrib, name)
    return make() if name in ("cocob", "prodigy", "dog", "dowg") else make(1e-2)


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    **{name: lambda name=name: getattr(optax, name)(1e-2) for name in NAMES},
    **{name: lambda name=name: _contributed(name) for name in CONTRIBUTED},
    "centralized": lambda: optax.chain(
        optax.centralize(), optax.adaptive_grad_clip(0.1), optax.sgd(0.1)
    ),
    "averaged": lambda: optax.chain(optax.ema(0.9), optax.sgd(0.1)),
    "noisy": lambda: optax.chain(
        optax.add_noise(0.1, 0.1, key=0), optax.trace(0.9), optax.scale(-0.1)
    ),
    "masked": lambda: optax.masked(
        optax.adam(1e-2), lambda params: jax.tree.map(lambda p: p.ndim > 0, params)
    ),
    "mechanic": lambda: optax.contrib.mechanize(optax.adam(1e-2)),
    "polyak": lambda: optax.polyak_sgd(),
    "plateau": lambda: optax.chain(optax.adam(1e-2), optax.contrib.reduce_on_plateau()),
    "every_third": lambda: optax.chain(optax.apply_every(3), optax.sgd(0.1)),
    "newton": lambda: optax.lbfgs(0.1, linesearch=None),
    "newton_on_a_line": lambda: optax.lbfgs(),
    "backtracking": lambda: optax.chain(
        optax.sgd(1.0), optax.scale_by_backtracking_linesearch(3)
    ),
    "partition": lambda: optax.partition(
        {"matrix": optax.adam(1e-2), "other": optax.sgd(0.1)},
        lambda params: jax.tree.map(
            lambda p: "matrix" if p.ndim > 1 else "other", params
        ),
    ),
    "every_other_time": lambda: optax.transforms.conditionally_mask(
        optax.adam(1e-2), lambda step: step % 2 == 0
    ),
    "sum_of_three": lambda: optax.MultiSteps(
        optax.adam(1e-2), 3, use_grad_mean=False
    ).gradient_transformation(),
    "skipped": lambda: optax.MultiSteps(
        optax.adam(1e-2), 3, should_skip_update_fn=optax.skip_not_finite
    ).gradient_transformation(),
    "in_two_turns": lambda: optax.GradientTransformation(
        *optax.contrib.sam(
            optax.sgd(0.1), optax.chain(optax.contrib.normalize(), optax.sgd(0.05))
        )
    ),
}


@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("name", quick_cases(OPTIMIZERS, [], slice_of=4))
def test_the_gradient_is_found_under_every_optimizer(name: str, clipped: bool) -> None:
    """All leaves, scalars too, have the gradient that `jax.grad` gives, and Δ."""
    optimizer = OPTIMIZERS[name]()
    if clipped:
        optimizer = optax.chain(optax.clip_by_global_norm(0.1), optimizer)
    params = jax.tree.map(jnp.asarray, parameters())
    _check(optax.with_extra_args_support(optimizer), params, mse)


@pytest.mark.slow
def test_the_gradient_of_complex_parameters_is_found() -> None:
    """Under an optimiser that sees real and imaginary parts."""

    def loss(params: Any, x: Any, y: Any) -> Any:
        hidden = x @ params["w1"]
        return jnp.mean(jnp.abs(hidden @ params["w2"] - y) ** 2)

    real = parameters()
    params = {name: jnp.asarray(real[name] * (1 + 2j)) for name in ("w1", "w2")}
    optimizer = optax.contrib.split_real_and_imaginary(optax.adam(1e-2))
    _check(optax.with_extra_args_support(optimizer), params, loss)


def _check(
    optimizer: optax.GradientTransformationExtraArgs, params: Any, loss: Any
) -> None:
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, x, y)
        updates, state = optimizer.update(
            grads,
            state,
            params,
            value=value,
            grad=grads,
            value_fn=lambda params: loss(params, x, y),
        )
        return optax.apply_updates(params, updates), state

    args = (params, optimizer.init(params), X, Y)
    program = trace(step, *args)
    graph = build_graph(program.jaxpr)
    results = jax.tree.unflatten(program.out_tree, range(len(graph.outputs)))
    inputs = [path[1:] for path in path_names((args, {}))]
    leaves = state_leaves(inputs, path_names(results), graph)
    trained = leaf_gradients(graph, leaves)
    found = {f.leaf.path[-1]: f for f in trained}
    assert found.keys() == params.keys()
    state = [leaf.leaf for leaf in trained]
    carried = carried_leaves(graph, inputs, path_names(results), leaves, state)
    assert {leaf.path for leaf in carried} == {
        path
        for path, node in zip(inputs, graph.inputs, strict=True)
        if path[0] == "1" and is_inexact(graph.avals[node])
    }
    places = {name: f.place for name, f in found.items() if f.place is not None}
    assert places.keys() == params.keys(), [f.reason for f in found.values()]
    reading = arrays_at(program, places.values())
    _, arrays = jax.jit(lambda leaves: reading(leaves))(jax.tree.leaves(args))
    for leaf, gradient in jax.grad(loss)(params, X, Y).items():
        np.testing.assert_allclose(arrays[places[leaf]], gradient, 1e-4, 1e-6)
        assert found[leaf].added is not None
