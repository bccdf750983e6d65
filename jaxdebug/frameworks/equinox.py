"""Equinox: modules are pytrees with functions and None among their leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np

from jaxdebug.frameworks.modules import Form, ModuleArrays, form_key
from jaxdebug.programs.parameters.leaves import path_names

SHARED_SCOPES = ("eqx.nn.",)
"""Beginnings of name scopes that all instances of an Equinox layer share."""


def is_module(value: Any) -> bool:
    """Whether it is an Equinox module."""
    return isinstance(value, eqx.Module)


def take_apart(module: Any) -> ModuleArrays:
    """The arrays of a module; inexact ones are trainable, as `eqx.filter_grad` has it.

    Functions and Python numbers among the leaves belong to the form.
    """
    leaves, tree = jax.tree.flatten(module)
    paths = path_names(module)
    is_array = [
        isinstance(leaf, jax.Array | np.ndarray | np.generic) for leaf in leaves
    ]
    places = [place for place, found in enumerate(is_array) if found]
    flags = tuple(bool(eqx.is_inexact_array(leaves[place])) for place in places)
    fixed = [
        None if found else leaf for leaf, found in zip(leaves, is_array, strict=True)
    ]

    def filled(arrays: Sequence[Any]) -> list[Any]:
        every = list(fixed)
        for place, array in zip(places, arrays, strict=True):
            every[place] = array
        return every

    def rebuild(arrays: Sequence[Any], _: Any) -> Any:
        return jax.tree.unflatten(tree, filled(arrays))

    def parameters(arrays: Sequence[Any]) -> Any:
        kept: list[Any] = [None] * len(leaves)
        for place, array, flag in zip(places, arrays, flags, strict=True):
            if flag:
                kept[place] = array
        return jax.tree.unflatten(tree, kept)

    # Types too: 1, 1.0 and True are equal and yet make different programs.
    constants = tuple((type(leaf), leaf) for leaf in fixed)
    form = Form(
        tuple(paths[place] for place in places),
        flags,
        rebuild,
        parameters,
        form_key("equinox", tree, constants),
    )
    return ModuleArrays([leaves[place] for place in places], form)
