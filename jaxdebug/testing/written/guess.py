"""What a layer could be made with, and called with: guessed, then tried."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxdebug.testing.layers.as_layer import as_layer
from jaxdebug.testing.layers.layer import TRAINING
from jaxdebug.testing.written.found import Found

SIZE = 4
"""Of features, so that the inputs that come by default fit."""

NAMES = {
    **dict.fromkeys(("num_heads", "heads", "n_heads", "num_groups", "groups"), "2"),
    **dict.fromkeys(("kernel_size", "window_shape", "pool_size"), "(3,)"),
    **dict.fromkeys(("num_layers", "n_layers", "layers", "depth"), "2"),
    **dict.fromkeys(("act", "activation", "act_fn", "activation_fn"), "jnp.tanh"),
}
"""What arguments of such names are given; by their type otherwise."""

TYPES = {
    "int": str(SIZE),
    "float": "0.5",
    "bool": "False",
    "Rngs": "nnx.Rngs(0)",
    "PRNGKeyArray": "jax.random.key(0)",
    "Sequence[int]": f"({SIZE}, {SIZE})",
    "tuple[int, ...]": f"({SIZE}, {SIZE})",
    "Callable": "jnp.tanh",
}

# Sequences first: what mixes over them would take vectors' batch axis for one.
INPUTS = (
    f"testing.batches((5, {SIZE}))",
    f"testing.batches(({SIZE},))",
    f"testing.batches((8, 8, {SIZE}))",
    'testing.batches((5,), dtype="int32", low=0, high=3)',
)
SHAPES: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((3, 5, SIZE), "float32"),
    ((3, SIZE), "float32"),
    ((3, 8, 8, SIZE), "float32"),
    ((3, 5), "int32"),
)
"""Of what each of the inputs gives."""


class Guess(NamedTuple):
    """How a layer is made and called, as Python."""

    made: str
    inputs: str
    unknown: str
    """What is to be filled in; empty if it was tried and ran."""


def guess(found: Found) -> Guess:
    """Guess what a layer is made and called with, and try it.

    Args:
        found: the layer's class, or a function with a derivative rule.

    Cost:
        The layer is made, and traced with inputs of up to four shapes; nothing is
        computed.
    """
    if found.kind == "rule":
        made, missing = found.name, []
        call: Callable[..., Any] = found.value
    else:
        arguments, missing = _arguments(found.value)
        made = f"{found.name}({', '.join(arguments)})"
        call = found.value.__call__
    first = INPUTS[0]
    if missing:
        return Guess(made, first, f"{', '.join(missing)} of {found.name}")
    names = {"jax": jax, "jnp": jnp, "nnx": nnx, found.name: found.value}
    try:
        layer = eval(made, names)  # of names and numbers that are written above
    except Exception as error:  # whatever the user's constructor raises
        return Guess(made, first, f"what {found.name} is made with: {_said(error)}")
    # Of a class the first argument is the layer itself.
    count = _required(call) - (found.kind != "rule")
    wrong = ""
    for inputs, args in _inputs(max(count, 1)):
        try:
            _trace(layer, args)
        except Exception as error:  # whatever the user's call raises
            wrong = wrong or _said(error)
        else:
            return Guess(made, inputs, "")
    return Guess(made, first, f"the inputs of {found.name}: {wrong}")


def _arguments(cls: type) -> tuple[list[str], list[str]]:
    """The arguments that must be given, and the names of those nobody can guess."""
    given, missing = [], []
    # NNX's metaclass hides the signature of a class, not that of its __init__.
    _, *parameters = inspect.signature(cls.__init__).parameters.values()
    for one in parameters:
        is_many = one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        if one.default is not one.empty or is_many:
            continue
        value = _value(one)
        if value is None:
            missing.append(one.name)
        value = "..." if value is None else value
        is_positional = one.kind is one.POSITIONAL_ONLY
        given.append(value if is_positional else f"{one.name}={value}")
    return given, missing


def _value(parameter: inspect.Parameter) -> str | None:
    said = parameter.annotation
    said = said if isinstance(said, str) else inspect.formatannotation(said)
    said = re.sub(r"[\w.]+\.(?=\w)", "", said).partition(" |")[0]
    if parameter.name == "rngs":
        return "nnx.Rngs(0)"
    if parameter.name in ("key", "rng"):
        return "jax.random.key(0)"
    if parameter.name in NAMES:
        return NAMES[parameter.name]
    found = TYPES.get(said, TYPES.get(said.partition("[")[0]))
    if found is None and any(
        word in parameter.name for word in ("feature", "dim", "hidden", "size", "width")
    ):
        return str(SIZE)
    return found


def _required(function: Callable[..., Any]) -> int:
    """How many inputs a call needs, besides the mode and a key."""
    return sum(
        one.default is one.empty
        and one.name not in (*TRAINING, "key")
        and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
        for one in inspect.signature(function).parameters.values()
    )


def _inputs(count: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Inputs as Python, and shapes and dtypes that they have."""
    for text, (shape, dtype) in zip(INPUTS, SHAPES, strict=True):
        args = (jax.ShapeDtypeStruct(shape, dtype),) * count
        # Several inputs are drawn by themselves: batches of one size fit together.
        one = text if count == 1 else f"{text[:-1]}, sizes=[{shape[0]}])"
        yield (one if count == 1 else f"({', '.join([one] * count)})"), args


def _trace(layer: Any, args: tuple[Any, ...]) -> None:
    """What `check_layer` does first, without computing anything."""
    seen = as_layer(layer, None, {}, batched=True)
    key = jax.random.key(0)

    def run(args: tuple[Any, ...]) -> Any:
        return seen.apply(seen.init(key, args), key, args, False)[0]

    out = jax.eval_shape(run, args)
    if not jax.tree.leaves(out):
        raise TypeError("it returns no array")


def _said(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}"[:120]
