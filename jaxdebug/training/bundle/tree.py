"""Leaves of a pytree by path, and back: the part of bundles that needs JAX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.programs.random_keys import is_key
from jaxdebug.reports import show_name
from jaxdebug.training.bundle.leaf import KeyBits, Leaf
from jaxdebug.training.errors import BundleError

_NUMBERS = (bool, int, float, complex)
_MOST = 8
"""Wrong leaves that a refusal lists."""


def leaves_by_path(tree: Any) -> dict[str, Leaf]:
    """Every array and number of a tree on the host, by path.

    Leaves that are neither, such as functions and text, are left out.

    Raises:
        BundleError: if a leaf is spread over several processes.

    Cost:
        Waits for the arrays, and copies them from the device.
    """
    return {path: _host(path, leaf) for path, leaf in _by_path(tree) if _is_value(leaf)}


def restored(leaves: Mapping[str, Leaf], like: Any) -> Any:
    """A tree of the structure of `like` with these values.

    Raises:
        BundleError: lists leaves that are missing, unexpected, or of another shape or
            dtype.
    """
    wanted = list(_by_path(like))
    values = {path for path, leaf in wanted if _is_value(leaf)}
    wrong = [
        *(f"{show_name(path)} is missing" for path in values - leaves.keys()),
        *(f"{show_name(path)} is unexpected" for path in leaves.keys() - values),
        *(
            f"{show_name(path)}: expected {_spelled(leaf)}, found "
            f"{_spelled(leaves[path])}"
            for path, leaf in wanted
            if path in values and path in leaves and not _agree(leaf, leaves[path])
        ),
    ]
    if wrong:
        more = f"; and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
        raise BundleError(
            "expected the tree that was bundled; found another one: "
            f"{'; '.join(sorted(wrong)[:_MOST])}{more}. Give the tree of the step that "
            "was recorded."
        )
    new = [
        _placed(leaves[path], leaf) if path in values else leaf for path, leaf in wanted
    ]
    return jax.tree.unflatten(jax.tree.structure(like), new)


def _by_path(tree: Any) -> Iterator[tuple[str, Any]]:
    """Leaves with their paths, each path once."""
    seen: set[str] = set()
    for names, leaf in zip(path_names(tree), jax.tree.leaves(tree), strict=True):
        path = name = "/".join(names)
        # A key may hold a slash, and so spell the path of another leaf.
        count = 0
        while path in seen:
            count += 1
            path = f"{name}[{count}]"
        seen.add(path)
        yield path, leaf


def _is_value(leaf: Any) -> bool:
    shaped = hasattr(leaf, "shape") and hasattr(leaf, "dtype")
    return shaped or isinstance(leaf, _NUMBERS)


def _host(path: str, leaf: Any) -> Leaf:
    if not getattr(leaf, "is_fully_addressable", True):
        raise BundleError(
            f"leaf {show_name(path)} is spread over several processes, which no bundle "
            "holds; save the state with a checkpointer"
        )
    if is_key(leaf):
        bits = np.asarray(jax.device_get(jax.random.key_data(leaf)))
        return KeyBits(bits, str(jax.random.key_impl(leaf)))
    return np.asarray(jax.device_get(leaf))


def _agree(like: Any, leaf: Leaf) -> bool:
    """Whether a value may stand where the tree has one.

    A counter that begins as a number of Python is an array after the first step.
    """
    if _spelled(like) == _spelled(leaf):
        return True
    if isinstance(leaf, KeyBits) or is_key(like):
        return False
    numbers = [np.asarray(one) for one in (like, leaf) if np.shape(one) == ()]
    kinds = {one.dtype.kind for one in numbers}
    return len(numbers) == 2 and len(kinds) == 1 and _is_number(like, leaf)


def _is_number(like: Any, leaf: np.ndarray) -> bool:
    """Whether one of two is a number of Python, which is kept as 64 bits."""
    return isinstance(like, _NUMBERS) or leaf.dtype.itemsize == 8


def _spelled(leaf: Any) -> str:
    """Dtype and shape of what a leaf is, in the tree or in the bundle."""
    if isinstance(leaf, KeyBits):
        leaf = jax.eval_shape(lambda: _keys(leaf))
    elif isinstance(leaf, _NUMBERS):
        leaf = np.asarray(leaf)
    return f"{leaf.dtype}{list(leaf.shape)}"


def _keys(leaf: KeyBits) -> Any:
    try:
        return jax.random.wrap_key_data(
            jax.device_put(leaf.bits), impl=leaf.implementation
        )
    except (ValueError, TypeError) as error:
        raise BundleError(f"expected keys of random numbers; found {error}") from None


def _placed(leaf: Leaf, like: Any) -> Any:
    """A value in the way in which a tree has it."""
    if isinstance(leaf, np.ndarray) and _spelled(like) != _spelled(leaf):
        return leaf.item() if leaf.dtype.itemsize == 8 else jax.device_put(leaf)
    if isinstance(like, _NUMBERS):
        assert isinstance(leaf, np.ndarray)
        return type(like)(leaf.item())
    if isinstance(like, np.ndarray | np.generic):
        assert isinstance(leaf, np.ndarray)
        return leaf.copy() if isinstance(like, np.ndarray) else leaf[()]
    # Explicit, so that a transfer guard lets it pass.
    sharding = getattr(like, "sharding", None)
    if isinstance(leaf, KeyBits):
        return jax.device_put(_keys(leaf), sharding)
    if getattr(like, "weak_type", False) and leaf.shape == ():
        # A number is weakly typed, as what the step was traced with.
        weak = jax.device_put(leaf.item(), sharding)
        if weak.dtype == leaf.dtype:
            return weak
    return jax.device_put(leaf, sharding)
