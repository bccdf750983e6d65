"""What a layer could be made with, and called with: guessed, then tried."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxdebug.checks.settings import undisturbed
from jaxdebug.testing.layers.as_layer import as_layer
from jaxdebug.testing.layers.draw import scattered
from jaxdebug.testing.layers.layer import TRAINING, Layer
from jaxdebug.testing.layers.rows import first_from
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

SIZES = "feature", "dim", "din", "dout", "hidden", "size", "width", "channel", "vocab"
"""In names of arguments that have no type, and are numbers of features."""

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
        The layer is made, traced with inputs of up to four shapes, and run twice with
        those of one, to see whether it takes their first axis for examples.
    """
    if found.kind == "rule":
        return _of_rule(found)
    arguments, missing = _arguments(found.value)
    made = f"{found.name}({', '.join(arguments)})"
    first = INPUTS[0]
    if missing:
        return Guess(made, first, f"{', '.join(missing)} of {found.name}")
    names = {"jax": jax, "jnp": jnp, "nnx": nnx, found.name: found.value}
    try:
        layer = eval(made, names)  # of names and numbers that are written above
        seen = as_layer(layer, None, {}, batched=True)
    except Exception as error:  # whatever the user's constructor raises
        return Guess(made, first, f"what {found.name} is made with: {_said(error)}")
    # Of a class the first argument is the layer itself.
    count = max(len(_required(found.value.__call__, (*TRAINING, "key"))) - 1, 1)
    return _tried(
        found.name,
        made,
        count,
        {},
        lambda args: _trace(seen, args),
        lambda args: _mixes(seen, args),
    )


def _of_rule(found: Found) -> Guess:
    """Operands that a rule does not differentiate by are guessed as arguments are."""
    function = found.value
    operands = _required(function, ())
    given = {
        i: _value(operands[i]) for i in function.nondiff_argnums if i < len(operands)
    }
    missing = [operands[i].name for i, value in given.items() if value is None]
    if missing:
        unknown = f"{', '.join(missing)} of {found.name}"
        return Guess(found.name, f"({', '.join(['...'] * len(operands))})", unknown)
    texts = {i: str(value) for i, value in given.items()}
    values = {i: eval(text, {"jax": jax, "jnp": jnp}) for i, text in texts.items()}

    def call(*moving: Any) -> Any:
        rest = iter(moving)
        return function(
            *(values[i] if i in values else next(rest) for i in range(len(operands)))
        )

    count = len(operands) - len(values)
    return _tried(
        found.name, found.name, count, texts, lambda args: jax.eval_shape(call, *args)
    )


def _tried(
    name: str,
    made: str,
    count: int,
    fixed: dict[int, str],
    trace: Callable[[tuple[Any, ...]], None],
    mixes: Callable[[tuple[Any, ...]], bool] = lambda args: False,
) -> Guess:
    """The first inputs with which it can be traced, and keeps their examples apart.

    A convolution over images takes sequences for one image, and mixes them. What mixes
    whatever it is given has the first inputs with which it can be traced.
    """
    wrong, first = "", None
    for inputs, args in _inputs(count, fixed):
        try:
            trace(args)
        except Exception as error:  # whatever the user's call raises
            wrong = wrong or _said(error)
            continue
        found = Guess(made, inputs, "")
        if not mixes(args):
            return found
        first = first or found
    return first or Guess(made, INPUTS[0], f"the inputs of {name}: {wrong}")


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
    if found is None and any(word in parameter.name for word in SIZES):
        return str(SIZE)
    return found


def _required(
    function: Callable[..., Any], but: Collection[str]
) -> list[inspect.Parameter]:
    """The inputs that a call needs, but those of some names."""
    return [
        one
        for one in inspect.signature(function).parameters.values()
        if one.default is one.empty
        and one.name not in but
        and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]


def _inputs(count: int, fixed: dict[int, str]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Inputs as Python, and shapes and dtypes that they have.

    Args:
        count: how many are drawn.
        fixed: others, as Python, by where they stand.
    """
    for text, (shape, dtype) in zip(INPUTS, SHAPES, strict=True):
        args = (jax.ShapeDtypeStruct(shape, dtype),) * count
        # Several inputs are drawn by themselves: batches of one size fit together.
        one = text if count == 1 else f"{text[:-1]}, sizes=[{shape[0]}])"
        every = [fixed.get(i, one) for i in range(count + len(fixed))]
        yield (one if len(every) == 1 else f"({', '.join(every)})"), args


def _mixes(seen: Layer, args: tuple[Any, ...]) -> bool:
    """Whether the first example changes what a layer makes of the others."""
    key, count = jax.random.key(0), args[0].shape[0]

    def example(struct: Any, number: int) -> Any:
        numbers = scattered(struct.shape, number)
        if jnp.issubdtype(struct.dtype, jnp.inexact):
            return numbers.astype(struct.dtype)
        return (2 + 2 * numbers).astype(struct.dtype)

    @jax.jit
    def others(variables: Any, args: tuple[Any, ...]) -> list[Any]:
        out = jax.tree.leaves(seen.apply(variables, key, args, False)[0])
        return [leaf[1:] for leaf in out if leaf.shape[:1] == (count,)]

    given, other = (
        tuple(example(struct, i + number) for i, struct in enumerate(args))
        for number in (0, 10)
    )
    with undisturbed(()):
        variables = jax.jit(seen.init)(key, given)
        made = [others(variables, one) for one in (given, first_from(given, other))]
    return not made[0] or not all(
        np.allclose(left, right, 1e-3, 1e-3, equal_nan=True)
        for left, right in zip(*map(jax.device_get, made), strict=True)
    )


def _trace(seen: Layer, args: tuple[Any, ...]) -> None:
    """What `check_layer` does first, without computing anything."""
    key = jax.random.key(0)

    def run(args: tuple[Any, ...]) -> Any:
        return seen.apply(seen.init(key, args), key, args, False)[0]

    out = jax.eval_shape(run, args)
    if not jax.tree.leaves(out):
        raise TypeError("it returns no array")


def _said(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}"[:120]
