"""A function of any output split into what is differentiated and what is given."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.arguments import AuditInputError, Split, split_arguments
from jaxdebug.frameworks import modules
from jaxdebug.frameworks.observed import observed
from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.programs.places import is_inexact


@dataclass(frozen=True, eq=False)
class Problem:
    """A function of flat arrays and its gradient.

    Attributes:
        function: of all flat arrays: the flat outputs.
        gradient: of all flat arrays and a cotangent for each inexact output: the
            flat outputs, then the gradient by each moving leaf.
        split: which arrays those are.
        handed_in: whether the gradient is not JAX's.
        unit_cotangents: whether the cotangents are ones, because the gradient is
            that of a loss, or one that was handed in.
    """

    function: Callable[..., list[Any]]
    gradient: Callable[..., list[Any]]
    split: Split
    handed_in: bool
    unit_cotangents: bool

    def cotangents(self, outputs: Sequence[Any], seed: int) -> list[np.ndarray]:
        """One for each inexact output: of either sign, between 1/2 and 3/2.

        Never ones: a rule that ignores its cotangent looks right with them.
        """
        drawn = []
        for position, aval in enumerate(outputs):
            if not is_inexact(aval):
                continue
            random = np.random.default_rng([seed, zlib.crc32(b"cotangent"), position])
            sizes = random.uniform(0.5, 1.5, aval.shape)
            sizes = sizes * random.choice([-1.0, 1.0], aval.shape)
            if self.unit_cotangents:
                sizes = np.ones(aval.shape)
            drawn.append(np.asarray(sizes).astype(aval.dtype))
        return drawn


def split_problem(
    fn: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    gradient: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    without: Collection[int] = (),
    *,
    is_loss: bool = False,
) -> Problem:
    """Split a function at the arguments that are differentiated by.

    Args:
        fn: of pytrees; returns a pytree, or a pair of it and an aux.
        argnums: positions of those arguments.
        has_aux: whether the function returns a pair.
        gradient: in the place of JAX's: a function of the arguments; or None.
        args: of the function.
        kwargs: of the function.
        without: flat arguments that are not differentiated by.
        is_loss: whether it must return a real scalar, whose own gradient is meant.

    Raises:
        AuditInputError: if `argnums` names no argument, there is nothing to
            differentiate by, a loss is no scalar, or the given gradient does not fit.
    """
    split = _without(split_arguments(argnums, args, kwargs), without)

    def outputs(flat: Sequence[Any]) -> list[Any]:
        args, kwargs = modules.rebuild(jax.tree.unflatten(split.tree, flat))
        result = observed(fn)(*args, **kwargs)
        if is_loss:
            return [scalar_of(result, has_aux)]
        if has_aux:
            result = _first_of(result, "function", "output")
        return jax.tree.leaves(modules.split(result))

    @wraps(fn, updated=())
    def function(*flat: Any) -> list[Any]:
        return outputs(flat)

    by_jax = gradient_by_jax(outputs, split, is_loss)

    def by_user(flat: Sequence[Any], _: Sequence[Any]) -> list[Any]:
        args, kwargs = modules.rebuild(jax.tree.unflatten(split.tree, flat))
        found = gradient(*args, **kwargs)
        results = outputs(flat)
        if [result.shape for result in results] != [()]:
            raise AuditInputError(
                "expected a function that returns a scalar, because gradient is given; "
                f"found {len(results)} arrays of shapes "
                f"{[result.shape for result in results]}."
            )
        shapes = [flat[index].shape for index in split.moving]
        return [*results, *fitting(found, split, shapes).values()]

    def whole(*arrays: Any) -> list[Any]:
        flat, cotangents = arrays[: split.count], arrays[split.count :]
        return (by_jax if gradient is None else by_user)(flat, cotangents)

    handed_in = gradient is not None
    return Problem(function, whole, split, handed_in, is_loss or handed_in)


def scalar_of(result: Any, has_aux: bool) -> Any:
    if has_aux:
        result = _first_of(result, "loss", "loss")
    elif isinstance(result, tuple) and len(result) == 2:
        raise AuditInputError(
            f"expected a scalar loss; found {_describe(result)}. If it is "
            "(loss, aux), give has_aux=True."
        )
    shape, dtype = getattr(result, "shape", None), getattr(result, "dtype", None)
    if isinstance(result, float):
        shape, dtype = (), np.dtype(float)
    if shape != () or not jax.dtypes.issubdtype(dtype, np.floating):
        raise AuditInputError(
            f"expected a scalar loss of a floating dtype; found "
            f"{_describe(result)}. Reduce it, for example with .mean()."
        )
    return result


def _first_of(result: Any, function: str, first: str) -> Any:
    """The first of a pair, as `has_aux` promises one."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise AuditInputError(
            f"expected the {function} to return ({first}, aux), because has_aux=True; "
            f"found {_describe(result)}. Return a pair, or give has_aux=False."
        )
    return result[0]


