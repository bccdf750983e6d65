"""Healthy programs of the libraries, each a function with its arguments."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdebug.programs.places import is_inexact
from jaxdebug.testing.layers.as_layer import as_layer
from jaxdebug.testing.strategies.arrays import batches
from tests.testing import library_activations, library_linen, library_nnx
from tests.testing.library_layers import Case
from tests.testing.library_losses import LOSSES
from tests.zoo import PROGRAMS

LISTS = {
    "nn": (library_linen.FOUND, library_linen.LINEN),
    "nnx": (library_nnx.FOUND, library_nnx.NNX),
    "jax.nn": (library_activations.FOUND, library_activations.ACTIVATIONS),
}


class Linted(NamedTuple):
    """What `lint` is called with."""

    fn: Callable[..., Any]
    argnums: int | None
    args: tuple[Any, ...]


def healthy() -> dict[str, Callable[[], Linted]]:
    """Every program by its name, made when it is asked for."""
    found: dict[str, Callable[[], Linted]] = {}
    for library, (known, cases) in LISTS.items():
        for name, case in cases.items():
            # Some are in later releases only; after a space it is said how it is used.
            if name.split(" ")[0].rstrip(",") in known:
                found[f"{library}.{name}"] = lambda case=case: of_layer(case)
    for name in LOSSES:
        found[f"losses.{name}"] = lambda name=name: of_loss(name)
    for name in PROGRAMS:
        found[f"{name}, loss"] = lambda name=name: of_training(name)
        found[f"{name}, step"] = lambda name=name: of_step(name)
    return found


def of_layer(case: Case) -> Linted:
    """A layer in training, as a function of its parameters, or of its input."""
    call = dict(case.settings.get("call", {}))
    layer = as_layer(case.make(), None, call, batched=True)
    args = _drawn(batches((4,)) if case.inputs is None else case.inputs)
    key = jax.random.key(0)
    variables = jax.eval_shape(lambda key: layer.init(key, args), key)

    def fn(params: Any, state: Any, key: Any, *args: Any) -> Any:
        variables_ = type(variables)(params, state)
        return layer.apply(variables_, key, args, True)

    leaves = jax.tree.leaves(variables.params)
    argnums = 0 if any(map(is_inexact, leaves)) else None
    if argnums is None and is_inexact(jax.typeof(jax.tree.leaves(args)[0])):
        argnums = 3
    return Linted(fn, argnums, (variables.params, variables.state, key, *args))


def of_loss(name: str) -> Linted:
    """A loss of Optax."""
    case = LOSSES[name]
    several = isinstance(case.predictions, tuple)
    predictions = case.predictions if several else (case.predictions,)
    targets = case.targets if isinstance(case.targets, tuple) else (case.targets,)
    args = [_drawn(each) for each in (*predictions, *targets)]
    flat = [leaf for each in args for leaf in each]
    rows = {leaf.shape[0] for leaf in flat if leaf.ndim}
    if len(rows) > 1:
        flat = [leaf[: min(rows)] if leaf.ndim else leaf for leaf in flat]

    def fn(*args: Any) -> Any:
        return case.loss(*args)

    return Linted(fn, 0, tuple(flat))


def of_training(name: str) -> Linted:
    """The loss of a program of the zoo."""
    program = PROGRAMS[name]()
    args = (program.params, program.batch, *program.extra)
    return Linted(program.loss_fn, 0, args)


def of_step(name: str) -> Linted:
    """The train step of a program of the zoo."""
    program = PROGRAMS[name]()
    return Linted(program.train_step, None, (program.state, program.batch))


def _drawn(strategy: Any) -> tuple[Any, ...]:
    """The arrays of one example, or what is no strategy as it is."""
    if isinstance(strategy, np.ndarray | jax.Array):
        return (strategy,)
    several = strategy if isinstance(strategy, tuple) else (strategy,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(each.example() for each in several)
