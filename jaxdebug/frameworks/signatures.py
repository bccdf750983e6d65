"""What JAX compiles a program for: of each argument of a call, and what changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from jaxdebug.frameworks import modules
from jaxdebug.frameworks.held import hold_leaf, hold_static, is_held
from jaxdebug.programs.parameters.leaves import path_names


class Part(NamedTuple):
    """What JAX compiles a program for, of one argument."""

    static: Hashable
    """Its structure, with all values that are part of the program."""
    avals: tuple[Any, ...]
    said: str
    """Its static value, if it is one."""
    names: tuple[str, ...]
    """Of its leaves."""


class Change(NamedTuple):
    """What a call had that no call before it had."""

    argument: str
    what: str
    is_size: bool
    field: str = ""
    """The leaf of the argument, if it is one of several."""


Signature = Mapping[str, Part]


def call_signature(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Signature:
    """What a call is compiled for, argument by argument.

    Args:
        function: that is called; if it is jitted, its static arguments are known.
        args: of the call.
        kwargs: of the call.
    """
    take = hold_leaf(function)
    args, kwargs = hold_static(function, args, kwargs)
    names = [(f"argument {i}", value) for i, value in enumerate(args)]
    names += [(f"argument {name}", value) for name, value in kwargs.items()]
    return {name: _part(value, take) for name, value in names}


def _part(value: Any, take: Callable[[Any], Any]) -> Part:
    apart = modules.take_apart(value, other=take).tree
    leaves, tree = jax.tree.flatten(apart)
    said = repr(apart.value) if is_held(apart) else ""
    names = tuple(map("/".join, path_names(apart)))
    return Part(tree, tuple(map(_aval, leaves)), said[:60], names)


def _aval(leaf: Any) -> Any:
    aval = jax.typeof(leaf)
    return str(aval.dtype), aval.weak_type, aval.shape


def changed(signature: Signature, known: Sequence[Signature]) -> Change | None:
    """How a signature differs from the known one that it is most like.

    Returns:
        None if it is one of them, or there are none.
    """
    best: list[str] | None = None
    like: Signature = {}
    for other in reversed(known):
        names = dict.fromkeys((*signature, *other))
        unlike = [n for n in names if signature.get(n) != other.get(n)]
        if best is None or len(unlike) < len(best):
            best, like = unlike, other
    if not best:
        return None
    (name, *_) = best
    new, old = signature.get(name), like.get(name)
    if new is None or old is None:
        return Change(name, "is given at some calls only", False)
    if new.static != old.static:
        if new.said:
            number = new.said.lstrip("-").isdigit()
            what = f"is a static argument: it was {old.said}, then {new.said}"
            return Change(name, what, number)
        what = "holds other static values, or has another structure"
        return Change(name, what, False)
    triples = zip(new.names, old.avals, new.avals, strict=True)
    field, before, after = next((n, a, b) for n, a, b in triples if a != b)
    what = f"was {_spelled(before)}, then {_spelled(after)}"
    return Change(name, what, before[2] != after[2], field)


def _spelled(aval: Any) -> str:
    dtype, weak, shape = aval
    return f"{dtype}[{','.join(map(str, shape))}]{' (weak type)' if weak else ''}"
