"""Train steps that change NNX objects in place, and what they are called with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from tests.frameworks.nnx_grid import (
    ROWS,
    SEQUENCES,
    Mapped,
    RematScan,
    Shared,
    loss,
)

RNG = np.random.default_rng(1)
TX = optax.adamw(0.05)
TARGETS = RNG.normal(size=(4, 2)).astype(np.float32)


class Net(nnx.Module):
    """Running averages, a random stream and two layers."""

    def __init__(self, rngs: nnx.Rngs, width: int = 6, outputs: int = 2):
        self.linear1 = nnx.Linear(8, width, rngs=rngs)
        self.norm = nnx.BatchNorm(width, rngs=rngs)
        self.dropout = nnx.Dropout(0.25, rngs=rngs)
        self.linear2 = nnx.Linear(width, outputs, rngs=rngs)

    def __call__(self, x):
        return self.linear2(self.dropout(jnp.tanh(self.norm(self.linear1(x)))))


class Step(NamedTuple):
    """A step, its arguments as new objects, and its loss by the model alone."""

    step: Callable[..., Any]
    make: Callable[[], tuple[Any, ...]]
    model: Callable[..., Any] = lambda *args: args[0]
    loss: Callable[..., Any] | None = None
    """Of the model and the last arguments; None if there are several."""
    data: int = 2
    """How many of the last arguments are data."""


def optimizer_of(model: Any, wrt: Any = nnx.Param) -> nnx.Optimizer:
    return nnx.Optimizer(model, TX, wrt=wrt)


def squared(model: Any, x: Any, y: Any) -> jax.Array:
    return jnp.mean((model(x) - y) ** 2)


def plain(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    value, grads = nnx.value_and_grad(squared)(model, x, y)
    optimizer.update(model, grads)
    return value


def new_plain() -> tuple[Any, ...]:
    model = Net(nnx.Rngs(0))
    return model, optimizer_of(model), ROWS, TARGETS


def with_metrics(model: Any, optimizer: Any, x: Any, y: Any, metrics: Any) -> None:
    def with_aux(model: Any) -> Any:
        out = model(x)
        return jnp.mean((out - y) ** 2), out

    (value, out), grads = nnx.value_and_grad(with_aux, has_aux=True)(model)
    optimizer.update(model, grads)
    metrics.update(loss=value, values=jnp.abs(out).mean())


def new_with_metrics() -> tuple[Any, ...]:
    metrics = nnx.MultiMetric(
        loss=nnx.metrics.Average("loss"), size=nnx.metrics.Average()
    )
    return *new_plain(), metrics


def holding(both: Any, x: Any, y: Any) -> Any:
    """The optimiser holds the model."""
    value, grads = nnx.value_and_grad(squared)(both.model, x, y)
    both.update(grads)
    return value


def new_holding() -> tuple[Any, ...]:
    return nnx.ModelAndOptimizer(Net(nnx.Rngs(0)), TX), ROWS, TARGETS


def adversarial(models: Any, optimizers: Any, x: Any, noise: Any) -> dict[str, Any]:
    """The critic learns from the generator, then the generator from the critic."""

    def critics(critic: Any, generator: Any) -> Any:
        made = generator(noise)
        return jnp.mean(nnx.softplus(critic(made)) + nnx.softplus(-critic(x)))

    def generators(generator: Any, critic: Any) -> Any:
        return jnp.mean(nnx.softplus(-critic(generator(noise))))

    critic, generator = models["critic"], models["generator"]
    first, grads = nnx.value_and_grad(critics)(critic, generator)
    optimizers["critic"].update(critic, grads)
    second, grads = nnx.value_and_grad(generators)(generator, critic)
    optimizers["generator"].update(generator, grads)
    return {"critic": first, "generator": second}


def new_adversarial() -> tuple[Any, ...]:
    models = {
        "critic": Net(nnx.Rngs(0), outputs=1),
        "generator": Net(nnx.Rngs(1), outputs=8),
    }
    optimizers = {name: optimizer_of(model) for name, model in models.items()}
    return models, optimizers, ROWS, np.flip(ROWS, 0)


def frozen(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    """Only the last layer is trained."""
    wrt = nnx.DiffState(0, nnx.All(nnx.Param, nnx.PathContains("linear2")))
    value, grads = nnx.value_and_grad(squared, argnums=wrt)(model, x, y)
    optimizer.update(model, grads)
    return value


def new_frozen() -> tuple[Any, ...]:
    model = Net(nnx.Rngs(0))
    wrt = nnx.All(nnx.Param, nnx.PathContains("linear2"))
    return model, optimizer_of(model, wrt), ROWS, TARGETS


def restructured(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    """It counts in Python, keeps what it saw and adds a module."""
    value = plain(model, optimizer, x, y)
    model.calls = getattr(model, "calls", 0) + 1
    model.seen = nnx.Intermediate(value)
    if not hasattr(model, "extra"):
        model.extra = nnx.Dropout(0.5, rngs=nnx.Rngs(5))
    return value, model, model.linear1


def contracted(model: Any, optimizer: Any, x: Any) -> Any:
    value, grads = nnx.value_and_grad(loss)(model, x)
    optimizer.update(model, grads)
    return value


def new_of(make: Callable[..., Any], x: Any) -> Callable[[], tuple[Any, ...]]:
    def new() -> tuple[Any, ...]:
        model = make(nnx.Rngs(0))
        return model, optimizer_of(model), x

    return new


def averaged(model: Any, optimizer: Any, average: Any, x: Any, y: Any) -> Any:
    """A second model follows the first."""
    value = plain(model, optimizer, x, y)
    new = jax.tree.map(
        lambda a, p: 0.9 * a + 0.1 * p,
        nnx.state(average, nnx.Param),
        nnx.state(model, nnx.Param),
    )
    nnx.update(average, new)
    return value


def new_averaged() -> tuple[Any, ...]:
    model, optimizer, x, y = new_plain()
    return model, optimizer, nnx.clone(model), x, y


def scanned(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    """Two steps in one."""

    @nnx.scan(in_axes=(nnx.Carry, 0, 0), out_axes=(nnx.Carry, 0))
    def steps(both: Any, x: Any, y: Any) -> Any:
        return both, plain(*both, x, y)

    both = (x.reshape(2, 2, -1), y.reshape(2, 2, -1))
    return steps((model, optimizer), *both)[1].mean()  # type: ignore[call-arg]


STEPS: dict[str, Step] = {
    "plain": Step(plain, new_plain, loss=squared),
    "jitted": Step(nnx.jit(plain), new_plain, loss=squared),
    "donated": Step(nnx.jit(plain, donate_argnums=(0, 1)), new_plain, loss=squared),
    "metrics": Step(with_metrics, new_with_metrics),
    "holding": Step(holding, new_holding, lambda both, *_: both.model, squared),
    "adversarial": Step(adversarial, new_adversarial),
    "frozen": Step(frozen, new_frozen),
    "restructured": Step(restructured, new_plain, loss=squared),
    "averaged": Step(averaged, new_averaged, loss=squared),
    "layers_in_scan": Step(contracted, new_of(RematScan, SEQUENCES), loss=loss, data=1),
    "layers_in_vmap": Step(contracted, new_of(Mapped, ROWS), loss=loss, data=1),
    "shared": Step(contracted, new_of(Shared, ROWS), loss=loss, data=1),
    "scanned": Step(scanned, new_plain),
}