def _describe(value: Any) -> str:
    """Type, and shape and dtype of arrays, as in f32[2,3]."""
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_describe, value)) + ")"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    return type(value).__name__


def _without(split: Split, left_out: Collection[int]) -> Split:
    pairs = zip(split.moving, split.paths, strict=True)
    kept = [pair for pair in pairs if pair[0] not in left_out]
    return replace(
        split,
        moving=tuple(index for index, _ in kept),
        paths=tuple(path for _, path in kept),
    )


def gradient_by_jax(
    outputs: Callable[[Sequence[Any]], list[Any]], split: Split, is_loss: bool = False
) -> Callable[[Sequence[Any], Sequence[Any]], list[Any]]:
    """Of flat arrays and a cotangent for each inexact output: outputs and gradient.

    Args:
        outputs: the flat outputs of flat arrays.
        split: which of the arrays it is differentiated by.
        is_loss: whether the cotangent is one, whatever it is called with.
    """

    def by_jax(flat: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        def moved(moving: Sequence[Any]) -> tuple[list[Any], list[Any]]:
            every = outputs(split.with_moving(flat, moving))
            return [out for out in every if is_inexact(jax.typeof(out))], every

        moving = [flat[index] for index in split.moving]
        inexact, pull, every = jax.vjp(moved, moving, has_aux=True)
        if is_loss:
            cotangents = [jax.numpy.ones_like(out) for out in inexact]
        return [*every, *pull(list(cotangents))[0]]

    return by_jax


def fitting(
    found: Any, split: Split, wanted: Sequence[tuple[int, ...]]
) -> dict[tuple[str, ...], Any]:
    """The leaves of a gradient that was handed in, by path, in the order of the moving.

    Args:
        found: the gradient.
        split: the arguments.
        wanted: shapes of what moves.

    Raises:
        AuditInputError: if they have other names or shapes.
    """
    leaves = modules.split(found)
    pairs = zip(path_names(leaves), jax.tree.leaves(leaves), strict=True)
    inexact = {
        name: jax.numpy.asarray(leaf)
        for name, leaf in pairs
        if is_inexact(jax.typeof(leaf))
    }
    # One argument alone may stand in a tuple, as with jax.grad(argnums=(0,)).
    one = len(split.arguments) == 1
    names = [path[1:] if one and path[:1] == ("0",) else path for path in inexact]
    shapes = [leaf.shape for leaf in inexact.values()]
    fits = [*inexact] == [*split.paths] or names == [*split.paths]
    if not fits or shapes != [*wanted]:
        raise AuditInputError(
            "expected a gradient with the names and shapes of the parameters, "
            f"{_named(split.names, wanted)}; found "
            f"{_named(['/'.join(name) for name in inexact], shapes)}."
        )
    return dict(zip(split.paths, inexact.values(), strict=True))


def _named(names: Sequence[str], shapes: Sequence[Any]) -> str:
    pairs = [f"{n or '(value)'} {s}" for n, s in zip(names, shapes, strict=True)]
    return ", ".join(pairs[:4]) + (" and more" if len(pairs) > 4 else "")
