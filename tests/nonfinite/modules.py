"""What fails inside models of Linen, NNX, Equinox and Haiku."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import nnx

from tests.nonfinite.case import Cases

MODULES = Cases()
X = np.array([[1, 2, 3], [0, 0, 0]], np.float32)


class Unit(nn.Module):
    """Divides by the length."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        return x / jnp.sqrt((x**2).sum(-1, keepdims=True))  # failed


class Net(nn.Module):
    """Two layers with a unit between."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.Dense(4, use_bias=False, name="enter")(x)
        x = Unit(name="unit")(x)
        return nn.Dense(2, name="leave")(x)


def linen(model: nn.Module) -> tuple[Any, ...]:
    return model.init(jax.random.key(0), np.ones((2, 3), np.float32)), X


@MODULES.add("div", make=lambda: linen(Net()), source=Unit, layer="unit")
def linen_unit_vectors(variables: Any, x: Any) -> Any:
    out: Any = Net().apply(variables, x)
    return out.sum()


class Root(nn.Module):
    """The length itself, which has no gradient at zero."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        h = nn.Dense(4, use_bias=False)(x)
        return jnp.sqrt((h**2).sum(-1))  # failed and cause


class Deep(nn.Module):
    """Blocks in a checkpointed scan, then a length."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        block = nn.remat(Root)
        return block(name="root")(x)


@MODULES.add(
    "mul", make=lambda: linen(Deep()), source=Root, layer="root", cause="div",
    direction="backward", through=jax.grad,
)  # fmt: skip
def linen_checkpointed_length(variables: Any, x: Any) -> Any:
    out: Any = Deep().apply(variables, x)
    return out.sum()


class Step(nn.Module):
    """One layer of a scanned stack."""

    @nn.compact
    def __call__(self, x: Any, i: Any) -> Any:
        h = jnp.tanh(nn.Dense(3)(x))
        return h + jnp.log(1.5 - i), None  # failed


class Stack(nn.Module):
    """Layers with stacked parameters."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        scanned = nn.scan(
            Step, variable_axes={"params": 0}, split_rngs={"params": True}, length=3
        )
        return scanned(name="layers")(x, jnp.arange(3.0))[0]


@MODULES.add(
    "log", make=lambda: linen(Stack()), source=Step, layer="layers", iteration=(2,)
)
def linen_scanned_layers(variables: Any, x: Any) -> Any:
    out: Any = Stack().apply(variables, x)
    return out.sum()


class Attention(nn.Module):
    """Attention under a mask that forbids everything."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        scores = x @ x.T
        masked = jnp.where(jnp.tril(jnp.ones((2, 2)), -1) > 0, scores, -jnp.inf)
        return nn.softmax(masked) @ x  # failed


@MODULES.add("sub", make=lambda: linen(Attention()), source=Attention, reason="masked")
def linen_masked_attention(variables: Any, x: Any) -> Any:
    out: Any = Attention().apply(variables, x)
    return out.sum()


class NnxNet(nnx.Module):
    """Two layers, with a log between."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.enter = nnx.Linear(3, 4, rngs=rngs)
        self.leave = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        h = jnp.log(self.enter(x) - 50)  # failed
        return self.leave(h)


@MODULES.add("log", make=lambda: (NnxNet(nnx.Rngs(0)), X), source=NnxNet)
def nnx_log(model: Any, x: Any) -> Any:
    return model(x).sum()


class NnxRoot(nnx.Module):
    """A length of a layer's output."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.enter = nnx.Linear(3, 4, use_bias=False, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return jnp.linalg.norm(self.enter(x), axis=-1)  # failed and cause


def nnx_state() -> tuple[Any, ...]:
    model = NnxRoot(nnx.Rngs(0))
    return model, nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param), X


@MODULES.add(
    "mul", make=nnx_state, source=NnxRoot, cause="div", direction="backward",
    through=nnx.jit,
)  # fmt: skip
def nnx_train_step(model: Any, optimizer: Any, x: Any) -> Any:
    loss, grads = nnx.value_and_grad(lambda model: model(x).sum())(model)
    optimizer.update(model, grads)
    return loss


class EqxUnit(eqx.Module):
    """A layer and its length."""

    linear: eqx.nn.Linear

    def __call__(self, x: Any) -> Any:
        h = self.linear(x)
        return h / jnp.linalg.norm(h)  # failed


def equinox() -> tuple[Any, ...]:
    return EqxUnit(eqx.nn.Linear(3, 4, use_bias=False, key=jax.random.key(0))), X


@MODULES.add(
    "div", make=equinox, source=EqxUnit, layer="EqxUnit",
    reason="the norm of a zero vector",
)  # fmt: skip
def equinox_unit_vectors(model: Any, x: Any) -> Any:
    return jax.vmap(model)(x).sum()


@MODULES.add(
    "div", make=equinox, source=EqxUnit, layer="EqxUnit",
    through=lambda f: eqx.filter_jit(eqx.filter_value_and_grad(f)),
)  # fmt: skip
def equinox_gradient(model: Any, x: Any) -> Any:
    return jax.vmap(model)(x).sum()


def haiku_net(x: Any) -> Any:
    h = hk.Linear(4, with_bias=False, name="enter")(x)
    return jnp.log(h - 50).sum()  # failed


HAIKU = hk.without_apply_rng(hk.transform(haiku_net))


@MODULES.add(
    "log", make=lambda: (HAIKU.init(jax.random.key(0), X), X), source=haiku_net
)
def haiku_log(params: Any, x: Any) -> Any:
    return HAIKU.apply(params, x)
