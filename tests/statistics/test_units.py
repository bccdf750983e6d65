"""Activation functions and softmaxes are found, and their units counted right."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

import jaxdebug as jd
from jaxdebug.programs.graph import build_graph
from jaxdebug.programs.layers.activations import activations
from tests.slow import quick_cases

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "relu": (jax.nn.relu, False),
    "max": (lambda h: jnp.maximum(h, 0), False),
    "where": (lambda h: jnp.where(h > 0, h, 0.0), False),
    "leaky": (jax.nn.leaky_relu, False),
    "elu": (jax.nn.elu, False),
    "gelu": (jax.nn.gelu, False),
    "exact gelu": (lambda h: jax.nn.gelu(h, approximate=False), False),
    "silu": (jax.nn.silu, False),
    "written silu": (lambda h: h * jax.nn.sigmoid(h), False),
    "softplus": (jax.nn.softplus, False),
    "mish": (jax.nn.mish, False),
    "tanh": (jnp.tanh, True),
    "sigmoid": (jax.nn.sigmoid, True),
    "relu6": (jax.nn.relu6, True),
    "hard tanh": (jax.nn.hard_tanh, True),
    "scaled tanh": (lambda h: 1.7 * jnp.tanh(h * 0.66), True),
}
NONE = {
    "identity": lambda h: h,
    "linear": lambda h: 2.0 * h - 1.0,
    "square": jnp.square,
    "exp": jnp.exp,
    "sqrt": lambda h: jnp.sqrt(jnp.abs(h)),
    "residual": lambda h: h + h[:, ::-1],
}

KEY = jax.random.key(0)
WEIGHTS = jax.random.normal(KEY, (6, 5)) * 3
INPUTS = jax.random.normal(jax.random.key(1), (40, 6))
OUT = jnp.ones((5, 2))


def measured_activations(fn: Callable[..., Any], *args: Any) -> list[tuple[Any, Any]]:
    _, stats = jax.jit(jd.probe(fn, statistics="units"))(*args)
    return [(site, n) for site, n in stats if site.kind == "activation"]


def _loss(function: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda w: jnp.sum(jnp.tanh(function(INPUTS @ w) @ OUT) ** 2)


@pytest.mark.parametrize("differentiated", [False, True], ids=["plain", "gradient"])
@pytest.mark.parametrize("name", quick_cases(FUNCTIONS, ("relu", "tanh"), slice_of=3))
def test_the_slope_counts_active_and_saturated(name: str, differentiated: bool) -> None:
    function, bounded = FUNCTIONS[name]
    loss = _loss(function)
    run = jax.value_and_grad(loss) if differentiated else loss
    (_, numbers), *_ = measured_activations(run, WEIGHTS)
    hidden = INPUTS @ WEIGHTS
    slope = np.abs(jax.vmap(jax.vmap(jax.grad(function)))(hidden))
    grid = jnp.linspace(-10, 10, 401)
    steepest = np.abs(jax.vmap(jax.grad(function))(grid)).max()
    assert bool(numbers["bounded"]) is bounded
    assert int(numbers["units"]) == 5
    assert int(numbers["examples"]) == 40
    # An element right at a threshold may fall on either side.
    np.testing.assert_allclose(
        numbers["active"], (slope > 1e-3 * steepest).sum(0), atol=1
    )
    np.testing.assert_allclose(
        numbers["saturated"], (slope < 0.1 * steepest).sum(0), atol=1
    )


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *(("max", "relu"), ("where", "relu"), ("written silu", "silu")),
        *(("tanh", "tanh"), ("gelu", "gelu"), ("exact gelu", "gelu")),
        *(("mish", "mish"), ("scaled tanh", "mul tanh"), ("relu6", "relu6")),
    ],
)
def test_a_function_has_the_name_of_its_values(name: str, known: str) -> None:
    traced = jax.make_jaxpr(jax.grad(_loss(FUNCTIONS[name][0])))(WEIGHTS)
    (found, *_) = activations(build_graph(traced))
    assert found.site.primitive == known


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_activation_function_is_none(name: str) -> None:
    def model(w: jax.Array) -> jax.Array:
        return jnp.sum(NONE[name](INPUTS @ w) @ OUT)

    assert measured_activations(model, WEIGHTS) == []


def test_a_loss_is_no_layer() -> None:
    def loss(w: jax.Array) -> jax.Array:
        return jnp.mean(jax.nn.softplus(INPUTS @ w))

    assert measured_activations(jax.value_and_grad(loss), WEIGHTS) == []


@pytest.mark.slow
@pytest.mark.slow
def test_the_scalars_of_a_line_search_have_no_units() -> None:
    optimizer = optax.lbfgs()

    def loss(params: Any) -> Any:
        return jnp.sum((params - 3) ** 2) + jnp.sum(params**4)

    @jax.jit
    def step(params: Any, state: Any) -> Any:
        value, g = optax.value_and_grad_from_state(loss)(params, state=state)
        updates, state = optimizer.update(
            g, state, params, value=value, grad=g, value_fn=loss
        )
        return optax.apply_updates(params, updates), state

    params = jnp.zeros(5)
    _, stats = jd.probe(step)(params, optimizer.init(params))
    assert {site.kind for site in stats.sites} == {"parameter", "gradient", "update"}


def test_the_channels_of_a_convolution_are_its_units() -> None:
    kernel = jax.random.normal(KEY, (7, 3, 3, 3))  # out, in, height, width

    def model(kernel: jax.Array, images: jax.Array) -> jax.Array:
        with jax.named_scope("conv"):
            maps = lax.conv_general_dilated(
                images,
                kernel,
                (1, 1),
                "SAME",
                dimension_numbers=("NCHW", "OIHW", "NCHW"),
            ) + jnp.arange(-3.0, 4.0).reshape(7, 1, 1)
        return jax.nn.relu(maps).mean((2, 3)) @ jnp.ones((7, 2))

    images = jax.random.normal(KEY, (2, 3, 8, 8))
    ((site, numbers),) = measured_activations(model, kernel, images)
    assert site.name == "conv"
    assert numbers["active"].shape == (7,)
    assert int(numbers["examples"]) == 2 * 8 * 8


@pytest.mark.slow
def test_each_iteration_of_a_scan_over_layers_has_its_own_counts() -> None:
    stacked = jnp.stack([jnp.eye(4), -jnp.eye(4), jnp.eye(4)])

    def model(stacked: jax.Array, x: jax.Array) -> jax.Array:
        @jax.checkpoint
        def layer(h: jax.Array, w: jax.Array) -> tuple[jax.Array, None]:
            with jax.named_scope("layer"):
                h = h @ w - 0.1
            return jax.nn.relu(h), None

        return jnp.sum(lax.scan(layer, x, stacked)[0])

    x = jnp.ones((10, 4))
    for run in (model, jax.value_and_grad(model)):
        ((site, numbers),) = measured_activations(run, stacked, x)
        assert site.name == "layer"
        assert numbers["active"].tolist() == [[10] * 4, [0] * 4, [0] * 4]


def test_a_derivative_rule_of_the_user_gives_the_slope() -> None:
    @jax.custom_vjp
    def leaking(h: jax.Array) -> jax.Array:
        return jnp.maximum(h, 0)

    leaking.defvjp(lambda h: (jnp.maximum(h, 0), h), lambda h, g: (g,))

    def model(w: jax.Array) -> jax.Array:
        return jnp.sum(leaking(INPUTS @ w) @ OUT)

    ((_, numbers),) = measured_activations(model, WEIGHTS)
    assert numbers["active"].tolist() == [40] * 5


@pytest.mark.parametrize("name", quick_cases(("relu", "max", "where"), ("relu",)))
def test_a_kink_at_zero_says_nothing_of_a_unit(name: str) -> None:
    """Unit 0 gets nothing, unit 1 nothing or negative numbers, unit 2 is alive."""
    weights = jnp.zeros((6, 5)).at[0, 1].set(-1).at[0, 2].set(1)
    inputs = jnp.zeros((40, 6)).at[:10, 0].set(2)

    def loss(w: jax.Array) -> jax.Array:
        return jnp.sum(FUNCTIONS[name][0](inputs @ w) @ OUT)

    for run in (loss, jax.grad(loss)):
        ((_, numbers),) = measured_activations(run, weights)
        assert numbers["active"].tolist() == [0, 0, 10, 0, 0]
        assert numbers["saturated"].tolist() == [0, 10, 0, 0, 0]


def test_a_slope_at_zero_counts_where_there_is_no_kink() -> None:
    for function in (jnp.tanh, jax.nn.leaky_relu, jax.nn.gelu):
        ((_, numbers),) = measured_activations(_loss(function), jnp.zeros((6, 5)))
        assert numbers["active"].tolist() == [40] * 5
    ((_, numbers),) = measured_activations(_loss(jnp.abs), jnp.zeros((6, 5)))
    assert numbers["saturated"].tolist() == [0] * 5


def test_nan_is_neither_active_nor_saturated() -> None:
    def model(w: jax.Array) -> jax.Array:
        return jnp.sum(jnp.tanh(INPUTS @ w) @ OUT)

    ((_, numbers),) = measured_activations(model, WEIGHTS.at[0, 2].set(jnp.nan))
    assert numbers["active"][2] == 0
    assert numbers["saturated"][2] == 0
    assert numbers["active"][0] > 0


def test_a_softmax_says_how_sure_it_is() -> None:
    def attend(scores: jax.Array, values: jax.Array) -> jax.Array:
        with jax.named_scope("attention"):
            weights = jax.nn.softmax(scores, axis=-1)
        return weights @ values

    scores = jnp.array([[9.0, 0, 0], [0, 0, 0], [-jnp.inf, 0, 0], [-jnp.inf] * 3])
    values = jnp.ones((3, 2))
    expected = np.exp(scores[:3]) / np.exp(scores[:3]).sum(1, keepdims=True)
    for run in (attend, jax.value_and_grad(lambda s, v: attend(s, v)[:3].sum())):
        _, stats = jax.jit(jd.probe(run, statistics="units"))(scores, values)
        numbers = stats.summary("attention", "softmax")
        assert int(numbers["count"]) == 3
        assert int(numbers["saturated"]) == 1
        np.testing.assert_allclose(
            numbers["largest"], expected.max(1).mean(), rtol=1e-6
        )


MASKS: dict[str, Callable[[Any, Any], Any]] = {
    "infinite": lambda mask, scores: jnp.where(mask, scores, -jnp.inf),
    "lowest": lambda mask, scores: jnp.where(mask, scores, jnp.finfo("float32").min),
    "added": lambda mask, scores: scores + jnp.where(mask, 0.0, -1e4),
}


@pytest.mark.parametrize("mask", quick_cases(MASKS, ()))
def test_rows_without_a_choice_do_not_count(mask: str) -> None:
    """Causal, and every fourth sequence is one token with padding behind it."""
    causal = jnp.tril(jnp.ones((8, 8), bool))
    real = (jnp.arange(8) == 0) | (jnp.arange(8) % 4 != 3)[:, None]

    def attend(scores: jax.Array) -> jax.Array:
        masked = MASKS[mask](causal & real[:, None, :], scores)
        with jax.named_scope("attention"):
            return jax.nn.softmax(masked, -1)

    scores = 4 * jax.random.normal(KEY, (8, 8, 8))
    for run in (attend, jax.value_and_grad(lambda s: attend(s)[..., 0].sum())):
        _, stats = jax.jit(jd.probe(run, statistics="units"))(scores)
        numbers = stats.summary("attention", "softmax")
        weights = np.asarray(attend(scores))
        choices = np.asarray(causal & real[:, None, :]).sum(-1)
        largest = weights.max(-1)[choices > 1]
        assert int(numbers["count"]) == largest.size == 42
        assert int(numbers["single"]) == 22
        assert int(numbers["saturated"]) == (largest > 0.99).sum()
        np.testing.assert_allclose(numbers["largest"], largest.mean(), rtol=1e-5)


def test_large_scores_are_no_masks() -> None:
    def attend(scores: jax.Array) -> jax.Array:
        with jax.named_scope("attention"):
            return jax.nn.softmax(scores, -1)

    scores = 1e5 * jax.random.normal(KEY, (64, 8))
    _, stats = jax.jit(jd.probe(attend, statistics="units"))(scores)
    numbers = stats.summary("attention", "softmax")
    assert (int(numbers["count"]), int(numbers["single"])) == (64, 0)


def test_cross_entropy_is_no_softmax() -> None:
    def loss(logits: jax.Array) -> jax.Array:
        return -jnp.mean(jax.nn.log_softmax(logits)[:, 0])

    _, stats = jax.jit(jd.probe(jax.value_and_grad(loss)))(jnp.ones((4, 3)))
    assert [site for site in stats.sites if site.kind == "softmax"] == []
