"""The beginning of a function that asks for the value of an array on its way.

A step that calls `float(loss)` between the functions that it calls cannot be traced as
a whole. What it computes before can: as a function of the same arguments whose results
are the variables that the user's code holds at that moment.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jax

from jaxdebug.frameworks import modules
from jaxdebug.programs._jax.concrete import MADE_CONCRETE, asked_for, users_frames
from jaxdebug.programs._jax.ir import is_traced
from jaxdebug.programs.parameters.leaves import path_names

ASKED = "value that is asked for"
"""Name of the result whose value the function asks for, if no variable holds it."""


def until_concrete(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function up to where it asks for a value; all of it if it never does.

    Only for tracing. Objects that the function changes in place are as they were then.
    """

    @wraps(function, updated=())
    def begun(*args: Any, **kwargs: Any) -> Any:
        given = set(map(id, _arrays((args, kwargs)).values()))
        try:
            return function(*args, **kwargs)
        except MADE_CONCRETE as error:
            return _held(error, given)

    return begun


def _held(error: BaseException, given: set[int]) -> dict[str, Any]:
    """Arrays that variables hold, each once, under the paths that they have there."""
    seen, held = set(given), dict[str, Any]()
    for frame in users_frames(error):
        for path, leaf in _arrays(dict(frame.f_locals)).items():
            if id(leaf) not in seen:
                seen.add(id(leaf))
                _put(held, path, leaf)
    asked = asked_for(error)
    if asked is not None and id(asked) not in seen:
        held[ASKED] = asked
    return held


def _arrays(tree: Any) -> dict[tuple[str, ...], Any]:
    """The arrays of a trace in a tree, by path; not those of objects of NNX."""
    apart = modules.take_apart(tree, other=lambda x: x if is_traced(x) else None).tree
    pure = jax.tree.map(
        lambda node: None if modules.is_taken(node) and node.form.in_place else node,
        apart,
        is_leaf=modules.is_taken,
    )
    pairs = zip(path_names(pure), jax.tree.leaves(pure), strict=True)
    return {path: leaf for path, leaf in pairs if is_traced(leaf)}


def _put(held: dict[str, Any], path: tuple[str, ...], leaf: Any) -> None:
    """Put a leaf into nested dictionaries; beside what an outer variable holds."""
    *above, last = path
    for key in above:
        inner = held.setdefault(key, {})
        while not isinstance(inner, dict):
            key += "'"
            inner = held.setdefault(key, {})
        held = inner
    while last in held:
        last += "'"
    held[last] = leaf
