"""Arguments that hold many examples, taken apart: one check for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from jaxdebug.checks.arguments import AuditInputError, positions
from jaxdebug.programs._jax.sharding import explicit_mesh
from jaxdebug.programs.parameters.leaves import path_names

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and named."""

OVER = ("examples", "batches")


class Examples(NamedTuple):
    """Flat arguments, and which of them every example has its own of."""

    leaves: tuple[Any, ...]
    """Of examples on a leading axis where they have their own."""
    tree: Any
    own: tuple[bool, ...]
    count: int

    def one(self, index: int) -> Arguments:
        """The arguments of one."""
        pairs = zip(self.leaves, self.own, strict=True)
        flat = [leaf[index] if apart else leaf for leaf, apart in pairs]
        return jax.tree.unflatten(self.tree, flat)

    def rows(self, indices: Sequence[int]) -> list[Any]:
        """The flat arguments of some, on a leading axis where they have their own."""
        chosen = jax.numpy.asarray(indices)
        pairs = zip(self.leaves, self.own, strict=True)
        return [leaf[chosen] if apart else leaf for leaf, apart in pairs]


def require_over(
    over: str | None, order: int, gradient: Any, resume: Any, memory: Any
) -> None:
    """Refuse what is no way to run over many, when a tool is applied and not later."""
    if over is None:
        if resume is None and memory is None:
            return
        name = "memory" if resume is None else "resume"
        raise ValueError(
            f"check_gradients expects {name} only where over is given; found "
            f"over=None. Leave {name} out, or give over='examples' or over='batches'."
        )
    whole = isinstance(memory, int) and not isinstance(memory, bool)
    if memory is not None and not (whole and memory > 0):
        raise ValueError(
            f"check_gradients expects memory to be a number of bytes; found {memory!r}."
        )
    if over not in OVER:
        raise ValueError(
            "check_gradients expects over to be None, 'examples' or 'batches'; found "
            f"{over!r}."
        )
    if order != 1:
        raise ValueError(
            f"check_gradients expects order=1 where over={over!r}; found {order!r}. "
            "Check second derivatives at one example at a time."
        )
    if gradient is not None and not callable(gradient):
        raise ValueError(
            f"check_gradients expects gradient to be a function where over={over!r}: "
            "each example has another one; found a value of type "
            f"{type(gradient).__name__}."
        )


def take_apart(
    args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Any, over: str
) -> Examples:
    """Take apart what is not differentiated by.

    Args:
        args: as placed on the device.
        kwargs: likewise.
        argnums: positions of the parameters, which all examples share.
        over: `"examples"`, each a batch of one, or `"batches"`, each without the
            leading axis.

    Raises:
        AuditInputError: if there is no leading axis, or not one length of it.
    """
    shared = {("0", str(number)) for number in positions(argnums, len(args))}
    leaves, tree = jax.tree.flatten((args, kwargs))
    paths = path_names((args, kwargs))
    # Scalars, and keys of random numbers, are the same for all.
    own = [
        path[:2] not in shared and leaf.ndim > 0
        for leaf, path in zip(leaves, paths, strict=True)
    ]
    # One row cannot be taken of what is sharded by rows.
    leaves = [
        jax.device_put(jax.device_get(leaf)) if apart and explicit_mesh(leaf) else leaf
        for leaf, apart in zip(leaves, own, strict=True)
    ]
    lengths = {
        "/".join(path[1:]): leaf.shape[0]
        for leaf, path, apart in zip(leaves, paths, own, strict=True)
        if apart
    }
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        found = ", ".join(f"{n} at {name}" for name, n in [*lengths.items()][:4])
        raise AuditInputError(
            f"expected arrays with one leading axis of {over} beside argnums="
            f"{argnums}; found leading lengths {found or 'of none'}. Arrays that all "
            f"{over} share must be closed over; a key of random numbers is shared if "
            "it is one of jax.random.key."
        )
    if over == "examples":
        leaves = [
            leaf[:, None] if apart else leaf
            for leaf, apart in zip(leaves, own, strict=True)
        ]
    (count,) = set(lengths.values())
    return Examples(tuple(leaves), tree, tuple(own), count)
