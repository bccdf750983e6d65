"""Flax NNX: marks at the outputs of modules, by a class for each module.

NNX calls nothing of ours when a module is called, so the module itself gets a
class whose `__call__` marks what its own class returns. Only objects that
belong to a trace get one: the arguments, which are copies there, and modules
made in the trace. No class and no object of the user changes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache, wraps
from types import FrameType
from typing import Any

import jax
from flax import nnx
from flax.nnx import pytreelib

from jaxdebug.programs.markers import mark_outputs
from jaxdebug.programs.scopes import ModulePath

_Path = tuple[Any, ...]

_path: ContextVar[ModulePath] = ContextVar("jaxdebug_module", default=())
"""The module whose call is being traced."""

_OWN = "_jaxdebug_class"
"""Where a class of ours keeps the class it stands for."""

_BUILT = "_jaxdebug_built"
"""Where it says whether its module was alone when it was built."""


@contextmanager
def marking(arguments: Any, noticing: bool = False) -> Iterator[None]:
    """Context in which modules of a trace are marked when they are called.

    Args:
        arguments: of the traced function; copies that belong to the trace.
        noticing: whether to mark also modules that are made in the trace.
    """
    mark_modules(arguments)
    with _noticing() if noticing or _holds_state(arguments) else nullcontext():
        yield


def _holds_state(tree: Any) -> bool:
    """Whether a function of these arguments may merge a module out of them."""
    kinds = (nnx.State, nnx.GraphState, nnx.Variable, nnx.GraphDef)
    leaves = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, kinds))
    return any(isinstance(leaf, kinds) for leaf in leaves)


def mark_modules(tree: Any, *, built: bool = False) -> list[Any]:
    """Give every module in a tree a class that marks its outputs.

    A module's path starts with the class of the outermost module it is in and
    goes on as Flax spells it; one found at several places has the first.

    Args:
        tree: any pytree or module.
        built: whether the tree is a module that was just built: modules that were
            built before it and that it holds are from now on called after it.

    Returns:
        The modules whose class changed.
    """
    modules = {path: n for path, n in _nodes(tree) if isinstance(n, nnx.Module)}
    roots = {path: _root(path, modules) for path in modules}
    names = _names({root: own_class(type(modules[root])) for root in roots.values()})
    marked = []
    for path, module in modules.items():
        cls, root = type(module), roots[path]
        own = own_class(cls)
        is_new = own is cls or (built and getattr(cls, _BUILT))
        if is_new and _is_callable(own):
            inner = tuple(map(str, path[len(root) :]))
            _set_class(module, _marking_class(own, (names[root], *inner), built))
            marked.append(module)
    return marked


def own_class(cls: type) -> type:
    """The user's class that a class of ours stands for; any other is its own."""
    return getattr(cls, _OWN, cls)


def restored(tree: Any) -> Any:
    """A result as the function returned it: modules of the user's own classes."""
    _restore_objects(tree)

    def restore(leaf: Any) -> Any:
        if not isinstance(leaf, nnx.GraphDef):
            return leaf
        # The definition is rebuilt from an object that it defines.
        merged = nnx.graphlib.unflatten(leaf, [None] * leaf.num_leaves)
        return nnx.graphdef(merged) if _restore_objects(merged) else leaf

    if any(isinstance(node, nnx.GraphDef) for _, node in _nodes(tree)):
        return jax.tree.map(restore, tree, is_leaf=_is_definition)
    return tree


def _is_definition(value: Any) -> bool:
    return isinstance(value, nnx.GraphDef | nnx.Pytree)


def _restore_objects(tree: Any) -> bool:
    """Give the objects their own classes again; whether one had another."""
    changed = False
    for _, node in _nodes(tree):
        if own_class(type(node)) is not type(node):
            _set_class(node, own_class(type(node)))
            changed = True
    return changed


def _nodes(tree: Any) -> list[tuple[_Path, Any]]:
    return list(nnx.iter_graph(tree, graph=True))


def _root(path: _Path, modules: dict[_Path, Any]) -> _Path:
    """Path of the outermost module that a module is in."""
    return next(path[:end] for end in range(len(path) + 1) if path[:end] in modules)


def _names(roots: dict[_Path, type]) -> dict[_Path, str]:
    """A name for each outermost module: its class, with its key if two share it."""
    times = Counter(roots.values())
    return {
        path: own.__name__
        if times[own] == 1 or not path
        else f"{own.__name__}_{path[-1]}"
        for path, own in roots.items()
    }


def _is_callable(cls: type) -> bool:
    return any("__call__" in vars(base) for base in cls.__mro__)


def _set_class(module: Any, cls: type) -> None:
    object.__setattr__(module, "__class__", cls)


@cache
def _marking_class(own: type, path: ModulePath, built: bool) -> type:
    """A class that is the user's in all but its `__call__`.

    Flax and JAX keep every class of modules for good, so there is one for each
    path and no more.
    """

    @wraps(vars(next(b for b in own.__mro__ if "__call__" in vars(b)))["__call__"])
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        users: Any = super(marking_class, self)
        return marked_call(users.__call__, path, args, kwargs)

    names = ("__module__", "__qualname__", "__doc__")
    attributes = {name: getattr(own, name) for name in names}
    attributes |= {"__call__": __call__, _OWN: own, _BUILT: built}
    # Made as a subclass of Flax's class and moved below the user's afterwards:
    # what the user's class does to its subclasses is not for this one.
    marking_class = type(own)(
        own.__name__, (nnx.Module,), attributes, pytree=own._pytree__is_pytree
    )
    marking_class.__bases__ = (own,)
    marking_class._pytree__nodes = own._pytree__nodes
    return marking_class


def marked_call(call: Any, path: ModulePath, args: Any, kwargs: Any) -> Any:
    """What a module returns, marked."""
    with _inside(path):
        return mark_outputs(call(*args, **kwargs), path, _is_object)


@contextmanager
def _inside(path: ModulePath) -> Iterator[None]:
    """Name scopes that spell the path, as Linen opens them: activations use them."""
    around = _path.get()
    names = path[len(around) :] if path[: len(around)] == around else path
    token = _path.set(path)
    try:
        with ExitStack() as scopes:
            for name in names:
                scopes.enter_context(jax.named_scope(name))
            yield
    finally:
        _path.reset(token)


def _is_object(value: Any) -> bool:
    return isinstance(value, nnx.Pytree | nnx.Variable)


@contextmanager
def _noticing() -> Iterator[None]:
    """Mark what `nnx.merge` returns and what classes of modules build, in this thread.

    A graph definition that the function closes over names the user's classes, and
    nothing in Flax can be told otherwise for one thread. Python can: it reports
    the end of every call to a thread's profile function. A profiler that is
    already at work is left alone, and these modules are then not marked.

    Cost: a trace takes about twice as long.
    """
    if sys.getprofile() is not None:
        yield
        return
    makers = {
        nnx.graphlib.unflatten.__code__: False,
        pytreelib._graph_node_meta_call.__code__: True,
    }
    marked: list[Any] = []

    def notice(frame: FrameType, event: str, value: Any) -> None:
        if event == "return" and frame.f_code in makers and value is not None:
            marked.extend(mark_modules(value, built=makers[frame.f_code]))

    sys.setprofile(notice)
    try:
        yield
    finally:
        sys.setprofile(None)
        for module in marked:
            _set_class(module, own_class(type(module)))
