"""Linen's own word for the layers of the models in `linen_models`."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from tests.frameworks.linen_models import MODELS


def initial(name: str) -> dict[str, Any]:
    """Variables of the model, drawn by NumPy: no initialiser is compiled."""
    model, x = MODELS[name]
    rng = np.random.default_rng(1)
    shapes: Any = jax.eval_shape(model.init, jax.random.key(0), x)
    return jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype(np.float32) * 0.5 + 0.1,
        {key: shapes[key] for key in shapes if key in ("params", "batch_stats")},
    )


def apply(name: str, variables: Any, **kwargs: Any) -> Any:
    """Outputs, and what was mutable."""
    model, x = MODELS[name]
    keys = {"dropout": jax.random.key(7)}
    collections = kwargs.pop("mutable", [])
    return model.apply(
        variables, x, rngs=keys, mutable=["batch_stats", *collections], **kwargs
    )


def contract(out: Any) -> jax.Array:
    """A scalar that depends on every output in its own way."""
    flat = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(out)])
    return jnp.sum(jnp.sin(flat) * jnp.cos(jnp.arange(flat.size, dtype=flat.dtype)))


def loss(name: str) -> Any:
    """`loss(params, rest)` of the model."""

    def scalar(params: Any, rest: Any) -> jax.Array:
        return contract(apply(name, {"params": params, **rest})[0])

    return scalar


def captured(name: str, variables: Any) -> dict[tuple[str, str], list[Any]]:
    """Every call's outputs, as Flax's `capture_intermediates` stores them."""
    model, _ = MODELS[name]
    stored = apply(
        name,
        variables,
        capture_intermediates=lambda module, method: hasattr(type(module), method),
        mutable=["intermediates"],
    )[1]["intermediates"]
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for path, leaf in jax.tree_util.tree_flatten_with_path(stored)[0]:
        # Names of modules and of the method, then a tuple with an entry each call.
        *module, method = [
            key.key
            for key in itertools.takewhile(
                lambda key: isinstance(key, jax.tree_util.DictKey), path
            )
        ]
        found[_spelled(model, module, method), "output"].append(leaf)
    return found


def _spelled(model: nn.Module, path: Any, method: str) -> str:
    suffix = "" if method == "__call__" else f".{method}"
    return "/".join([type(model).__name__, *path]) + suffix


def perturbed(name: str, variables: Any) -> dict[tuple[str, str], list[Any]]:
    """Derivatives by what Flax's `perturb` adds to the outputs of every call."""
    model, _ = MODELS[name]

    def outputs(added: Any, mutable: Any) -> Any:
        calls: Counter[Any] = Counter()
        scopes: list[Any] = []  # kept, so that no two have one id

        def intercept(method: Any, args: Any, kwargs: Any, context: Any) -> Any:
            out, module = method(*args, **kwargs), context.module
            if context.method_name == "setup" or not hasattr(
                type(module), context.method_name
            ):
                return out
            leaves, tree = jax.tree.flatten(out)
            for index, leaf in enumerate(leaves):
                # A body that Flax traces again starts with a new root.
                root = module.scope.root
                key = (id(root), module.path, context.method_name)
                scopes.append(root)
                if jnp.issubdtype(leaf.dtype, jnp.inexact):
                    label = f"{context.method_name}:{calls[key]:03}"
                    leaves[index] = module.perturb(label, leaf)
                    calls[key] += 1
            return jax.tree.unflatten(tree, leaves)

        with nn.intercept_methods(intercept):
            return apply(name, {**variables, **added}, mutable=mutable)

    shapes = jax.eval_shape(lambda: outputs({}, ["perturbations"]))[1]["perturbations"]
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    grads = jax.grad(lambda z: contract(outputs({"perturbations": z}, [])[0]))(zeros)
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for path, leaf in jax.tree_util.tree_flatten_with_path(grads)[0]:
        *module, label = [key.key for key in path]
        method = label.partition(":")[0]
        found[_spelled(model, module, method), "cotangent"].append(leaf)
    return found
