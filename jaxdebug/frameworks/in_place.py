"""Functions that change NNX objects in place, as functions that return them too.

Inside a trace a function works on copies of its arguments' objects. What it did
to them is returned besides its result, each array under the path that its
argument has: a program then holds a state's new value as a pure step does. What
runs the program puts the new values into the objects of the user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import jax
from jax.tree_util import register_pytree_with_keys_class

from jaxdebug.frameworks import modules
from jaxdebug.frameworks.modules import ModuleArrays, ModulePath, PathKey
from jaxdebug.programs.graph import Graph
from jaxdebug.programs.parameters.flow import source
from jaxdebug.programs.parameters.leaves import path_names
from jaxdebug.programs.program import Program


class _Structure(NamedTuple):
    """What is known of the objects after a call, without their arrays."""

    names: tuple[ModulePath, ...]
    """Of the arguments that are objects."""
    returned: bool
    """Whether the result holds one of them, or a part of one."""
    restructured: bool = False
    """Whether they have other attributes or other parts than before."""


_NOTHING = _Structure((), False)


@register_pytree_with_keys_class
class Stepped:
    """The result of a function, and its arguments' objects as it left them."""

    def __init__(
        self, result: Any, objects: Sequence[ModuleArrays], structure: _Structure
    ) -> None:
        self.result = result
        self.objects = tuple(objects)
        self.structure = structure

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], _Structure]:
        """The result under no name, each object under that of its argument."""
        keys = [PathKey(()), *map(PathKey, self.structure.names)]
        return list(zip(keys, self._children, strict=True)), self.structure

    def tree_flatten(self) -> tuple[tuple[Any, ...], _Structure]:
        """The same without keys."""
        return self._children, self.structure

    @classmethod
    def tree_unflatten(cls, structure: _Structure, children: Sequence[Any]) -> Stepped:
        """The same with other leaves."""
        return cls(children[0], children[1:], structure)

    @property
    def _children(self) -> tuple[Any, ...]:
        return self.result, *self.objects


def returning_changes(function: Callable[..., Any]) -> Callable[..., Stepped]:
    """The function of arguments taken apart; modules in its result are so as well."""

    @wraps(function, updated=())
    def pure(*args: Any, **kwargs: Any) -> Stepped:
        nodes = jax.tree.leaves((args, kwargs), is_leaf=modules.is_taken)
        forms = [
            node.form for node in nodes if modules.is_taken(node) and node.form.in_place
        ]
        (args, kwargs), inside = modules.put_together((args, kwargs))
        if inside is None:
            return Stepped(modules.split(function(*args, **kwargs)), (), _NOTHING)
        found = [
            (path, value)
            for path, value in jax.tree_util.tree_leaves_with_path(
                (args, kwargs), is_leaf=inside.holds
            )
            if inside.holds(value)
        ]
        result = function(*args, **kwargs)
        objects = [value for _, value in found]
        structure = _Structure(
            # The first key tells positional from keyword arguments.
            tuple(tuple(map(_spelled, path[1:])) for path, _ in found),
            inside.share(objects, result),
        )
        (after, result), _ = modules.take_apart((objects, result), inside)
        restructured = forms != [taken.form for taken in after]
        return Stepped(result, after, structure._replace(restructured=restructured))

    return pure


def _spelled(key: Any) -> str:
    return jax.tree_util.keystr((key,), simple=True)


class Changes(NamedTuple):
    """What a program does to the objects of its arguments."""

    kept: tuple[int, ...]
    """Outputs that hand on the array that an object had before."""
    steps: bool
    """Whether a trainable array is a new one."""
    needed: bool
    """Whether anything is to be done to the objects of the user."""
    optimiser: bool = False
    """Whether one of them has arrays of which none is trained, as an optimiser."""


def changes_of(
    program: Program, graph: Graph, inputs: Sequence[tuple[str, ...]]
) -> Changes:
    """Compare the objects that a program returns with those it was given.

    Args:
        program: of a function that `returning_changes` returned.
        graph: its flow.
        inputs: path of each input; the first key is the argument's position.
    """
    numbered = jax.tree.unflatten(program.out_tree, range(len(graph.outputs)))
    before = dict(zip(inputs, graph.inputs, strict=True))
    names = path_names(numbered)
    kept, changed, steps, optimiser = [], False, False, False
    for taken in numbered.objects:
        optimiser = optimiser or bool(taken.arrays and not any(taken.form.trainable))
        for output, trainable in zip(taken.arrays, taken.form.trainable, strict=True):
            node = graph.outputs[output]
            if node is not None and source(graph, node) == before.get(names[output]):
                kept.append(output)
            else:
                changed, steps = True, steps or trainable
    structure = numbered.structure
    needed = changed or structure.restructured or structure.returned
    return Changes(tuple(kept), steps, needed, optimiser)


def result_of(stepped: Stepped, objects: Any, needed: bool) -> Any:
    """The result, after what was done to the copies is done to the objects.

    Args:
        stepped: with the arrays that the program returned.
        objects: of the arguments, as `take_apart` gave them.
        needed: whether anything is to be done to them.
    """
    if not needed:
        return modules.rebuild(stepped.result)
    return modules.put_together((stepped.objects, stepped.result), objects).tree[1]
