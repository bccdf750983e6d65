"""A function of any output split into what is differentiated and what is given."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import jax
import numpy as np

from jaxdebug.checks.loss import AuditInputError, Split, split_arguments
from jaxdebug.frameworks import modules
from jaxdebug.frameworks.observed import observed
from jaxdebug.programs.leaves import path_names


@dataclass(frozen=True, eq=False)
class Problem:
    """A function of flat arrays and its gradient.

    Attributes:
        function: of all flat arrays: the flat outputs.
        gradient: of all flat arrays and a cotangent for each inexact output: the
            flat outputs, then the gradient by each moving leaf.
        split: which arrays those are.
        fixed_cotangents: whether the cotangents must be ones, because the gradient
            is one that was handed in.
    """

    function: Callable[..., list[Any]]
    gradient: Callable[..., list[Any]]
    split: Split
    fixed_cotangents: bool

    def cotangents(self, outputs: Sequence[Any], seed: int) -> list[np.ndarray]:
        """One for each inexact output: of either sign, between 1/2 and 3/2.

        Never ones: a rule that ignores its cotangent looks right with them.
        """
        drawn = []
        for position, aval in enumerate(outputs):
            if not jax.dtypes.issubdtype(aval.dtype, np.inexact):
                continue
            random = np.random.default_rng([seed, zlib.crc32(b"cotangent"), position])
            sizes = random.uniform(0.5, 1.5, aval.shape)
            sizes = sizes * random.choice([-1.0, 1.0], aval.shape)
            if self.fixed_cotangents:
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
) -> Problem:
    """Split a function at the arguments that are differentiated by.

    Args:
        fn: of pytrees; returns a pytree, or a pair of it and an aux.
        argnums: positions of those arguments.
        has_aux: whether the function returns a pair.
        gradient: in the place of JAX's: a function of the arguments, or a value; or
            None.
        args: of the function.
        kwargs: of the function.
        without: flat arguments that are not differentiated by.

    Raises:
        AuditInputError: if `argnums` names no argument, there is nothing to
            differentiate by, or the given gradient does not fit.
    """
    split = _without(split_arguments(argnums, args, kwargs), without)

    def outputs(flat: Sequence[Any]) -> list[Any]:
        args, kwargs = modules.rebuild(jax.tree.unflatten(split.tree, flat))
        result = observed(fn)(*args, **kwargs)
        if has_aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise AuditInputError(
                    "expected the function to return (output, aux), because "
                    f"has_aux=True; found {type(result).__name__}. Return a pair, or "
                    "give has_aux=False."
                )
            result = result[0]
        return jax.tree.leaves(modules.split(result))

    @wraps(fn, updated=())
    def function(*flat: Any) -> list[Any]:
        return outputs(flat)

    by_jax = gradient_by_jax(outputs, split)

    def handed_in(flat: Sequence[Any], _: Sequence[Any]) -> list[Any]:
        args, kwargs = modules.rebuild(jax.tree.unflatten(split.tree, flat))
        found = gradient(*args, **kwargs) if callable(gradient) else gradient
        results = outputs(flat)
        if [result.shape for result in results] != [()]:
            raise AuditInputError(
                "expected a function that returns a scalar, because gradient is given; "
                f"found {len(results)} arrays of shapes "
                f"{[result.shape for result in results]}."
            )
        return [*results, *_fitting(found, split, flat)]

    def whole(*arrays: Any) -> list[Any]:
        flat, cotangents = arrays[: split.count], arrays[split.count :]
        return (by_jax if gradient is None else handed_in)(flat, cotangents)

    return Problem(function, whole, split, gradient is not None)


def _without(split: Split, left_out: Collection[int]) -> Split:
    pairs = zip(split.moving, split.paths, strict=True)
    kept = [pair for pair in pairs if pair[0] not in left_out]
    return replace(
        split,
        moving=tuple(index for index, _ in kept),
        paths=tuple(path for _, path in kept),
    )


def gradient_by_jax(
    outputs: Callable[[Sequence[Any]], list[Any]], split: Split
) -> Callable[[Sequence[Any], Sequence[Any]], list[Any]]:
    """Of flat arrays and a cotangent for each inexact output: outputs and gradient.

    Args:
        outputs: the flat outputs of flat arrays.
        split: which of the arrays it is differentiated by.
    """

    def by_jax(flat: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        def moved(moving: Sequence[Any]) -> tuple[list[Any], list[Any]]:
            every = outputs(split.with_moving(flat, moving))
            inexact = [jax.dtypes.issubdtype(o.dtype, np.inexact) for o in every]
            return [o for o, is_in in zip(every, inexact, strict=True) if is_in], every

        moving = [flat[index] for index in split.moving]
        _, pull, every = jax.vjp(moved, moving, has_aux=True)
        return [*every, *pull(list(cotangents))[0]]

    return by_jax


def _fitting(found: Any, split: Split, flat: Sequence[Any]) -> list[Any]:
    """The leaves of a gradient that was handed in, in the order of the moving."""
    leaves = jax.tree.leaves(modules.split(found))
    names = path_names(found)
    inexact = [
        jax.numpy.asarray(leaf)
        for leaf in leaves
        if jax.dtypes.issubdtype(jax.numpy.asarray(leaf).dtype, np.inexact)
    ]
    wanted = [flat[index].shape for index in split.moving]
    if [leaf.shape for leaf in inexact] != wanted:
        raise AuditInputError(
            "expected a gradient with the shapes of the parameters, "
            f"{_named(split.names, wanted)}; found "
            f"{_named(['/'.join(name) for name in names], [x.shape for x in leaves])}."
        )
    return inexact


def _named(names: Sequence[str], shapes: Sequence[Any]) -> str:
    pairs = [f"{n or '(value)'} {s}" for n, s in zip(names, shapes, strict=True)]
    return ", ".join(pairs[:4]) + (" and more" if len(pairs) > 4 else "")
